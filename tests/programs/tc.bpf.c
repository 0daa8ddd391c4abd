/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "program.h"

SEC("tc")
int tc_count(struct __sk_buff *skb)
{
        count(0);
        return -1; /* TC_ACT_UNSPEC: whatever comes next decides */
}
