/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include <stdbool.h>
#include <stddef.h>

#include <linux/ptrace.h>

#include "program.h"

#include <bpf/usdt.bpf.h>

/* Counts in the entry that the cookie names. */
SEC("usdt")
int usdt_anywhere(struct pt_regs *ctx)
{
        count(bpf_usdt_cookie(ctx) & 3);
        return 0;
}

/* Adds the arguments up, each in its entry; the last one has how many there are. */
SEC("usdt.s")
int BPF_USDT(usdt_arguments, long first, long second, long third)
{
        long values[] = {first, second, third, bpf_usdt_arg_cnt(ctx)};

        for (__u32 i = 0; i < 4; i++) {
                __u32 key = i;
                __u64 *value = bpf_map_lookup_elem(&hits, &key);

                if (value)
                        __sync_fetch_and_add(value, values[i]);
        }
        return 0;
}
