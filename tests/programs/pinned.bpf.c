/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "program.h"

/* Wishes a pin below /sys/fs/bpf, which it must not get. */

struct {
        __uint(type, BPF_MAP_TYPE_HASH);
        __uint(max_entries, 16);
        __type(key, __u32);
        __type(value, __u64);
        __uint(pinning, LIBBPF_PIN_BY_NAME);
} bpfkeeper_test_pin SEC(".maps");

SEC("xdp")
int pinned_xdp(struct xdp_md *ctx)
{
        __u32 key = 0;

        return bpf_map_lookup_elem(&bpfkeeper_test_pin, &key) ? XDP_DROP : XDP_PASS;
}
