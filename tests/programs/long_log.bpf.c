/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "program.h"

/* Good, and refused, with logs of some megabytes: the verifier says a line on each instruction. */

#define ROUNDS 2500
#define FEW(sum) asm volatile("%0 ^= 1; %0 += 3; %0 ^= 5; %0 += 7; %0 ^= 9" : "+r"(sum))

static __always_inline __u64 talk(void)
{
        __u64 sum = bpf_ktime_get_ns();

        for (int i = 0; i < ROUNDS; i++) {
                FEW(sum);
                FEW(sum);
                FEW(sum);
                FEW(sum);
        }
        return sum & 1;
}

SEC("xdp")
int long_good(struct xdp_md *ctx)
{
        return talk() ? XDP_PASS : XDP_DROP;
}

SEC("?xdp")
int long_refused(struct xdp_md *ctx)
{
        return *((volatile __u8 *)(long)ctx->data + talk());
}

SEC("?xdp")
int long_short(struct xdp_md *ctx)
{
        return XDP_PASS;
}
