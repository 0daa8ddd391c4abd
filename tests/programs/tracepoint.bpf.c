/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "program.h"

SEC("tracepoint/sched/sched_process_fork")
int tracepoint_fork(void *ctx)
{
        count(0);
        return 0;
}

/* The section doesn't say where; the cookie that was given at attachment is the index to count. */
SEC("tracepoint")
int tracepoint_anywhere(void *ctx)
{
        count(bpf_get_attach_cookie(ctx) & 3);
        return 0;
}
