/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "program.h"

/* Two programs of different types that count in one map. */

SEC("xdp")
int shared_xdp(struct xdp_md *ctx)
{
        count(0);
        return XDP_PASS;
}

SEC("tc")
int shared_tc(struct __sk_buff *skb)
{
        count(0);
        return 0;
}
