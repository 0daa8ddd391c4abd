/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "program.h"
#include <bpf/bpf_tracing.h>

/* A line for each task, when somebody reads it. */

struct seq_file;
struct task_struct {
        int pid;
        char comm[16];
} __attribute__((preserve_access_index));

struct bpf_iter_meta {
        struct seq_file *seq;
        __u64 session_id;
        __u64 seq_num;
} __attribute__((preserve_access_index));

struct bpf_iter__task {
        struct bpf_iter_meta *meta;
        struct task_struct *task;
} __attribute__((preserve_access_index));

static __always_inline int line(struct bpf_iter__task *ctx, __u32 index)
{
        struct task_struct *task = ctx->task;

        if (!task)
                return 0;
        count(index);
        BPF_SEQ_PRINTF(ctx->meta->seq, "%d %s\n", task->pid, task->comm);
        return 0;
}

SEC("iter/task")
int iter_tasks(struct bpf_iter__task *ctx)
{
        return line(ctx, 0);
}

SEC("iter.s/task")
int iter_tasks_sleepable(struct bpf_iter__task *ctx)
{
        return line(ctx, 1);
}
