/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "program.h"

/* Programs on an application's socket. */

SEC("socket")
int socket_count(struct __sk_buff *skb)
{
        count(0);
        return skb->len;
}

/* Of a datagram, with its header of eight bytes, one byte is left. */
SEC("socket")
int socket_trim(struct __sk_buff *skb)
{
        count(3);
        return 9;
}

SEC("sk_reuseport")
int reuseport_count(struct sk_reuseport_md *ctx)
{
        count(1);
        return SK_PASS;
}

struct {
        __uint(type, BPF_MAP_TYPE_REUSEPORT_SOCKARRAY);
        __uint(max_entries, 1);
        __type(key, __u32);
        __type(value, __u64);
} chosen SEC(".maps");

/* Whoever is to get it by the kernel's choice, it goes to the socket that is in the map. */
SEC("sk_reuseport")
int reuseport_choose(struct sk_reuseport_md *ctx)
{
        __u32 key = 0;

        return bpf_sk_select_reuseport(ctx, &chosen, &key, 0) == 0 ? SK_PASS : SK_DROP;
}

SEC("sk_reuseport/migrate")
int reuseport_migrate(struct sk_reuseport_md *ctx)
{
        count(2);
        return SK_PASS;
}
