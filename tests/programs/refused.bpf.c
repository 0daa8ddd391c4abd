/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "program.h"

/* Reads a packet without asking how long it is: the verifier refuses that. */

SEC("xdp")
int refused_xdp(struct xdp_md *ctx)
{
        __u8 *data = (void *)(long)ctx->data;

        return data[100];
}
