/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "program.h"

SEC("kprobe/do_sys_openat2")
int kprobe_open(void *ctx)
{
        count(0);
        return 0;
}

SEC("kretprobe/do_sys_openat2")
int kretprobe_open(void *ctx)
{
        count(1);
        return 0;
}
