/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "program.h"

/* What a filter of tc does with the packets that it picks: lets them pass. */
SEC("action")
int tc_action_count(struct __sk_buff *skb)
{
        count(0);
        return 0;
}

/* No verdict: what tc does next is what the action was made with. */
SEC("action")
int tc_action_unspec(struct __sk_buff *skb)
{
        count(1);
        return -1;
}
