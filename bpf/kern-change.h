/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "kern-attach.h"

/*
 * Changing what is attached, with no instant in which neither the old nor the new runs. Members of
 * libxdp's dispatcher are kern-xdp-arrange.h's. Worker's work, as attaching is.
 */

/* How a program takes the place of another one on a hook of its type. */
typedef enum KernSuccession {
        /* by kern_replace(): from one event to the next there is the new one */
        KERN_SUCCESSION_IN_PLACE,
        /*
         * The hook takes a second program, of which the first one doesn't know: links of perf events,
         * trampolines and raw tracepoints, of which no kernel replaces the program (BPF_LINK_UPDATE is
         * EINVAL for them). There kern_move_begin() is given the new one, and both run until
         * kern_move_end().
         */
        KERN_SUCCESSION_BESIDE,
        /*
         * The hook takes one program at a priority (netfilter): kern_move_begin() attaches the new one at
         * the next one, with nothing in between, and once the old one is detached kern_move_home() at the
         * very priority. What was attached first ends then, by kern_move_end().
         */
        KERN_SUCCESSION_IN_TURNS,
        /* The kernel takes no other one in its place; of freplace programs not even one beside it. */
        KERN_SUCCESSION_NEVER,
} KernSuccession;

KernSuccession kern_succession(const KernType *type);

/*
 * Another program in the place of the one that is attached. A struct_ops is its map: @new_fd and @old_fd
 * are maps' then. An iterator's hook has the map that it goes over, if it goes over one, and the hook of
 * what a cgroup holds the cgroup.
 */
int kern_replace(int new_fd, uint32_t old_id, int old_fd, const KernHook *hook,
                 const KernAttachment *attachment, KernDiag *diag);

/*
 * A tc filter, which has a priority of its own, from @attachment's tc_old_priority to its tc_priority: it is
 * attached there, and then detached here, and in between runs twice. @hook has the handle. Where that was
 * done by half it does the rest; where it fails it is as it was.
 */
int kern_move_tc(int prog_fd, const KernHook *hook, const KernAttachment *attachment,
                 KernDiag *diag);

/*
 * Attaches a program, which with @again is the one that is there already, beside an attachment to the same
 * hook, of which @hook may wish another place: once the old attachment is detached, it has moved. Between
 * the two both run. Interfaces (tcx, netkit) take a program but once; there something stands in for it,
 * that does nothing but call it: *@ret_table is then a map, to be kept open or pinned until
 * kern_move_end(), since without it there is nothing that is called. Else it is -1.
 */
int kern_move_begin(int prog_fd, const KernHook *hook, bool again, KernAttachment *ret,
                    int *ret_table, KernDiag *diag);

/* Detaches @old, and attaches the program where it was. */
int kern_move_home(int prog_fd, const KernHook *hook, KernAttachment *old, KernAttachment *ret,
                   KernDiag *diag);

/* Detaches @old, and puts the program itself in the place of what stands in for it, if something does. */
int kern_move_end(int prog_fd, int link_fd, KernAttachment *old, KernDiag *diag);
