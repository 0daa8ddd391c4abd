/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "kern-attach.h"

/*
 * Programs on a route that is there already (lwt_in, lwt_out, lwt_xmit, and lwt_seg6local of IPv6). The kernel
 * has no link for them: the route itself has them, as its encapsulation, until it goes, be it with its
 * interface. Of the first three kinds there is one each on a route; of the last one there is it alone.
 *
 * To change that is to have the kernel put a copy of the route with other programs in the route's place
 * (NLM_F_REPLACE), in one step, so that no packet goes without. It puts that in the place of the first route
 * with that prefix and metric, whichever that is by then. So the table is read before; what others do to the
 * route between the two is lost, as it would be with any two users of ip(8).
 *
 * All the kernel tells of a program is the name that it was given along with it. Ours say the program's id, and
 * anybody who may change routes can give the same one, be it within a network namespace of their own. So a
 * program is put on the route again, since another one comes or goes, only if the caller says that it belongs
 * there: hook->fellows are the ids of those on the same route of which the service has links. Others with
 * names of ours are in the way of a program that comes, and don't outlast one that goes.
 *
 * Of the namespace that the process is in. Worker's work: where a table has many routes, reading it takes long.
 */

/* Whether programs of that type are on a route, and not on a kernel link. */
static inline bool kern_is_on_route(const KernType *type)
{
        return kern_type_takes(type, KERN_PARAM_BIT(KERN_PARAM_ROUTE));
}

/* For kern_detach() and kern_replace(). A route that is gone has no program; one of others' stays. */
int kern_route_detach(uint32_t prog_id, const KernHook *hook, KernDiag *diag);

/*
 * In place of the program @old_id, or, where that is 0, of whichever of ours is there. Where the new one is
 * there already it is done: a second attempt is no harm.
 */
int kern_route_replace(int new_fd, uint32_t old_id, const KernHook *hook, KernDiag *diag);
