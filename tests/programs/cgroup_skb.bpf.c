/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "program.h"

SEC("cgroup_skb/ingress")
int cgroup_ingress(struct __sk_buff *skb)
{
        count(0);
        return 1;
}

SEC("cgroup_skb/egress")
int cgroup_egress(struct __sk_buff *skb)
{
        count(1);
        return 1;
}
