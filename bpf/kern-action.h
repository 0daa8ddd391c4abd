/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "kern-attach.h"

/*
 * Actions of tc (tc-bpf(8), tc-actions(8)): a program that filters of anybody's have run on the packets that
 * they pick, "tc filter add ... action bpf index 7". They name it by its index, of which a network namespace
 * has one each among its actions of the kind "bpf". What the program returns is the verdict, and for
 * TC_ACT_UNSPEC it is "pipe", as it is where tc(8) makes the action: the filter's next action comes, if it has
 * one, else the next filter.
 *
 * There is no link: the namespace has the action until it is deleted, which the kernel refuses as long as a
 * filter uses it. Ours are marked by what the kernel keeps for whoever makes one, a cookie: it says who it is
 * from and has the handle of the attachment, so that another one's with the same program at the same index,
 * here or in another namespace, isn't taken for it.
 *
 * Nothing is asked of the kernel but about one index: a message there and back. Of the namespace that the
 * process is in, as for tc.
 */

bool kern_is_action(const KernType *type);

/* For what kern_attach() and its like say; -EBUSY with a diagnosis where a filter uses what is to be detached. */
int kern_action_has(uint32_t prog_id, const KernHook *hook, const KernAttachment *attachment);
int kern_action_detach(uint32_t prog_id, const KernHook *hook, const KernAttachment *attachment,
                       KernDiag *diag);
int kern_action_replace(int new_fd, uint32_t old_id, const KernHook *hook,
                        const KernAttachment *attachment, KernDiag *diag);
