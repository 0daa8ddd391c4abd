/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "kern-attach.h"

/*
 * Who else may be where a program is on a cgroup, on the same hook, in the words of bpftool(8) but for the
 * last one:
 *
 *   multi      any number on the cgroup, and on those below; all of them run. So it is with links.
 *   override   this one alone on the cgroup; one below may have its own, which runs there in place of it.
 *   exclusive  this one alone on the cgroup and on all below, which the kernel refuses any to. One below
 *              that has a program already keeps it, and this one doesn't run there.
 *
 * Which of these it is, the kernel keeps for each hook of a cgroup as long as that has a program. There
 * is no link for the latter two: the cgroup itself holds the program, by BPF_PROG_ATTACH, until it goes.
 *
 * That call puts a program in the place of whatever is there with the same flags, and BPF_PROG_DETACH
 * takes away whatever is there: neither is told of whom it is meant. So the kernel is asked before what is
 * there. Since Linux 6.17 it is told, too, that this must be so still; on older ones what somebody else
 * does in between is undone, as it would be with any two users of these calls.
 */

/* Whether what @hook says is, or is to be, held by the cgroup: no link of the kernel's. */
bool kern_cgroup_holds(const KernHook *hook);

/* From BPF_F_ALLOW_... */
KernAttachFlags kern_attach_flags_from(uint32_t flags);

/* Attaches where there is nothing yet; -EBUSY with a diagnosis where there is. */
int kern_cgroup_attach(int prog_fd, const KernHook *hook, KernDiag *diag);

/* For what kern_attach() and its like say of such a program. */
int kern_cgroup_has(uint32_t prog_id, const KernHook *hook);
int kern_cgroup_detach(uint32_t prog_id, const KernHook *hook, KernDiag *diag);
int kern_cgroup_replace(int new_fd, uint32_t old_id, const KernHook *hook, KernDiag *diag);

/* Why the kernel refused the program (EPERM): what is in the way, and where; returns the error. */
int kern_cgroup_explain(const KernHook *hook, KernDiag *diag);

/* A descriptor of the cgroup above, good for nothing but to name it; -ENOENT where there is none. */
int kern_cgroup_above(int fd);
