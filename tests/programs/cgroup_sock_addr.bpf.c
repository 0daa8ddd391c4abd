/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "program.h"

/* Addresses stay as they are. */

#define FOR(hook)                                \
        SEC("cgroup/" #hook)                     \
        int on_##hook(struct bpf_sock_addr *ctx) \
        {                                        \
                count(0);                        \
                return 1;                        \
        }

FOR(bind4)
FOR(bind6)
FOR(connect4)
FOR(connect6)
FOR(sendmsg4)
FOR(sendmsg6)
FOR(recvmsg4)
FOR(recvmsg6)
FOR(getpeername4)
FOR(getpeername6)
FOR(getsockname4)
FOR(getsockname6)
