/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "program.h"
#include <bpf/bpf_tracing.h>

/* Count at the function's cookie, so that a test sees which function ran, and whether it was told. */

SEC("kprobe.multi/vfs_o?en")
int kprobe_multi_open(void *ctx)
{
        count((__u32)bpf_get_attach_cookie(ctx) & 3);
        return 0;
}

SEC("kretprobe.multi")
int kretprobe_multi_anywhere(void *ctx)
{
        count((__u32)bpf_get_attach_cookie(ctx) & 3);
        return 0;
}
