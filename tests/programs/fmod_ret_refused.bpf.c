/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "program.h"

/* A function that the kernel lets nobody decide about. */
SEC("fmod_ret/vfs_open")
int fmod_ret_refused(void *ctx)
{
        return 0;
}
