/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "program.h"

/* A function that no kernel has. */

extern int bpfkeeper_no_such_function(int n) __ksym;

SEC("tc")
int calls_it(void *ctx)
{
        count(0);
        return bpfkeeper_no_such_function(1);
}
