/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "kern-attach.h"
#include "kern-xdp.h"

/*
 * The members of an interface's dispatcher: who they are, and how they are arranged. libxdp adds and
 * removes members; what it can't is to change one that is there without removing it first. So that
 * is done here, by its protocol: a dispatcher with the same members otherwise arranged takes the place
 * of the one that is on the interface, in one step, and only of that one. No packet is seen by neither,
 * or by both.
 */

/* A member of ours as it is to be, in KernHook's fellows. */
#define KERN_XDP_FELLOW(priority, extension) ((uint64_t)(priority) << 32 | (extension))

/* What is to become of one of them. KERN_XDP_CHANGE_NONE: nothing, the order is looked after. */
typedef struct KernXdpChange {
        uint32_t extension;
        uint32_t proceed_on; /* how it runs from now on */
        int replacement_fd;  /* the extension that takes its place, or -1; borrowed */
        bool frags;          /* whether that takes packets in fragments */
} KernXdpChange;

#define KERN_XDP_CHANGE_NONE ((KernXdpChange){.replacement_fd = -1})

/*
 * Arranges members of ours, @fellows, so that they run in the order of that list, which is that of
 * their priorities and, where these are equal, of their attachment. libxdp runs programs of one
 * priority in the order of their names, so that one that is to run behind an equal one may get a
 * priority that is greater by one in the dispatcher. Others keep what they have. A member that is
 * replaced is in @fellows by its old extension. Where everything is as it is to be nothing is done.
 */
int kern_xdp_arrange(uint32_t ifindex, KernNumbers fellows, const KernXdpChange *change,
                     KernDiag *diag);

/* The priorities in a dispatcher with which members of ours run in order; for kern_xdp_arrange(). */
struct KernXdpMembers;
void kern_xdp_rank(struct KernXdpMembers *members, KernNumbers fellows);
