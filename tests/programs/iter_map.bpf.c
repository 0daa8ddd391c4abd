/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "program.h"
#include <bpf/bpf_tracing.h>

/* A line for each element of a map. */

struct seq_file;

struct bpf_iter_meta {
        struct seq_file *seq;
} __attribute__((preserve_access_index));

struct bpf_iter__bpf_map_elem {
        struct bpf_iter_meta *meta;
        struct bpf_map *map;
        void *key;
        void *value;
};

struct {
        __uint(type, BPF_MAP_TYPE_ARRAY);
        __uint(max_entries, 2);
        __type(key, __u32);
        __type(value, __u64);
} seen SEC(".maps");

SEC("iter/bpf_map_elem")
int iter_elements(struct bpf_iter__bpf_map_elem *ctx)
{
        __u32 zero = 0, *key = ctx->key;
        __u64 *value = ctx->value;

        /* so that the map belongs to the program */
        if (!bpf_map_lookup_elem(&seen, &zero) || !key || !value)
                return 0;
        BPF_SEQ_PRINTF(ctx->meta->seq, "%u: %llu\n", *key, *value);
        return 0;
}

/* Keys twice as long */
SEC("?iter/bpf_map_elem")
int iter_long_keys(struct bpf_iter__bpf_map_elem *ctx)
{
        __u32 zero = 0;
        __u64 *key = ctx->key;

        if (!bpf_map_lookup_elem(&seen, &zero) || !key)
                return 0;
        BPF_SEQ_PRINTF(ctx->meta->seq, "%llu\n", *key);
        return 0;
}
