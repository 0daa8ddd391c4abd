/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "program.h"
#include <bpf/bpf_core_read.h>

/* Reads a field whose place the kernel's BTF tells. */

struct task_struct {
        int tgid;
} __attribute__((preserve_access_index));

SEC("raw_tracepoint/sched_process_fork")
int core_task(void *ctx)
{
        struct task_struct *task = (struct task_struct *)bpf_get_current_task();

        if (BPF_CORE_READ(task, tgid) == (int)(bpf_get_current_pid_tgid() >> 32))
                count(0);
        return 0;
}
