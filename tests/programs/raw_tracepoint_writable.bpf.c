/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "program.h"

#define ENODATA 61

/* Where a test run ends the kernel lets its error be changed: that of the process called so. */
const volatile char changed_comm[16] = "";

SEC("raw_tracepoint.w/bpf_test_finish")
int writable_finish(struct bpf_raw_tracepoint_args *ctx)
{
        int *error = (void *)ctx->args[0];
        char comm[16];

        count(0);
        if (changed_comm[0] == '\0' || bpf_get_current_comm(comm, sizeof(comm)) < 0)
                return 0;
        for (int i = 0; i < 16 && changed_comm[i] != '\0'; i++)
                if (comm[i] != changed_comm[i])
                        return 0;
        *error = -ENODATA;
        return 0;
}
