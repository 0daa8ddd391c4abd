/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "kern-attach.h"

/*
 * Where the kernel has no link for a program, what it is attached to holds it itself, until it is taken off or
 * that ends. What is there is known by the program alone, so that who wants to take his own off asks
 * first whose it is. (A tc filter has a handle, tc's action a mark, and a member of libxdp's dispatcher its
 * pins: none of these is meant here.)
 */
typedef enum KernHolder {
        KERN_HOLDER_NONE,
        KERN_HOLDER_CGROUP,    /* with attach_flags, kern-cgroup.h */
        KERN_HOLDER_DEVICE,    /* kern-lirc.h */
        KERN_HOLDER_MAP_ENTRY, /* kern-map-entry.h */
        KERN_HOLDER_ROUTE,     /* kern-route.h */
        _KERN_HOLDER_MAX,
} KernHolder;

/* What holds, or is to hold, a program where @hook says. */
KernHolder kern_holder(const KernHook *hook);

/*
 * Where in @hook the descriptor of the holder is, by which the kernel is asked; NULL where it is reached from
 * within a network namespace.
 */
int *kern_holder_fd(KernHook *hook);

/*
 * kern_is_attached() of what is held: 1, 0 or a negative errno; -EOPNOTSUPP where but a worker is to ask, and
 * kern_detach() does so. The holder's descriptor is -1 where it is gone.
 */
int kern_holder_has(uint32_t prog_id, const KernHook *hook);
