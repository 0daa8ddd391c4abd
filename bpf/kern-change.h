/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "kern-attach.h"

/*
 * Changing what is attached, with no instant in which neither the old nor the new runs. Members of
 * libxdp's dispatcher are kern-xdp-arrange.h's. Worker's work, as attaching is.
 */

/*
 * Another program in the place of the one that is attached: from one event to the next there is the
 * new one. -EOPNOTSUPP, without a diagnosis, where hooks of that kind can't; there the new one is
 * attached beside the old one, and that one then detached.
 */
int kern_replace(int new_fd, uint32_t old_id, int old_fd, const KernHook *hook,
                 const KernAttachment *attachment, KernDiag *diag);

/*
 * Whether a hook of the type takes a second program, of which the first one doesn't know: links of perf
 * events, trampolines and raw tracepoints, of which no kernel replaces the program (BPF_LINK_UPDATE is
 * EINVAL for them). There kern_move_begin() is given the new one, and both run until kern_move_end().
 */
bool kern_runs_beside(const KernType *type);

/*
 * Attaches the program once more, at another place of the hook that it is on, which is @hook with
 * other wishes as to its place: once the old attachment is detached, it has moved. Between the two it
 * runs twice. Interfaces (tcx, netkit) take a program but once; there something stands in for it,
 * that does nothing but call it: *@ret_table is then a map, to be kept open or pinned until
 * kern_move_end(), since without it there is nothing that is called. Else it is -1.
 */
int kern_move_begin(int prog_fd, const KernHook *hook, KernAttachment *ret, int *ret_table,
                    KernDiag *diag);

/* Detaches @old, and puts the program itself in the place of what stands in for it, if something does. */
int kern_move_end(int prog_fd, int link_fd, KernAttachment *old, KernDiag *diag);
