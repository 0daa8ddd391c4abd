/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include <linux/bpf.h>
#include <linux/types.h>

#include <bpf/bpf_helpers.h>

/*
 * What a worker that waits loads once, see kern_object_warm_up(): a program, a map and global data,
 * so that libbpf asks the kernel for all that it asks about objects of others.
 */

char LICENSE[] SEC("license") = "Dual BSD/GPL";

struct {
        __uint(type, BPF_MAP_TYPE_ARRAY);
        __uint(max_entries, 1);
        __type(key, __u32);
        __type(value, __u64);
} map SEC(".maps");

const volatile __u32 constant = 1;

SEC("tracepoint")
int warm_up(void *ctx)
{
        __u32 key = 0;

        return bpf_map_lookup_elem(&map, &key) ? (int)constant : 0;
}
