/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kern-attach.h"
#include "kern-tc-layout.h"

/*
 * Several tc programs on one direction of an interface, in an order of ours: a chain. tc itself runs
 * filters of one priority from the last to the first one, and goes on only after TC_ACT_UNSPEC. So
 * there is one filter for all of them, a dispatcher, which calls them in order; filters of others are
 * before and behind it, as tc has them, by KERN_TC_PRIORITY.
 *
 * A member is the program itself, as it was loaded, called by a tail call from a function of the
 * dispatcher's. It takes what the kernel can't do on every architecture: feature "tc_dispatcher". A
 * program of which an extension (freplace) replaces a function can't be one (EBUSY, since Linux 6.13).
 *
 * kern_tc_chain_begin() and kern_tc_chain_end() use netlink and load a program, and run in a worker.
 * The others are a few quick calls of bpf(2), for the daemon. Two that change one order at the same
 * time are the caller's to prevent. Source: bpf_tail_call() in bpf-helpers(7), tc-bpf(8).
 */

/* tc's priority ("pref") of all dispatchers */
#define KERN_TC_PRIORITY 50

/*
 * What a dispatcher is told by. The programs go when nobody has @programs_fd or a pin of it any more,
 * whatever else holds the map: then the dispatcher runs nothing.
 */
typedef struct KernTcChain {
        int programs_fd;     /* owned */
        int order_fd;        /* owned */
        uint32_t program_id; /* the dispatcher's */
} KernTcChain;

#define KERN_TC_CHAIN_INIT ((KernTcChain){.programs_fd = -1, .order_fd = -1})

void kern_tc_chain_done(KernTcChain *chain);

/* Whether the kernel takes the dispatcher. Loads it. */
bool kern_tc_can_dispatch(void);

/* Puts a dispatcher without members on hook->ifindex and hook->direction, as filter @handle. */
int kern_tc_chain_begin(const KernHook *hook, uint32_t handle, KernTcChain *ret,
                        KernDiag *reterr_diag);

/* Removes the filter @handle, if it runs a dispatcher. It is no failure where there is none. */
int kern_tc_chain_end(const KernHook *hook, uint32_t handle, KernDiag *reterr_diag);

/* Whether the program @program_id (0: any) is there as filter @handle: 1, 0 or a negative errno. */
int kern_tc_chain_is_there(const KernHook *hook, uint32_t handle, uint32_t program_id);

/*
 * Says which program a slot (1 … KERN_TC_MEMBERS_MAX) has; for one that is in the order the next
 * packet meets this one. -EBUSY: an extension replaces one of its functions. -EINVAL: it is of another
 * type, or of a kind that the kernel doesn't let be called so.
 */
int kern_tc_chain_put(int programs_fd, unsigned slot, int prog_fd);
int kern_tc_chain_clear(int programs_fd, unsigned slot);

/* The id of the program in a slot: 0 where none is. */
int kern_tc_chain_get(int programs_fd, unsigned slot, uint32_t *ret);

/* After which verdicts, as bits 1 << TC_ACT_OK and so on, the chain goes on behind that slot. */
int kern_tc_chain_set_proceed_on(int order_fd, unsigned slot, uint32_t verdicts);

/* These slots run, in this order, from the next packet on: at most KERN_TC_MEMBERS_MAX. */
int kern_tc_chain_set_order(int order_fd, const uint8_t *slots, size_t n);
