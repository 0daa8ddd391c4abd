/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "daemon.h"

/*
 * The chains of tc programs on interfaces: who their members are, and in which order; see
 * bpf/kern-tc.h for what they are to the kernel. Members run by priority, those of one priority in the
 * order in which they were attached.
 *
 * A chain lasts as long as it has a member. Its two maps are pinned by each of them, as the parts
 * TC_CHAIN_PROGRAMS and TC_CHAIN_ORDER of a link, and nowhere else: with the last one they go, and if
 * they went without, the dispatcher would run nothing. A worker makes and removes the dispatcher; what
 * happens in between is a few quick calls, as many whatever else there is.
 */

enum {
        TC_CHAIN_PROGRAMS,
        TC_CHAIN_ORDER,
        _TC_CHAIN_PINS,
};

typedef struct TcChains TcChains;

TcChains *tc_chains_new(void);
void tc_chains_free(TcChains *chains);

/* Whether a link of that program is to be a member. Otherwise it has a filter of its own. */
bool tc_chain_takes(const Daemon *daemon, const Program *program);

/* Called with NULL, or with an error, which is the callee's. May be called before tc_chain_join() returns. */
typedef void (*TcChainDone)(GError *error, void *userdata);

/*
 * Makes @link a member. It isn't registered and belongs to the caller, who keeps it until @done; it
 * and its place have been written down when it runs. After an error there may be something left to be
 * undone, by link_detach().
 */
void tc_chain_join(Daemon *daemon, Link *link, TcChainDone done, void *userdata);

/*
 * Has the chain run @link, a member, as it says by now: its program, its place, what it proceeds on.
 * NULL, or what went wrong.
 */
GError *tc_chain_change(Daemon *daemon, Link *link);

/*
 * Whether @link, which is said to be a member, is one to the kernel. false with @reterr: that can't be
 * found out.
 */
bool tc_chain_has(Daemon *daemon, const Link *link, GError **reterr);

/* At start: @link, which is about to be registered, is a member. false: another chain has its place. */
bool tc_chain_adopt(Daemon *daemon, Link *link);

/* At start, once all were adopted: what runs is what is there. */
void tc_chain_settle(Daemon *daemon);

/*
 * Takes @link out, and its pins away: its program runs no more. Whether it was the last one: then the
 * filter is the caller's to have removed, and tc_chain_ended() to be called afterwards.
 */
bool tc_chain_leave(Daemon *daemon, const Link *link);
void tc_chain_ended(Daemon *daemon, const Netns *netns, const KernHook *hook, uint32_t handle);
