/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include <stdbool.h>

#include "program.h"
#include <bpf/bpf_tracing.h>

/* A scheduler of one queue for the whole machine: who comes first runs first, a slice of 20 ms each. */

#define GLOBAL (1ULL << 63 | 1) /* SCX_DSQ_GLOBAL */
#define SLICE 20000000

struct task_struct {
        int pid;
} __attribute__((preserve_access_index));

/* The newer name, and that before Linux 6.13. */
extern void scx_bpf_dsq_insert(struct task_struct *p, __u64 dsq, __u64 slice,
                               __u64 flags) __ksym __weak;
extern void scx_bpf_dispatch(struct task_struct *p, __u64 dsq, __u64 slice,
                             __u64 flags) __ksym __weak;
extern __s32 scx_bpf_create_dsq(__u64 dsq, __s32 node) __ksym;

struct sched_ext_ops {
        void (*enqueue)(struct task_struct *p, __u64 flags);
        void (*running)(struct task_struct *p);
        __s32 (*init)(void);
        char name[128];
};

SEC("struct_ops/fifo_enqueue")
void BPF_PROG(fifo_enqueue, struct task_struct *p, __u64 flags)
{
        count(0);
        if (bpf_ksym_exists(scx_bpf_dsq_insert))
                scx_bpf_dsq_insert(p, GLOBAL, SLICE, flags);
        else
                scx_bpf_dispatch(p, GLOBAL, SLICE, flags);
}

SEC("struct_ops/fifo_running")
void BPF_PROG(fifo_running, struct task_struct *p)
{
        count(1);
}

/* The one that may wait, and so make a queue, which nobody uses. */
SEC("struct_ops.s/fifo_init")
__s32 fifo_init(void *ctx)
{
        count(2);
        return scx_bpf_create_dsq(0, -1);
}

SEC(".struct_ops.link")
struct sched_ext_ops fifo = {
        .enqueue = (void *)fifo_enqueue,
        .running = (void *)fifo_running,
        .init = (void *)fifo_init,
        .name = "bpfkeeper_fifo",
};
