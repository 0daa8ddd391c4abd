/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "program.h"

/* The kernel keeps 15 characters of a name; BTF has them all. */

SEC("tracepoint/sched/sched_process_exit")
int a_program_with_a_long_name(void *ctx)
{
        count(0);
        return 0;
}
