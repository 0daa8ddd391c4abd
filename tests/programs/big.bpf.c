/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "program.h"

/*
 * Keeps the verifier busy for seconds: many programs, each with about as many instructions to look
 * at as it takes (a million), since it follows both sides of every branch of a loop.
 */

#define ROUNDS 50000

#define BUSY(name)                                      \
        SEC("xdp") int name(struct xdp_md *ctx)         \
        {                                               \
                __u64 sum = 0;                          \
                                                        \
                for (int i = 0; i < ROUNDS; i++) {      \
                        __u64 now = bpf_ktime_get_ns(); \
                                                        \
                        if (now & 1)                    \
                                sum += now ^ (__u64)i;  \
                        if (now & 2)                    \
                                sum ^= now;             \
                }                                       \
                return sum & 1 ? XDP_PASS : XDP_DROP;   \
        }

BUSY(big_00)
BUSY(big_01)
BUSY(big_02)
BUSY(big_03)
BUSY(big_04)
BUSY(big_05)
BUSY(big_06)
BUSY(big_07)
BUSY(big_08)
BUSY(big_09)
BUSY(big_10)
BUSY(big_11)
BUSY(big_12)
BUSY(big_13)
BUSY(big_14)
BUSY(big_15)
