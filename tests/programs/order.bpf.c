/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "chain.h"

/* Members of a chain of which the kernel keeps the order. */

SEC("tcx/ingress")
int order_tcx(struct __sk_buff *skb)
{
        note_run();
        return -1; /* TCX_NEXT */
}

SEC("netkit/primary")
int order_netkit(struct __sk_buff *skb)
{
        note_run();
        return -1; /* NETKIT_NEXT */
}

SEC("cgroup_skb/egress")
int order_cgroup(struct __sk_buff *skb)
{
        note_run();
        return 1;
}
