/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "program.h"

/* Each does what only a program may that can sleep: it reads memory that may have to be fetched first. */
static __always_inline int fetch_and_count(__u32 index)
{
        char byte;

        bpf_copy_from_user(&byte, sizeof(byte), 0);
        count(index);
        return 0;
}

SEC("uprobe.s")
int sleepable_uprobe(void *ctx)
{
        return fetch_and_count(0);
}

SEC("uretprobe.s")
int sleepable_uretprobe(void *ctx)
{
        return fetch_and_count(1);
}

SEC("uprobe.multi.s")
int sleepable_uprobe_multi(void *ctx)
{
        return fetch_and_count(2);
}

SEC("uretprobe.multi.s")
int sleepable_uretprobe_multi(void *ctx)
{
        return fetch_and_count(3);
}

/* These two go where every kernel lets such programs go; nothing calls it but a test run of tracing
 * programs. */
SEC("fentry.s/bpf_fentry_test1")
int sleepable_fentry(void *ctx)
{
        return fetch_and_count(0);
}

SEC("fexit.s/bpf_fentry_test1")
int sleepable_fexit(void *ctx)
{
        return fetch_and_count(1);
}

SEC("lsm.s/file_open")
int sleepable_lsm(void *ctx)
{
        return fetch_and_count(2);
}
