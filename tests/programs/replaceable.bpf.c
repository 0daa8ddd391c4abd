/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "program.h"

/* A global function, and what it is called by: what freplace programs go into. */

__attribute__((noinline)) int decide(struct xdp_md *ctx)
{
        volatile int verdict = XDP_PASS;

        return ctx ? verdict : XDP_ABORTED;
}

SEC("xdp")
int replaceable(struct xdp_md *ctx)
{
        count(0);
        return decide(ctx);
}

/* Another with such a function. */
SEC("xdp")
int replaceable_too(struct xdp_md *ctx)
{
        count(1);
        return decide(ctx);
}
