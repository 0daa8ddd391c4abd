/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

/*
 * What kern-xdp-member.c shows to libxdp in place of a program that is loaded already. The name is
 * overwritten by that program's, so it is as long as one can be.
 */

char LICENSE[] SEC("license") = "Dual BSD/GPL";

SEC("xdp")
int KERN_MEMBER_NAME(struct xdp_md *ctx)
{
        (void)ctx;
        return XDP_PASS;
}
