/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "program.h"

/*
 * Members of a chain of which the kernel keeps the order. Each counts its runs in hits[0], and notes in
 * order[number] when it ran, by a clock that all of them have if they are given one map.
 */

const volatile __u32 number = 0;

struct {
        __uint(type, BPF_MAP_TYPE_ARRAY);
        __uint(max_entries, 64);
        __type(key, __u32);
        __type(value, __u64);
} order SEC(".maps");

static __always_inline void run(void)
{
        __u32 first = 0, own = number;
        __u64 *clock = bpf_map_lookup_elem(&order, &first);
        __u64 *place = bpf_map_lookup_elem(&order, &own);

        if (clock && place)
                *place = __sync_fetch_and_add(clock, 1) + 1;
        count(0);
}

SEC("tcx/ingress")
int order_tcx(struct __sk_buff *skb)
{
        run();
        return -1; /* TCX_NEXT */
}

SEC("cgroup_skb/egress")
int order_cgroup(struct __sk_buff *skb)
{
        run();
        return 1;
}
