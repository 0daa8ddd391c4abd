/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include <linux/bpf.h>
#include <linux/pkt_cls.h>
#include <linux/types.h>

#include <bpf/bpf_helpers.h>

#include "kern-tc-layout.h"

/*
 * Runs the members of a chain one after the other: see kern-tc.h. One filter on an interface, which is
 * never replaced. What it runs, and in which order, is in two maps, and one store of one word changes
 * it: for each packet there is the order before or the order after.
 */

char LICENSE[] SEC("license") = "Dual BSD/GPL";

/* By slot; the first one is nobody's, since 0 is where an order ends. */
struct {
        __uint(type, BPF_MAP_TYPE_PROG_ARRAY);
        __uint(max_entries, KERN_TC_SLOTS);
        __type(key, __u32);
        __type(value, __u32);
} programs SEC(".maps");

struct {
        __uint(type, BPF_MAP_TYPE_ARRAY);
        __uint(map_flags, BPF_F_MMAPABLE);
        __uint(max_entries, 1);
        __type(key, __u32);
        __type(value, struct kern_tc_order);
} order SEC(".maps");

/*
 * A tail call doesn't come back, but ends with the function that it is made in. So each is made in a
 * function of its own, and that one returns what the member did, or this where there is none. What is
 * in the way of who knows better: a global function is one of which the verifier knows no result, and
 * the compiler knows none of what went through asm.
 */
__noinline int run_member(struct __sk_buff *skb, __u32 slot)
{
        int result = TC_ACT_UNSPEC;

        bpf_tail_call(skb, &programs, slot);
        asm volatile("" : "+r"(result));
        return result;
}

SEC("tc")
int bpfkeeper_tc(struct __sk_buff *skb)
{
        const __u32 first = 0;
        const volatile struct kern_tc_order *o = bpf_map_lookup_elem(&order, &first);
        int verdict = TC_ACT_UNSPEC;
        __u64 rest;

        if (!o)
                return verdict;
        rest = o->slots;
#pragma clang loop unroll(disable)
        for (int i = 0; i < KERN_TC_MEMBERS_MAX; i++) {
                __u32 slot = rest & KERN_TC_SLOT_MASK;
                int result;

                if (slot == 0)
                        break;
                rest >>= KERN_TC_SLOT_BITS;
                result = run_member(skb, slot);
                /* The others are no verdict to tc either: it goes on with the next filter. */
                if (result < 0 || result >= KERN_TC_ACTIONS || !(KERN_TC_VERDICTS & (1U << result)))
                        continue;
                if (!(o->proceed_on[slot] & (1U << result)))
                        return result;
                verdict = result;
        }
        /* Who goes on after accepting leaves it to all who come, those of other filters too. */
        return verdict == TC_ACT_OK ? TC_ACT_UNSPEC : verdict;
}
