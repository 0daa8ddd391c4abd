/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "kern-route.h"

#include <errno.h>
#include <string.h>

#include <linux/lwtunnel.h>

#include "kern-attach-internal.h"
#include "kern-info.h"
#include "kern-route-table.h"

static void slots_done(KernSlots *slots)
{
        for (int i = 0; i < _KERN_SLOT_MAX; i++)
                kern_closep(&slots->fds[i]);
}

#define SLOTS_INIT ((KernSlots){.fds = {-1, -1, -1, -1}})

static bool is_fellow(uint32_t prog_id, const KernHook *hook)
{
        for (size_t i = 0; i < hook->fellows.n; i++)
                if (hook->fellows.list[i] == prog_id)
                        return true;
        return false;
}

/* The route that has the program, or, where @prog_id is 0, one of ours that isn't another link's; or NULL. */
static const KernRoute *find_program(const KernRoutes *routes, uint32_t prog_id, KernEncap *ret)
{
        const KernSlot slot = kern_slot_of(routes->hook->type);

        for (size_t i = 0; i < routes->n; i++) {
                const KernRoute *route = &routes->list[i];
                uint32_t id;

                if (!kern_route_is_wished(route, routes->hook))
                        continue;
                kern_encap_read(route->encap_type, route->encap, ret);
                id = kern_encap_id(ret, slot);
                if (id != 0 && (prog_id == 0 ? !is_fellow(id, routes->hook) : id == prog_id))
                        return route;
        }
        return NULL;
}

/* Those that stay on the route while something becomes of the one in @slot. */
static int open_others(const KernEncap *encap, KernSlot slot, const KernHook *hook, KernSlots *ret,
                       KernDiag *diag)
{
        for (int i = 0; i < _KERN_SLOT_MAX; i++) {
                const uint32_t id = i == (int)slot ? 0 : kern_encap_id(encap, (KernSlot)i);

                if (id == 0 || !is_fellow(id, hook))
                        continue;
                ret->fds[i] = kern_program_open_id(id);
                if (ret->fds[i] < 0)
                        return kern_fail(diag, ret->fds[i], KERN_ERROR_FAILED,
                                         "Can't open program %u, which is on the route, too: %s",
                                         id, strerror(-ret->fds[i]));
                ret->ids[i] = id;
        }
        return 0;
}

/* Says to the kernel that the route has these programs. -ENOENT where it went meanwhile. */
static int put(const KernRoute *route, const KernSlots *slots, const KernHook *hook, KernDiag *diag)
{
        char reason[256];
        int r = kern_route_put(route, slots, reason, sizeof(reason));

        if (r >= 0)
                return 0;
        if (r == -ENOENT || r == -ESRCH)
                return kern_fail(diag, -ENOENT, KERN_ERROR_NO_SUCH_TARGET,
                                 "The route to %s went meanwhile", hook->route);
        if (kern_interface_is_gone(hook->ifindex)) {
                (void)kern_no_such_interface(hook->ifindex, diag);
                return -ENOENT;
        }
        if (r == -EOPNOTSUPP)
                return kern_cant_attach(r, hook, diag);
        return kern_fail(diag, r, KERN_ERROR_FAILED,
                         "The kernel doesn't take the route to %s as it is, with other programs: "
                         "%s%s%s",
                         hook->route, strerror(-r), reason[0] ? "; it says: " : "", reason);
}

static int is_busy(const KernEncap *encap, const KernHook *hook, KernDiag *diag)
{
        char what[1024];

        return kern_fail(
                diag, -EBUSY, KERN_ERROR_HOOK_BUSY,
                "The route to %s has %s, and takes no %s program beside that; detach it first, "
                "or have whoever made the route so make it anew",
                hook->route, kern_encap_describe(encap, what, sizeof(what)), hook->type->name);
}

