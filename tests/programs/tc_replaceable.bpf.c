/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "program.h"

/* As replaceable.bpf.c and freplace.bpf.c, for tc. */

__attribute__((noinline)) int tc_verdict(struct __sk_buff *skb)
{
        volatile int verdict = -1; /* TC_ACT_UNSPEC */

        return skb ? verdict : 2;
}

SEC("tc")
int tc_decided(struct __sk_buff *skb)
{
        count(0);
        return tc_verdict(skb);
}

SEC("?freplace/tc_verdict")
int tc_decide(struct __sk_buff *skb)
{
        count(0);
        return -1;
}
