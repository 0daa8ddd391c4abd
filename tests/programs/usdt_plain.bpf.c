/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "program.h"

/* Of a static probe, but without what its arguments are read by. */
SEC("usdt")
int usdt_plain(void *ctx)
{
        count(0);
        return 0;
}
