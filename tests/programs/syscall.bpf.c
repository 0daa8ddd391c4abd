/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "program.h"

struct arguments {
        __u64 a, b;
};

/* Runs when it is told to, with what it is told. */
SEC("syscall")
int syscall_sum(struct arguments *ctx)
{
        count(0);
        ctx->a += ctx->b;
        return 0;
}
