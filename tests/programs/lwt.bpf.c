/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "program.h"

SEC("lwt_in")
int lwt_in_count(struct __sk_buff *skb)
{
        count(0);
        return BPF_OK;
}

SEC("lwt_out")
int lwt_out_count(struct __sk_buff *skb)
{
        count(1);
        return BPF_OK;
}

SEC("lwt_xmit")
int lwt_xmit_count(struct __sk_buff *skb)
{
        count(2);
        return BPF_OK;
}

SEC("lwt_seg6local")
int lwt_seg6local_count(struct __sk_buff *skb)
{
        count(3);
        return BPF_OK;
}
