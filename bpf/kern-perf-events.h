/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The events that a perf_event program can be attached to, by perf(1)'s names. */

typedef struct KernPerfEvent {
        uint32_t type; /* PERF_TYPE_* */
        uint64_t config;
} KernPerfEvent;

/* False: there is no such event; one of hardware may still be none of this machine's. */
bool kern_perf_event_find(const char *name, KernPerfEvent *ret);

/* All names, separated by commas, for messages; of those that are made of parts, examples. */
void kern_perf_event_list(char *ret, size_t size);
