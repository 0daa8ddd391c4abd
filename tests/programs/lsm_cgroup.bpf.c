/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "program.h"
#include <bpf/bpf_tracing.h>

/* Forbids a cgroup's processes one protocol family, and nothing else. */

const volatile int denied_family = -1;

SEC("lsm_cgroup/socket_create")
int BPF_PROG(lsm_cgroup_socket, int family, int type, int protocol, int kern)
{
        if (family != denied_family)
                return 1;
        count(0);
        return 0;
}
