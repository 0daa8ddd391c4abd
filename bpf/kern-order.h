/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "kern-attach.h"

/*
 * The order of programs on a hook of which the kernel keeps one: interfaces (tcx, netkit) and, since
 * Linux 6.17, cgroups. Lower priorities run first, equal ones in the order of attachment. The kernel
 * knows no priorities but neighbours: a program goes right before the first one of ours that has a
 * greater priority and, where there is none, behind everything. So ours are in order whatever others
 * come and go between them; and where option before or after names a neighbour, that alone counts.
 */

/* A neighbour, as options before and after have it: "program:42", "link:7", "kernel-link:33". */
typedef enum KernNeighbourKind {
        KERN_NEIGHBOUR_PROGRAM,
        KERN_NEIGHBOUR_LINK, /* of the service, which makes a kernel link of it before it attaches */
        KERN_NEIGHBOUR_KERNEL_LINK,
} KernNeighbourKind;

typedef struct KernNeighbour {
        KernNeighbourKind kind;
        uint32_t id;
} KernNeighbour;

/* -EINVAL where it is none. */
int kern_neighbour_parse(const char *text, KernNeighbour *ret);

/* What the kernel knows as a hook. */
typedef struct KernPoint {
        int attach_type; /* enum bpf_attach_type */
        int target;      /* index of an interface, or descriptor of a cgroup */
        bool is_cgroup;
} KernPoint;

/* The kernel takes no more on one hook. */
#define KERN_CHAIN_MAX 64

typedef struct KernChainEntry {
        uint32_t prog_id;
        uint32_t link_id; /* 0: attached without a link, or none that could be told */
} KernChainEntry;

/* What is on a hook, in the order in which it runs. */
typedef struct KernChain {
        uint64_t
                revision; /* changes with whatever is attached or detached; 0: the kernel has none */
        KernAttachFlags attach_flags; /* of a cgroup that has any */
        size_t n;
        KernChainEntry entries[KERN_CHAIN_MAX];
} KernChain;

/* Where @hook, of a type whose hooks are such, is: 0, or -EOPNOTSUPP. */
int kern_point_of(const KernHook *hook, KernPoint *ret);

/*
 * One bpf(2) call for an interface. For a cgroup the kernel doesn't say which links its programs have:
 * with @with_links all links of the machine are looked through for them. 0 or a negative errno.
 */
int kern_chain_query(const KernPoint *point, bool with_links, KernChain *ret);

/* Whether the program is in it. */
bool kern_chain_has(const KernChain *chain, uint32_t prog_id);

/*
 * Attaches by a kernel link, at the place that @hook says: its descriptor, or a negative errno. On a
 * cgroup a neighbour must be a link: of a program it is who asks that has to find it. There
 * is a diagnosis where it was the place that was wrong; whatever else the kernel says is for the
 * caller to explain.
 */
int kern_order_link(int prog_fd, const KernPoint *point, const KernHook *hook, KernDiag *diag);

/* What is wrong with before and after of @hook, for kern_hook_check(); needs no kernel. */
int kern_order_check(const KernHook *hook, KernDiag *diag);
