/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "program.h"

#include <xdp/xdp_helpers.h>

/*
 * Members of a chain on one interface. Each counts its runs in hits[0], and notes in order[number]
 * when it ran, by a clock that all of them have if they are given one map.
 */

const volatile __u32 number = 0;
const volatile __u32 result = XDP_PASS;

struct {
        __uint(type, BPF_MAP_TYPE_ARRAY);
        __uint(max_entries, 16);
        __type(key, __u32);
        __type(value, __u64);
} order SEC(".maps");

static __always_inline int run(void)
{
        __u32 first = 0, own = number;
        __u64 *clock = bpf_map_lookup_elem(&order, &first);
        __u64 *place = bpf_map_lookup_elem(&order, &own);

        if (clock && place)
                *place = __sync_fetch_and_add(clock, 1) + 1;
        count(0);
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
