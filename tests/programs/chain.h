/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#pragma once

#include "program.h"

/*
 * What members of chains share. Each counts its runs in hits[0], and notes in order[number] when it
 * ran, by a clock that all of them have if they are given one map.
 */

const volatile __u32 number = 0;

struct {
        __uint(type, BPF_MAP_TYPE_ARRAY);
        __uint(max_entries, 64);
        __type(key, __u32);
        __type(value, __u64);
} order SEC(".maps");

static __always_inline void note_run(void)
{
        __u32 first = 0, own = number;
        __u64 *clock = bpf_map_lookup_elem(&order, &first);
        __u64 *place = bpf_map_lookup_elem(&order, &own);

        if (clock && place)
                *place = __sync_fetch_and_add(clock, 1) + 1;
        count(0);
}
