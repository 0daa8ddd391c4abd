/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "program.h"

SEC("ksyscall/getpriority")
int ksyscall_count(void *ctx)
{
        count(0);
        return 0;
}

SEC("kretsyscall/getpriority")
int kretsyscall_count(void *ctx)
{
        count(1);
        return 0;
}
