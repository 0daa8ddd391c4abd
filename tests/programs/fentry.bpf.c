/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "program.h"
#include <bpf/bpf_tracing.h>

struct path;
struct file;

SEC("fentry/vfs_open")
int BPF_PROG(fentry_open, const struct path *path, struct file *file)
{
        count(0);
        return 0;
}

SEC("fexit/vfs_open")
int BPF_PROG(fexit_open, const struct path *path, struct file *file, int result)
{
        count(result == 0 ? 1 : 2);
        return 0;
}
