/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#pragma once

#include <linux/bpf.h>
#include <linux/types.h>

#include <bpf/bpf_helpers.h>

/*
 * What the test programs share: a licence, and a map in which each of them counts its runs, so that
 * a test sees whether a program was called. No vmlinux.h: the few kernel types that a program needs
 * are declared where they are used.
 */

char LICENSE[] SEC("license") = "Dual BSD/GPL";

struct {
        __uint(type, BPF_MAP_TYPE_ARRAY);
        __uint(max_entries, 4);
        __type(key, __u32);
        __type(value, __u64);
} hits SEC(".maps");

static __always_inline void count(__u32 index)
{
        __u64 *value = bpf_map_lookup_elem(&hits, &index);

        if (value)
                __sync_fetch_and_add(value, 1);
}
