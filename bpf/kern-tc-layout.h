/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#pragma once

#include <linux/types.h>

/* What tc-dispatcher.bpf.c in the kernel and kern-tc.c share: the value of map "order". */

#define KERN_TC_SLOT_BITS 4
#define KERN_TC_SLOT_MASK 0xfU
#define KERN_TC_SLOTS 16
/* As many as one word has room for, which is what is changed at once. */
#define KERN_TC_MEMBERS_MAX 15

/* TC_ACT_OK … TC_ACT_TRAP */
#define KERN_TC_ACTIONS 9
/* Those that end what tc does with a packet: ok, shot, stolen, redirect, trap. */
#define KERN_TC_VERDICTS ((1U << 0) | (1U << 2) | (1U << 4) | (1U << 7) | (1U << 8))

struct kern_tc_order {
        __u64 slots; /* of the members, the first one's in the lowest bits; 0 ends it */
        __u32 proceed_on[KERN_TC_SLOTS]; /* by slot: bits of the verdicts after which it goes on */
};
