/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "program.h"
#include <bpf/bpf_tracing.h>

/* Forbids one process to make directories, which it would otherwise be allowed to. */

#define EPERM 1

const volatile __u32 denied_pid = 0;

struct inode;
struct dentry;

SEC("lsm/inode_mkdir")
int BPF_PROG(lsm_mkdir, struct inode *dir, struct dentry *dentry, unsigned short mode, int before)
{
        if (before != 0)
                return before;
        if (denied_pid == 0 || bpf_get_current_pid_tgid() >> 32 != denied_pid)
                return 0;
        count(0);
        return -EPERM;
}
