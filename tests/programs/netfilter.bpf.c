/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "program.h"

#define NF_ACCEPT 1

SEC("netfilter")
int netfilter_count(void *ctx)
{
        count(0);
        return NF_ACCEPT;
}
