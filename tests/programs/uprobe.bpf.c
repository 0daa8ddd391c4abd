/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "program.h"

SEC("uprobe")
int uprobe_anywhere(void *ctx)
{
        count(bpf_get_attach_cookie(ctx) & 3);
        return 0;
}

SEC("uretprobe")
int uretprobe_anywhere(void *ctx)
{
        count(1);
        return 0;
}
