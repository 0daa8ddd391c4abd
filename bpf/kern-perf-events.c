/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <linux/perf_event.h>

#include "kern-perf-events.h"
#include "kern-util.h"

typedef struct NamedEvent {
        const char *name, *alias; /* NULL: none */
        uint32_t type;
        uint64_t config;
} NamedEvent;

#define SOFTWARE(name, alias, id)                                   \
        {                                                           \
                name, alias, PERF_TYPE_SOFTWARE, PERF_COUNT_SW_##id \
        }
#define HARDWARE(name, alias, id)                                   \
        {                                                           \
                name, alias, PERF_TYPE_HARDWARE, PERF_COUNT_HW_##id \
        }

static const NamedEvent events[] = {
        SOFTWARE("cpu-clock", NULL, CPU_CLOCK),
        SOFTWARE("task-clock", NULL, TASK_CLOCK),
        SOFTWARE("page-faults", "faults", PAGE_FAULTS),
        SOFTWARE("minor-faults", NULL, PAGE_FAULTS_MIN),
        SOFTWARE("major-faults", NULL, PAGE_FAULTS_MAJ),
        SOFTWARE("context-switches", "cs", CONTEXT_SWITCHES),
        SOFTWARE("cpu-migrations", "migrations", CPU_MIGRATIONS),
        SOFTWARE("alignment-faults", NULL, ALIGNMENT_FAULTS),
        SOFTWARE("emulation-faults", NULL, EMULATION_FAULTS),
        SOFTWARE("cgroup-switches", NULL, CGROUP_SWITCHES),
        HARDWARE("cpu-cycles", "cycles", CPU_CYCLES),
        HARDWARE("ref-cycles", NULL, REF_CPU_CYCLES),
        HARDWARE("bus-cycles", NULL, BUS_CYCLES),
        HARDWARE("instructions", NULL, INSTRUCTIONS),
        HARDWARE("cache-references", NULL, CACHE_REFERENCES),
        HARDWARE("cache-misses", NULL, CACHE_MISSES),
        HARDWARE("branch-instructions", "branches", BRANCH_INSTRUCTIONS),
        HARDWARE("branch-misses", NULL, BRANCH_MISSES),
        HARDWARE("stalled-cycles-frontend", "idle-cycles-frontend", STALLED_CYCLES_FRONTEND),
        HARDWARE("stalled-cycles-backend", "idle-cycles-backend", STALLED_CYCLES_BACKEND),
};

/* In the order of the kernel's numbers */
static const char *const caches[] = {
        "L1-dcache", "L1-icache", "LLC", "dTLB", "iTLB", "branch", "node",
};
static const char *const accesses[][2] = {
        {"loads", "load-misses"},
        {"stores", "store-misses"},
        {"prefetches", "prefetch-misses"},
};

/* "LLC-load-misses" */
static bool find_cache(const char *name, uint64_t *ret)
{
        for (size_t c = 0; c < KERN_ELEMENTSOF(caches); c++) {
                size_t n = strlen(caches[c]);

                if (strncmp(name, caches[c], n) != 0 || name[n] != '-')
                        continue;
                for (size_t a = 0; a < KERN_ELEMENTSOF(accesses); a++)
                        for (size_t missed = 0; missed < 2; missed++)
                                if (strcmp(name + n + 1, accesses[a][missed]) == 0) {
                                        *ret = c | a << 8 | missed << 16;
                                        return true;
                                }
        }
        return false;
}

/* "r1a8": what the processor's manual says */
static bool find_raw(const char *name, uint64_t *ret)
{
        size_t n = strlen(name);

        if (name[0] != 'r' || n < 2 || n > 17)
                return false;
        for (const char *c = name + 1; *c; c++)
                if (!isxdigit((unsigned char)*c))
                        return false;
        *ret = strtoull(name + 1, NULL, 16);
        return true;
}

bool kern_perf_event_find(const char *name, KernPerfEvent *ret)
{
        uint64_t config;

        for (size_t i = 0; i < KERN_ELEMENTSOF(events); i++)
                if (strcmp(name, events[i].name) == 0 ||
                    (events[i].alias && strcmp(name, events[i].alias) == 0)) {
                        *ret = (KernPerfEvent){events[i].type, events[i].config};
                        return true;
                }
        if (find_cache(name, &config)) {
                *ret = (KernPerfEvent){PERF_TYPE_HW_CACHE, config};
                return true;
        }
        if (find_raw(name, &config)) {
                *ret = (KernPerfEvent){PERF_TYPE_RAW, config};
                return true;
        }
        return false;
}

void kern_perf_event_list(char *ret, size_t size)
{
        size_t n = 0;

        ret[0] = '\0';
        for (size_t i = 0; i < KERN_ELEMENTSOF(events) && n < size; i++)
                n += (size_t)snprintf(ret + n, size - n, "%s, ", events[i].name);
        if (n < size)
                snprintf(ret + n, size - n,
                         "those of caches, such as L1-dcache-load-misses, and the processor's own, "
                         "such as r1a8");
}
