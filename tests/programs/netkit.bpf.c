/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "program.h"

#define NEXT (-1) /* NETKIT_NEXT */
#define DROP 2

SEC("netkit/primary")
int netkit_primary(struct __sk_buff *skb)
{
        count(0);
        return NEXT;
}

SEC("netkit/primary")
int netkit_drop(struct __sk_buff *skb)
{
        count(2);
        return DROP;
}

SEC("netkit/peer")
int netkit_peer(struct __sk_buff *skb)
{
        count(1);
        return NEXT;
}
