/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include <linux/bpf.h>
#include <linux/types.h>

#include <bpf/bpf_helpers.h>

/* Of another licence by what it says to the kernel, which keeps some helpers from it. */

char LICENSE[] SEC("license") = "Proprietary";

SEC("xdp")
int proprietary_plain(struct xdp_md *ctx)
{
        return XDP_PASS;
}

SEC("xdp")
int proprietary_prints(struct xdp_md *ctx)
{
        bpf_printk("x");
        return XDP_PASS;
}
