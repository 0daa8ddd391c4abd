/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "program.h"

SEC("cgroup/getsockopt")
int getsockopt_count(struct bpf_sockopt *ctx)
{
        count(0);
        return 1;
}

SEC("cgroup/setsockopt")
int setsockopt_count(struct bpf_sockopt *ctx)
{
        count(1);
        return 1;
}
