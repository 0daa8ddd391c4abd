/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "program.h"

/* A section that tells libbpf nothing, one that is not loaded unless it is asked for, and an action. */

SEC("prog")
int plain_prog(void *ctx)
{
        return 2;
}

SEC("?xdp")
int plain_optional(struct xdp_md *ctx)
{
        return XDP_PASS;
}

SEC("action")
int plain_action(struct __sk_buff *skb)
{
        return 0;
}
