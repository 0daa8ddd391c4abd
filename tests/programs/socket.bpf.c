/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "program.h"

/* Programs that an application puts on a socket of its own. */

SEC("socket")
int socket_count(struct __sk_buff *skb)
{
        count(0);
        return skb->len;
}

SEC("sk_reuseport")
int reuseport_count(struct sk_reuseport_md *ctx)
{
        count(1);
        return SK_PASS;
}

SEC("sk_reuseport/migrate")
int reuseport_migrate(struct sk_reuseport_md *ctx)
{
        count(2);
        return SK_PASS;
}
