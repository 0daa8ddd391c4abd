/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "program.h"

/* Sends an event for every packet. */

struct event {
        __u64 time;
        __u32 length;
        __u32 reserved;
};

struct {
        __uint(type, BPF_MAP_TYPE_RINGBUF);
        __uint(max_entries, 1 << 16);
} events SEC(".maps");

SEC("xdp")
int ringbuf_packet(struct xdp_md *ctx)
{
        struct event *event = bpf_ringbuf_reserve(&events, sizeof(*event), 0);

        if (!event) {
                count(1);
                return XDP_PASS;
        }
        event->time = bpf_ktime_get_ns();
        event->length = ctx->data_end - ctx->data;
        event->reserved = 0;
        bpf_ringbuf_submit(event, 0);
        count(0);
        return XDP_PASS;
}
