/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "chain.h"

#include <xdp/xdp_helpers.h>

/* Members of a chain on one interface. */

const volatile __u32 result = XDP_PASS;

static __always_inline int run(void)
{
        note_run();
        return (int)result;
}

SEC("xdp")
int chain_link(struct xdp_md *ctx)
{
        return run();
}

SEC("xdp.frags")
int chain_frags(struct xdp_md *ctx)
{
        return run();
}

struct {
        __uint(priority, 7);
        __uint(XDP_PASS, 0);
        __uint(XDP_DROP, 1);
        __uint(XDP_TX, 1);
} XDP_RUN_CONFIG(chain_configured);

SEC("xdp")
int chain_configured(struct xdp_md *ctx)
{
        return run();
}

/* Moves the packet's end to where it is: for the kernel that is moving it. */
SEC("xdp")
int chain_adjust(struct xdp_md *ctx)
{
        bpf_xdp_adjust_tail(ctx, 0);
        return run();
}
