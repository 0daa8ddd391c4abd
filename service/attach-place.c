/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Where among those on its hook a program goes, and whether there is room for it. */

#include "attach-op.h"
#include "errors.h"
#include "hook-look.h"
#include "kern-action.h"
#include "kern-holder.h"
#include "kern-order.h"
#include "link-detach.h"
#include "link-device.h"
#include "link-netns.h"

/* A link of ours as the kernel knows it: what goes beside it is told of that. */
static GError *find_neighbour(Daemon *daemon, const char *option, char *text, size_t size)
{
        KernNeighbour neighbour;
        const Link *link;

        if (kern_neighbour_parse(text, &neighbour) < 0 || neighbour.kind != KERN_NEIGHBOUR_LINK)
                return NULL;
        link = registry_link(daemon->registry, neighbour.id);
        if (!link)
                return no_such_object(BUS_LINK, neighbour.id);
        if (link->pub.kernel_link_ids->len != 1)
                return error_new(INVALID_ARGUMENT,
                                 "Option '%s' names link %u (%s), which is on no hook that has an "
                                 "order of that kind.",
                                 option, neighbour.id, link->pub.type);
        g_snprintf(text, size, "kernel-link:%u",
                   g_array_index(link->pub.kernel_link_ids, uint32_t, 0));
        return NULL;
}

/* Why there is no room for the program, nor for a second time. */
static GError *is_taken(const Link *link, const Link *holder)
{
        if (kern_is_action(holder->hook.type))
                return error_new(HOOK_BUSY,
                                 "Link %u, of program %u (%s), is action %u of tc already; give "
                                 "another index, or put the program in its place by "
                                 "ReplaceProgram().",
                                 holder->pub.id, holder->pub.program_id, holder->pub.program_name,
                                 holder->hook.index);
        switch (kern_holder(&holder->hook)) {
        case KERN_HOLDER_DEVICE:
                return error_new(HOOK_BUSY,
                                 "Program %u is on %s already, as link %u, and is there but once; "
                                 "load it again to have it there twice.",
                                 link->pub.program_id, link->texts[KERN_PARAM_DEVICE],
                                 holder->pub.id);
        case KERN_HOLDER_MAP_ENTRY:
                return error_new(HOOK_BUSY,
                                 "Entry %u of map %u has program %u (%s) already, as link %u; "
                                 "detach that first, or put the program in its place by "
                                 "ReplaceProgram().",
                                 holder->hook.key, holder->hook.map_id, holder->pub.program_id,
                                 holder->pub.program_name, holder->pub.id);
        case KERN_HOLDER_ROUTE:
                return error_new(HOOK_BUSY,
                                 "Program %u is on the route to %s on interface %s already, as "
                                 "link %u; detach that first, or load the program again to have "
                                 "it on another route to there.",
                                 link->pub.program_id, link->hook.route,
                                 link->texts[KERN_PARAM_INTERFACE], holder->pub.id);
        default:
                return error_new(HOOK_BUSY,
                                 "Link %u, of program %u (%s), has that hook of cgroup %s to "
                                 "itself, with attach_flags '%s'; detach it first, or put the "
                                 "program in its place by ReplaceProgram().",
                                 holder->pub.id, holder->pub.program_id, holder->pub.program_name,
                                 holder->texts[KERN_PARAM_CGROUP] ?: "",
                                 kern_attach_flags_to_string(holder->hook.attach_flags));
        }
}

/*
 * A link of ours that leaves no room for this one, unless it was detached behind our back. What is held
 * there is known by its program alone: a second link with the same one, should it be left half attached,
 * would have the first one's detached.
 */
static GError *check_holder(Daemon *daemon, const Link *link)
{
        Link *holder = sharing_holder(registry_sharing(daemon->registry), link);

        if (!holder)
                return NULL;
        if (holder->state == LINK_ATTACHED && link_is_attached(holder, -1) == 0) {
                link_forget(daemon, holder);
                return NULL;
        }
        return is_taken(link, holder);
}

GError *attach_find_place(AttachOp *op, Daemon *daemon)
{
        Sharing *sharing = registry_sharing(daemon->registry);
        KernHook *probe = &op->probe;
        GError *error;

        error = check_holder(daemon, op->link);
        if (!error)
                error = find_neighbour(daemon, "before", probe->before, sizeof(probe->before));
        if (!error)
                error = find_neighbour(daemon, "after", probe->after, sizeof(probe->after));
        op->followers = sharing_followers(sharing, op->link);
        op->fellows = sharing_fellows(sharing, op->link);
        probe->followers = sharing_numbers(op->followers);
        probe->fellows = sharing_numbers(op->fellows);
        return error;
}

/* The link of a program on the cgroup, which is what the kernel takes as a neighbour there. */
static void on_looked(GArray *occupants, GError *error, void *userdata)
{
        Request *request = userdata;
        AttachOp *op = request->op;
        KernHook *probe = &op->probe;
        char *text = probe->before[0] ? probe->before : probe->after;
        KernNeighbour neighbour;

        if (error) {
                request_fail(request, error);
                return;
        }
        (void)kern_neighbour_parse(text, &neighbour);
        for (guint i = 0; i < occupants->len; i++) {
                const KernOccupant *o = &g_array_index(occupants, KernOccupant, i);

                if (o->type != probe->type || o->direction != probe->direction ||
                    g_strcmp0(o->hook ?: "", probe->name) != 0 || o->inherited ||
                    o->prog_id != neighbour.id || o->link_id == 0)
                        continue;
                g_snprintf(text, sizeof(probe->before), "kernel-link:%u", o->link_id);
                break;
        }
        ((AttachOp *)request->op)->next(request);
}

/* The device has the program already, or had it until somebody else took it off. */
static void on_device_looked(GArray *occupants, GError *error, void *userdata)
{
        Request *request = userdata;
        const AttachOp *op = request->op;
        Daemon *daemon = request->daemon;
        Link *holder = sharing_holder(registry_sharing(daemon->registry), op->link);
        bool has = false;

        if (error) {
                request_fail(request, error);
                return;
        }
        for (guint i = 0; i < occupants->len; i++)
                has |= g_array_index(occupants, KernOccupant, i).prog_id == op->program_id;
        if (!has && holder && holder->state == LINK_ATTACHED)
                link_forget(daemon, holder);
        ((AttachOp *)request->op)->next(request);
}

void attach_look(Request *request, void (*next)(Request *request))
{
        AttachOp *op = request->op;
        Sharing *sharing = registry_sharing(request->daemon->registry);
        const KernHook *probe = &op->probe;
        KernHookPlace place = KERN_HOOK_PLACE_INIT;
        KernNeighbour neighbour;

        op->next = next;
        if (link_is_on_device(op->link) && sharing_holder(sharing, op->link)) {
                place.device_fd = op->files[KERN_PARAM_DEVICE];
                hook_look(request->daemon, request->uid, &place, on_device_looked, request,
                          request->cancellable);
                return;
        }
        place.cgroup_fd = probe->cgroup_fd;
        if (probe->cgroup_fd >= 0 && (probe->before[0] || probe->after[0]) &&
            kern_neighbour_parse(probe->before[0] ? probe->before : probe->after, &neighbour) >=
                    0 &&
            neighbour.kind == KERN_NEIGHBOUR_PROGRAM)
                hook_look(request->daemon, request->uid, &place, on_looked, request,
                          request->cancellable);
        else
                next(request);
}
