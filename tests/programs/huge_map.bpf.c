/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "program.h"

/* A map that no machine has the memory for. */

struct {
        __uint(type, BPF_MAP_TYPE_ARRAY);
        __uint(max_entries, 0xffffffff);
        __uint(key_size, sizeof(__u32));
        __uint(value_size, 1 << 20);
} huge SEC(".maps");

SEC("xdp")
int huge_xdp(struct xdp_md *ctx)
{
        __u32 key = 0;

        return bpf_map_lookup_elem(&huge, &key) ? XDP_DROP : XDP_PASS;
}
