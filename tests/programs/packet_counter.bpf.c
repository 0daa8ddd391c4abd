/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/types.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

/* Counts packets by what they carry, and lets them all pass. */

char LICENSE[] SEC("license") = "Dual BSD/GPL";

enum packet {
        PACKET_OTHER,
        PACKET_IPV4,
        PACKET_IPV6,
        PACKET_ARP,
        PACKET_MAX,
};

struct {
        __uint(type, BPF_MAP_TYPE_ARRAY);
        __uint(max_entries, PACKET_MAX);
        __type(key, __u32);
        __type(value, __u64);
} packets SEC(".maps");

struct {
        __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
        __uint(max_entries, PACKET_MAX);
        __type(key, __u32);
        __type(value, __u64);
} packets_percpu SEC(".maps");

static __always_inline __u32 classify(struct xdp_md *ctx)
{
        void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
        struct ethhdr *eth = data;

        if ((void *)(eth + 1) > end)
                return PACKET_OTHER;
        switch (bpf_ntohs(eth->h_proto)) {
        case ETH_P_IP:
                return PACKET_IPV4;
        case ETH_P_IPV6:
                return PACKET_IPV6;
        case ETH_P_ARP:
                return PACKET_ARP;
        default:
                return PACKET_OTHER;
        }
}

SEC("xdp")
int count_packets(struct xdp_md *ctx)
{
        __u32 key = classify(ctx);
        __u64 *value;

        value = bpf_map_lookup_elem(&packets, &key);
        if (value)
                __sync_fetch_and_add(value, 1);
        value = bpf_map_lookup_elem(&packets_percpu, &key);
        if (value)
                *value += 1;
        return XDP_PASS;
}
