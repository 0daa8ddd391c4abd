/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "program.h"

/* Each counts in the entry that its cookie names. */

SEC("uprobe.multi")
int uprobe_multi_anywhere(void *ctx)
{
        count(bpf_get_attach_cookie(ctx) & 3);
        return 0;
}

SEC("uretprobe.multi")
int uretprobe_multi_anywhere(void *ctx)
{
        count(bpf_get_attach_cookie(ctx) & 3);
        return 0;
}
