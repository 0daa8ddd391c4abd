/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "kern-attach.h"
#include "kern-netlink.h"
#include "kern-route-encap.h"

/* Of a routing table the routes to one network, for whoever changes one of them. */

/* Next hops of such routes that are looked at: by that many interfaces, or with that many metrics. */
#define KERN_ROUTES_MAX 256

typedef struct KernRoute {
        struct nlmsghdr *message; /* owned: as the kernel told it */
        uint32_t ifindex;         /* 0: it has no next hop */
        uint32_t metric;
        bool several; /* this is one next hop of those that the route has */
        /* in the message, or NULL */
        const struct nlattr *encap_type, *encap;
} KernRoute;

typedef struct KernRoutes {
        const KernHook *
                hook; /* borrowed: says which network and table, and which one is wished of these */
        KernPrefix prefix;
        KernRoute list[KERN_ROUTES_MAX]; /* in the order in which the kernel has them */
        size_t n;
} KernRoutes;

/* To be released by kern_routes_done(), also where it fails; no table, no routes. */
int kern_routes_read(const KernHook *hook, KernRoutes *ret, KernDiag *diag);
void kern_routes_done(KernRoutes *routes);

/* Whether it is by the hook's interface, and has the metric, if one was given. */
bool kern_route_is_wished(const KernRoute *route, const KernHook *hook);

/* The one that a program is to go on, if there is one and no more, which the kernel lets be changed so. */
int kern_routes_choose(const KernRoutes *routes, const KernRoute **ret, KernDiag *diag);

/* Whether what is said to replace the route would replace that one alone: 0, or an error that says why not. */
int kern_routes_check(const KernRoutes *routes, const KernRoute *route, KernDiag *diag);

/*
 * Puts the same route with these programs, and no other encapsulation, in the place of this one. -ENOENT or
 * -ESRCH where it is gone. The kernel's reason for an error, or "", is text for people.
 */
int kern_route_put(const KernRoute *route, const KernSlots *slots, char *ret_reason, size_t size);
