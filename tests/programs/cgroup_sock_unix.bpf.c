/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "program.h"

/* As cgroup_sock_addr, for what came with Linux 6.7. */

#define FOR(hook)                                \
        SEC("cgroup/" #hook)                     \
        int on_##hook(struct bpf_sock_addr *ctx) \
        {                                        \
                count(0);                        \
                return 1;                        \
        }

FOR(connect_unix)
FOR(sendmsg_unix)
FOR(recvmsg_unix)
FOR(getpeername_unix)
FOR(getsockname_unix)
