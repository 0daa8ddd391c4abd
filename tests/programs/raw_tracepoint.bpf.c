/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "program.h"

SEC("raw_tracepoint/sched_process_fork")
int raw_tracepoint_fork(void *ctx)
{
        count(0);
        return 0;
}
