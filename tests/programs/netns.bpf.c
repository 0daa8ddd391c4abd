/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "program.h"

/* Programs for a network namespace, which leave everything as it would be. */

SEC("sk_lookup")
int sk_lookup_count(struct bpf_sk_lookup *ctx)
{
        count(0);
        return SK_PASS;
}

SEC("flow_dissector")
int flow_dissector_count(struct __sk_buff *skb)
{
        count(1);
        return BPF_FLOW_DISSECTOR_CONTINUE;
}
