/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "kern-attach.h"

/*
 * What is on the hooks of an interface, a cgroup, a network namespace or a device, whoever put it there, hook
 * by hook in the order in which it runs. Asks the kernel, about a cgroup also of those above, whose directories it
 * opens by O_PATH, and for the members of libxdp's dispatcher the pins in
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
        KernFamily family;       /* netfilter */
        int32_t hook_priority;   /* netfilter */
        uint32_t proceed_on;     /* xdp */
        KernXdpMode mode;        /* xdp */
        bool member;             /* xdp: of libxdp's dispatcher */
        uint32_t tc_handle;      /* of a filter, or in the mark of an action of ours */
        uint32_t index;          /* tc_action; 0: of others */
        /* Of a program on a route: "" of others. But for lwt_seg6local prog_id is what its name says, which anybody
         * may have given it. */
        char route[KERN_PREFIX_TEXT_MAX];
        uint32_t table, metric;
        bool inherited;               /* cgroup: it is on one above, and runs here as well */
        uint64_t cgroup_id;           /* of the one that it is on; 0: that isn't known */
        KernAttachFlags attach_flags; /* of that one's hook, where the type takes any */
        /* of the program, as the kernel cut it; of other filters their kind, of others on a hook of
         * netfilter's a chain's name or a function's */
        char name[64];
} KernOccupant;

/* Anything but 0 that @found returns ends the list, and is returned. */
typedef int (*KernOccupantFunc)(const KernOccupant *occupant, void *userdata);

typedef struct KernHookPlace {
        uint32_t ifindex; /* 0: no interface */
        int cgroup_fd;    /* -1: no cgroup */
        int device_fd;    /* -1: no device */
        /* Where it is none of these: the namespace, which the process is in. Of netfilter's hooks there are those
         * of one family and of one name, where these are given; then nothing else is looked at. */
        int netns_fd;
        KernFamily family;
        const char *hook; /* or "" */
        /* Kernel links that are none of what is looked at, and may look as if they were. */
        KernNumbers elsewhere;
} KernHookPlace;

#define KERN_HOOK_PLACE_INIT \
        ((KernHookPlace){.cgroup_fd = -1, .device_fd = -1, .netns_fd = -1, .hook = ""})

/*
 * 0 or a negative errno. Where the kernel doesn't tell what is on netfilter's hooks that is an error only
 * if nothing else was asked for.
 */
int kern_hook_list(const KernHookPlace *place, KernOccupantFunc found, void *userdata,
                   KernDiag *diag);

/* Filters of an interface in one direction, in order: type, direction and position are filled in. */
int kern_filters_list(uint32_t ifindex, KernDirection direction, KernOccupantFunc found,
                      void *userdata);

/* The bpf actions of tc in the network namespace that the process is in: all but the programs' names. */
int kern_actions_list(KernOccupantFunc found, void *userdata);

/* Programs on routes by an interface, in whichever table: all but names and ids of others is filled in. */
int kern_routes_list(uint32_t ifindex, KernOccupantFunc found, void *userdata);

/*
 * What is on one of netfilter's hooks, in order: all but the links' ids and the programs' names is filled
 * in. -EOPNOTSUPP where the kernel doesn't tell.
 */
int kern_netfilter_list(KernFamily family, const KernHookName *hook, KernOccupantFunc found,
                        void *userdata);
