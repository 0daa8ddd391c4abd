/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "program.h"

SEC("perf_event")
int perf_event_sample(void *ctx)
{
        count(0);
        return 0;
}
