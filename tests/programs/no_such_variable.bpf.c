/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "program.h"

/* A variable that no kernel has. */

extern const int bpfkeeper_no_such_variable __ksym;

SEC("tc")
int reads_it(void *ctx)
{
        count(0);
        return bpfkeeper_no_such_variable;
}
