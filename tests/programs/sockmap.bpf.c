/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "program.h"

/* What the sockets of a map send and receive passes as it would. */

struct {
        __uint(type, BPF_MAP_TYPE_SOCKMAP);
        __uint(max_entries, 2);
        __type(key, __u32);
        __type(value, __u64);
} sockets SEC(".maps");

SEC("sk_msg")
int sk_msg_count(struct sk_msg_md *ctx)
{
        count(0);
        return SK_PASS;
}

SEC("sk_skb/stream_verdict")
int sk_skb_verdict(struct __sk_buff *skb)
{
        count(1);
        return SK_PASS;
}

SEC("sk_skb/stream_parser")
int sk_skb_parser(struct __sk_buff *skb)
{
        count(2);
        return skb->len;
}

SEC("sk_skb")
int sk_skb_anywhere(struct __sk_buff *skb)
{
        count(3);
        return SK_PASS;
}