/* Whether there is nothing but programs of ours in other slots. */
static int check_room(const KernEncap *encap, const KernHook *hook, KernDiag *diag)
{
        const KernSlot slot = kern_slot_of(hook->type);
        const bool segment = encap->type == LWTUNNEL_ENCAP_SEG6_LOCAL;

        if (encap->type == LWTUNNEL_ENCAP_NONE)
                return 0;
        if (!encap->programs || segment != (slot == KERN_SLOT_SEGMENT) || encap->names[slot][0])
                return is_busy(encap, hook, diag);
        for (int i = 0; i < _KERN_SLOT_MAX; i++)
                if (encap->names[i][0] && !is_fellow(kern_encap_id(encap, (KernSlot)i), hook))
                        return is_busy(encap, hook, diag);
        return 0;
}

/* The program in @slot: @fd is the caller's, whatever becomes of it. */
static int put_program(const KernRoute *route, const KernEncap *encap, int fd, uint32_t id,
                       const KernHook *hook, KernDiag *diag)
{
        KERN_CLEANUP(slots_done) KernSlots slots = SLOTS_INIT;
        const KernSlot slot = kern_slot_of(hook->type);
        int r;

        r = open_others(encap, slot, hook, &slots, diag);
        if (r < 0)
                return r;
        slots.fds[slot] = fd;
        slots.ids[slot] = id;
        r = put(route, &slots, hook, diag);
        slots.fds[slot] = -1;
        return r;
}

int kern_attach_route(int prog_fd, const KernHook *hook, KernAttachment *attachment, KernDiag *diag)
{
        KERN_CLEANUP(kern_routes_done) KernRoutes routes = {0};
        const KernRoute *route = NULL;
        KernProgramInfo info;
        KernEncap encap;
        int r;

        (void)attachment;
        r = kern_program_info(prog_fd, &info);
        if (r >= 0)
                r = kern_routes_read(hook, &routes, diag);
        if (r >= 0)
                r = kern_routes_choose(&routes, &route, diag);
        if (r < 0)
                return r;
        kern_encap_read(route->encap_type, route->encap, &encap);
        r = check_room(&encap, hook, diag);
        return r < 0 ? r : put_program(route, &encap, prog_fd, info.id, hook, diag);
}

int kern_route_detach(uint32_t prog_id, const KernHook *hook, KernDiag *diag)
{
        KERN_CLEANUP(kern_routes_done) KernRoutes routes = {0};
        KERN_CLEANUP(slots_done) KernSlots slots = SLOTS_INIT;
        const KernRoute *route;
        KernEncap encap;
        int r;

        r = kern_routes_read(hook, &routes, diag);
        if (r < 0)
                return kern_interface_is_gone(hook->ifindex) ? 0 : r;
        route = find_program(&routes, prog_id, &encap);
        /* Of a change that came to nothing: whichever of ours is there and is no other link's. */
        if (!route)
                route = find_program(&routes, 0, &encap);
        if (!route)
                return 0;
        r = kern_routes_check(&routes, route, diag);
        if (r >= 0)
                r = open_others(&encap, kern_slot_of(hook->type), hook, &slots, diag);
        if (r < 0)
                return r;
        r = put(route, &slots, hook, diag);
        /* It went meanwhile, and the program with it. */
        return r == -ENOENT ? 0 : r;
}

int kern_route_replace(int new_fd, uint32_t old_id, const KernHook *hook, KernDiag *diag)
{
        KERN_CLEANUP(kern_routes_done) KernRoutes routes = {0};
        const KernRoute *route;
        KernProgramInfo info;
        KernEncap encap;
        int r;

        r = kern_program_info(new_fd, &info);
        if (r >= 0)
                r = kern_routes_read(hook, &routes, diag);
        if (r < 0)
                return r;
        if (find_program(&routes, info.id, &encap))
                return 0;
        route = find_program(&routes, old_id, &encap);
        if (!route)
                return kern_fail(diag, -ENOENT, KERN_ERROR_FAILED,
                                 "Program %u isn't on the route to %s any more: somebody else has "
                                 "changed or removed the route",
                                 old_id, hook->route);
        r = kern_routes_check(&routes, route, diag);
        return r < 0 ? r : put_program(route, &encap, new_fd, info.id, hook, diag);
}
