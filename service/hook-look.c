/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "hook-look.h"

#include <errno.h>

#include "errors.h"
#include "sharing.h"

#define LOOK_TIMEOUT_SEC 20

typedef struct Looking {
        KernHookPlace place;
        GArray *elsewhere; /* place.elsewhere's numbers */
        HookLooked done;
        void *userdata;
} Looking;

static int fill_look(sd_bus_message *m, void *userdata)
{
        const KernHookPlace *place = &((const Looking *)userdata)->place;
        int r;

        r = sd_bus_message_append_basic(m, 'u', &place->ifindex);
        if (r < 0)
                return r;
        r = worker_fd_append(m, place->cgroup_fd);
        if (r < 0)
                return r;
        r = worker_fd_append(m, place->device_fd);
        if (r < 0)
                return r;
        r = worker_fd_append(m, place->netns_fd);
        if (r < 0)
                return r;
        r = sd_bus_message_append(m, "us", (uint32_t)place->family, place->hook);
        if (r < 0)
                return r;
        return sd_bus_message_append_array(m, 't', place->elsewhere.list,
                                           place->elsewhere.n * sizeof(uint64_t));
}

static int read_occupant(sd_bus_message *reply, KernOccupant *ret)
{
        uint32_t direction, family, mode, flags;
        int member, inherited, r;
        const char *type, *name, *hook, *route;
        const KernHookName *named;

        memset(ret, 0, sizeof(*ret));
        r = sd_bus_message_read(reply, WORKER_OCCUPANT, &type, &direction, &ret->position,
                                &ret->prog_id, &ret->link_id, &ret->priority, &ret->proceed_on,
                                &mode, &member, &ret->tc_handle, &inherited, &ret->cgroup_id,
                                &flags, &family, &ret->hook_priority, &ret->index, &name, &hook,
                                &route, &ret->table, &ret->metric);
        if (r <= 0)
                return r;
        ret->type = kern_type_find(type);
        if (!ret->type)
                return -EBADMSG;
        named = kern_type_find_hook(ret->type, hook);
        ret->hook = named ? named->name : NULL;
        ret->direction = (KernDirection)direction;
        ret->family = (KernFamily)family;
        ret->mode = (KernXdpMode)mode;
        ret->member = member;
        ret->inherited = inherited;
        ret->attach_flags = (KernAttachFlags)flags;
        g_strlcpy(ret->name, name, sizeof(ret->name));
        g_strlcpy(ret->route, route, sizeof(ret->route));
        return 1;
}

static int read_occupants(sd_bus_message *reply, GArray *occupants)
{
        KernOccupant o;
        int r;

        r = sd_bus_message_enter_container(reply, 'a', WORKER_OCCUPANT);
        if (r < 0)
                return r;
        while ((r = read_occupant(reply, &o)) > 0)
                g_array_append_val(occupants, o);
        return r;
}

static void on_looked(sd_bus_message *reply, GError *error, void *userdata)
{
        g_autoptr(GArray) occupants = g_array_new(FALSE, FALSE, sizeof(KernOccupant));
        g_autofree Looking *l = userdata;

        if (!error && read_occupants(reply, occupants) < 0)
                error = error_new(WORKER_FAILED, "The worker's answer makes no sense.");
        l->done(error ? NULL : occupants, error, l->userdata);
        g_array_unref(l->elsewhere);
}

void hook_look(Daemon *daemon, uid_t uid, const KernHookPlace *place, HookLooked done,
               void *userdata, GCancellable *cancellable)
{
        Looking *l = g_new(Looking, 1);

        *l = (Looking){*place, g_array_new(FALSE, FALSE, sizeof(uint64_t)), done, userdata};
        if (place->elsewhere.n > 0)
                g_array_append_vals(l->elsewhere, place->elsewhere.list, (guint)place->elsewhere.n);
        l->place.elsewhere = sharing_numbers(l->elsewhere);
        worker_pool_call(daemon->workers, WORKER_ROLE_LOOK, uid, "Look", LOOK_TIMEOUT_SEC,
                         fill_look, on_looked, l, cancellable);
}
