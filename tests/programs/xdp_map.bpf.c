/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "program.h"

/* Redirects what arrives by maps whose entries have programs of their own. */

struct {
        __uint(type, BPF_MAP_TYPE_DEVMAP);
        __uint(max_entries, 1);
        __type(key, __u32);
        __type(value, struct bpf_devmap_val);
} devices SEC(".maps");

struct {
        __uint(type, BPF_MAP_TYPE_DEVMAP_HASH);
        __uint(max_entries, 2);
        __type(key, __u32);
        __type(value, struct bpf_devmap_val);
} hashed SEC(".maps");

/* without room for programs */
struct {
        __uint(type, BPF_MAP_TYPE_DEVMAP);
        __uint(max_entries, 1);
        __type(key, __u32);
        __type(value, __u32);
} plain SEC(".maps");

struct {
        __uint(type, BPF_MAP_TYPE_CPUMAP);
        __uint(max_entries, 1);
        __type(key, __u32);
        __type(value, struct bpf_cpumap_val);
} cpus SEC(".maps");

SEC("xdp/devmap")
int xdp_on_device(struct xdp_md *ctx)
{
        count(0);
        return XDP_DROP;
}

SEC("xdp.frags/devmap")
int xdp_frags_on_device(struct xdp_md *ctx)
{
        count(0);
        return XDP_DROP;
}

SEC("xdp/cpumap")
int xdp_on_cpu(struct xdp_md *ctx)
{
        count(1);
        return XDP_DROP;
}

SEC("xdp")
int xdp_to_device(struct xdp_md *ctx)
{
        return bpf_redirect_map(&devices, 0, 0);
}

SEC("xdp")
int xdp_to_cpu(struct xdp_md *ctx)
{
        return bpf_redirect_map(&cpus, 0, 0);
}
