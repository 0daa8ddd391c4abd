/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* The events that a perf_event program can be attached to, by perf(1)'s names. */

typedef struct KernPerfEvent {
        const char *name;
        uint32_t type; /* PERF_TYPE_SOFTWARE or PERF_TYPE_HARDWARE */
        uint64_t config;
} KernPerfEvent;

const KernPerfEvent *kern_perf_event_find(const char *name); /* or NULL */

/* All names, separated by commas, for messages. */
void kern_perf_event_list(char *ret, size_t size);
