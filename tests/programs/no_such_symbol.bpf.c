/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "program.h"

/* An address, of a type that doesn't matter, that no kernel has. */

extern const void bpfkeeper_no_such_symbol __ksym;

SEC("tc")
int has_it(void *ctx)
{
        count(0);
        return (int)(long)&bpfkeeper_no_such_symbol;
}
