/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "program.h"
#include <bpf/bpf_tracing.h>

/* A TCP congestion control that never has more than a few packets under way. */

#define WINDOW 10

struct sock;
struct rate_sample;
enum tcp_ca_event;

struct tcp_sock {
        __u32 snd_cwnd;
} __attribute__((preserve_access_index));

struct tcp_congestion_ops {
        __u32 (*ssthresh)(struct sock *sk);
        void (*cong_avoid)(struct sock *sk, __u32 ack, __u32 acked);
        __u32 (*undo_cwnd)(struct sock *sk);
        void (*init)(struct sock *sk);
        char name[16];
        void *owner;
};

SEC("struct_ops/slow_init")
void BPF_PROG(slow_init, struct sock *sk)
{
        count(0);
}

SEC("struct_ops/slow_ssthresh")
__u32 BPF_PROG(slow_ssthresh, struct sock *sk)
{
        return WINDOW;
}

SEC("struct_ops/slow_cong_avoid")
void BPF_PROG(slow_cong_avoid, struct sock *sk, __u32 ack, __u32 acked)
{
        count(1);
}

SEC("struct_ops/slow_undo_cwnd")
__u32 BPF_PROG(slow_undo_cwnd, struct sock *sk)
{
        return WINDOW;
}

SEC(".struct_ops.link")
struct tcp_congestion_ops slow = {
        .init = (void *)slow_init,
        .ssthresh = (void *)slow_ssthresh,
        .cong_avoid = (void *)slow_cong_avoid,
        .undo_cwnd = (void *)slow_undo_cwnd,
        .name = "bpfkeeper_slow",
};
