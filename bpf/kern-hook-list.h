/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "kern-attach.h"

/*
 * What is on the hooks of an interface or of a cgroup, whoever put it there, hook by hook in the order
 * in which it runs. Asks the kernel, and for the members of libxdp's dispatcher the pins in
 * /sys/fs/bpf/xdp, without libxdp and its lock. May take a while where there are many links: in the
 * worker.
 */

typedef struct KernOccupant {
        const KernType *type;    /* what it would be attached as: the hook */
        KernDirection direction; /* where the type has one */
        const char *hook;        /* likewise, of the type's hooks; or NULL */
        uint32_t position;       /* on that hook, from 1 */
        uint32_t prog_id;        /* 0: no BPF program */
        uint32_t link_id;        /* 0: attached without a kernel link */
        uint32_t priority;       /* where the hook has priorities: tc, members of a dispatcher */
        uint32_t proceed_on;     /* xdp */
        KernXdpMode mode;        /* xdp */
        bool member;             /* xdp: of libxdp's dispatcher */
        uint32_t tc_handle;
        bool inherited; /* cgroup: it is on one above, and runs here as well */
        char name[64];  /* of the program, as the kernel cut it; of other filters their kind */
} KernOccupant;

/* Anything but 0 that @found returns ends the list, and is returned. */
typedef int (*KernOccupantFunc)(const KernOccupant *occupant, void *userdata);

/* Of interface @ifindex or, where that is 0, of the cgroup. 0 or a negative errno. */
int kern_hook_list(uint32_t ifindex, int cgroup_fd, KernOccupantFunc found, void *userdata,
                   KernDiag *diag);

/* Filters of an interface in one direction, in order: type, direction and position are filled in. */
int kern_filters_list(uint32_t ifindex, KernDirection direction, KernOccupantFunc found,
                      void *userdata);
