/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "program.h"

SEC("cgroup/sysctl")
int sysctl_count(struct bpf_sysctl *ctx)
{
        count(0);
        return 1;
}

SEC("cgroup/dev")
int device_count(struct bpf_cgroup_dev_ctx *ctx)
{
        count(1);
        return 1;
}

SEC("sockops")
int sock_ops_count(struct bpf_sock_ops *ctx)
{
        count(2);
        return 1;
}
