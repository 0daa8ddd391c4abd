/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "program.h"
#include <bpf/bpf_tracing.h>

/* Forbids one process to make symbolic links, in the kernel's functions instead of in the hook's. */

#define EPERM 1

const volatile __u32 denied_pid = 0;

struct inode;
struct dentry;

SEC("fmod_ret/security_inode_symlink")
int BPF_PROG(fmod_ret_symlink, struct inode *dir, struct dentry *dentry, const char *to, int ret)
{
        if (denied_pid == 0 || bpf_get_current_pid_tgid() >> 32 != denied_pid)
                return 0;
        count(0);
        return -EPERM;
}

/* The one function that every kernel lets a program that may sleep decide about; nothing calls it but
 * a test run of tracing programs. */
SEC("fmod_ret.s/bpf_fentry_test1")
int fmod_ret_sleepable(void *ctx)
{
        count(1);
        return 0;
}
