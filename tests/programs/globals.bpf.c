/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "program.h"

/* Says by its result what its global variables were when it was loaded. */

const volatile __u32 answer = 42; /* .rodata */
__u64 start = 1000;               /* .data */
__u32 calls;                      /* .bss */
static volatile __u16 hidden = 7; /* .data, no name outside of this file */
struct {
        __u32 first;
        __u8 second[12];
} pair;

SEC("xdp")
int globals_answer(struct xdp_md *ctx)
{
        calls++;
        start++;
        pair.first += hidden;
        return (int)answer;
}
