/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "program.h"

SEC("tcx/ingress")
int tcx_ingress(struct __sk_buff *skb)
{
        count(0);
        return -1; /* TCX_NEXT */
}

SEC("tcx/egress")
int tcx_egress(struct __sk_buff *skb)
{
        count(1);
        return -1;
}
