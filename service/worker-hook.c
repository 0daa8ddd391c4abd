/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What a worker does with hooks that programs share. */

#include <errno.h>

#include "kern-hook-list.h"
#include "worker-methods.h"

static int append_occupant(const KernOccupant *o, void *userdata)
{
        char name[sizeof(o->name)];

        memcpy(name, o->name, sizeof(name));
        return sd_bus_message_append(userdata, WORKER_OCCUPANT, o->type->name,
                                     (uint32_t)o->direction, o->position, o->prog_id, o->link_id,
                                     o->priority, o->proceed_on, (uint32_t)o->mode, (int)o->member,
                                     o->tc_handle, (int)o->inherited, o->cgroup_id,
                                     (uint32_t)o->attach_flags, (uint32_t)o->family,
                                     o->hook_priority, o->index, kern_text_clean(name),
                                     o->hook ? o->hook : "", o->route, o->table, o->metric) < 0
                       ? -ENOMEM
                       : 0;
}

int worker_method_look(sd_bus_message *m, void *userdata, sd_bus_error *reterr)
{
        sd_bus_message *reply cleanup(worker_message_unref) = NULL;
        sd_bus_message *failure cleanup(worker_message_unref) = NULL;
        KernDiag diag cleanup(worker_diag_done) = {0};
        int cgroup cleanup(worker_close_fd) = -1;
        int device cleanup(worker_close_fd) = -1;
        int netns cleanup(worker_close_fd) = -1;
        KernHookPlace place = KERN_HOOK_PLACE_INIT;
        uint32_t family;
        int r;

        (void)userdata, (void)reterr;
        r = worker_enter_role(WORKER_ROLE_LOOK);
        if (r < 0)
                return r;
        r = sd_bus_message_read_basic(m, 'u', &place.ifindex);
        if (r < 0)
                return r;
        r = worker_fd_take(m, &cgroup);
        if (r < 0)
                return r;
        r = worker_fd_take(m, &device);
        if (r < 0)
                return r;
        r = worker_fd_take(m, &netns);
        if (r < 0)
                return r;
        r = sd_bus_message_read(m, "us", &family, &place.hook);
        if (r < 0)
                return r;
        r = worker_numbers_read(m, &place.elsewhere);
        if (r < 0)
                return r;
        place.cgroup_fd = cgroup;
        place.device_fd = device;
        place.netns_fd = netns >= 0 ? netns : worker_netns_home();
        place.family = (KernFamily)family;
        r = worker_reply_new(m, NULL, &reply);
        if (r < 0)
                return r;
        r = sd_bus_message_open_container(reply, 'a', WORKER_OCCUPANT);
        if (r < 0)
                return r;
        r = worker_netns_enter(netns, &diag);
        if (r >= 0) {
                r = kern_hook_list(&place, append_occupant, reply, &diag);
                worker_netns_leave(netns);
        }
        if (r < 0) {
                r = worker_reply_result(m, r, &diag, &failure);
                if (r < 0)
                        return r;
                r = sd_bus_message_append(failure, "a" WORKER_OCCUPANT, 0);
                return r < 0 ? r : worker_reply_send(failure);
        }
        r = sd_bus_message_close_container(reply);
        if (r < 0)
                return r;
        return worker_reply_send(reply);
}
