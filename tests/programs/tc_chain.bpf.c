/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "program.h"

/* A member of a chain on one direction of an interface, as those of xdp_chain.bpf.c. */

const volatile __u32 number = 0;
const volatile __s32 result = -1; /* TC_ACT_UNSPEC */

struct {
        __uint(type, BPF_MAP_TYPE_ARRAY);
        __uint(max_entries, 16);
        __type(key, __u32);
        __type(value, __u64);
} order SEC(".maps");

SEC("tc")
int tc_link(struct __sk_buff *skb)
{
        __u32 first = 0, own = number;
        __u64 *clock = bpf_map_lookup_elem(&order, &first);
        __u64 *place = bpf_map_lookup_elem(&order, &own);

        if (clock && place)
                *place = __sync_fetch_and_add(clock, 1) + 1;
        count(0);
        return result;
}
