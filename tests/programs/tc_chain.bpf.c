/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "chain.h"

/* A member of a chain on one direction of an interface. */

const volatile __s32 result = -1; /* TC_ACT_UNSPEC */

SEC("tc")
int tc_link(struct __sk_buff *skb)
{
        note_run();
        return result;
}
