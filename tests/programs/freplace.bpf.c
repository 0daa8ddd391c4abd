/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "program.h"

/* In place of decide() of replaceable.bpf.c: drops instead of passing. */

SEC("freplace/decide")
int freplace_decide(struct xdp_md *ctx)
{
        count(0);
        return XDP_DROP;
}

/* Without a function in the section's name */
SEC("?freplace")
int freplace_anywhere(struct xdp_md *ctx)
{
        count(1);
        return XDP_DROP;
}

/* One that doesn't fit */
SEC("?freplace/decide")
int freplace_other(int a, int b)
{
        return a + b;
}
