/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "program.h"
#include <bpf/bpf_tracing.h>

struct task_struct {
        int pid;
} __attribute__((preserve_access_index));

SEC("tp_btf/sched_process_fork")
int BPF_PROG(tp_btf_fork, struct task_struct *parent, struct task_struct *child)
{
        if (parent->pid != child->pid)
                count(0);
        return 0;
}
