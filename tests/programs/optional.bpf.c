/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "program.h"

/* One program that is loaded with its object, and one that is loaded only if it is named. */

SEC("xdp")
int optional_first(struct xdp_md *ctx)
{
        return XDP_PASS;
}

SEC("?xdp")
int optional_second(struct xdp_md *ctx)
{
        return XDP_DROP;
}
