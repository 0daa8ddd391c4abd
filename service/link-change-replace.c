/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Another program in the place of the one that is attached, by the kernel: there is no other link then. */

#include <unistd.h>

#include "descriptor.h"
#include "errors.h"
#include "kern-cgroup.h"
#include "kern-change.h"
#include "kern-holder.h"
#include "link-change-internal.h"
#include "link-device.h"
#include "link-holder.h"
#include "link-netns.h"
#include "ops.h"

GError *link_check_replace(const Link *link)
{
        if (kern_succession(link->hook.type) != KERN_SUCCESSION_NEVER)
                return NULL;
        if (link_is_on_device(link))
                return error_new(NOT_SUPPORTED,
                                 "The kernel puts no program in the place of one on a device; "
                                 "attach the new one to %s, behind it, then detach link %u.",
                                 link->texts[KERN_PARAM_DEVICE], link->pub.id);
        return error_new(NOT_SUPPORTED,
                         "A function is replaced by one program, and the kernel takes no other one "
                         "in its place; detach link %u, then attach the new one: in between the "
                         "function itself runs.",
                         link->pub.id);
}

static bool is_struct_ops(const Link *link)
{
        return link->hook.type->prog_type == BPF_PROG_TYPE_STRUCT_OPS;
}

static int open_map(Change *c, uint32_t id)
{
        const Map *map = registry_any_map(c->daemon->registry, id);

        return map ? map_open(c->daemon, map, KERN_ACCESS_READ_WRITE) : -ENOENT;
}

static int append_map(sd_bus_message *m, Change *c, uint32_t id)
{
        int fd = open_map(c, id), r;

        if (fd < 0)
                return fd;
        r = sd_bus_message_append_basic(m, 'h', &fd);
        close(fd);
        return r;
}

/* What takes the place, and what it takes it of. */
static int append_both(sd_bus_message *m, Change *c, const Link *link)
{
        int r;

        if (is_struct_ops(link)) {
                r = append_map(m, c, c->values.map_id);
                return r < 0 ? r : append_map(m, c, link->hook.map_id);
        }
        r = change_append_program(m, c->daemon, c->values.program_id);
        return r < 0 ? r : change_append_program(m, c->daemon, link->pub.program_id);
}

/* Which an iterator goes over, or which has the program in an entry. */
static int append_target_map(sd_bus_message *m, Change *c, const Link *link)
{
        int fd = -1, r;

        if (link->hook.map_id != 0 && !is_struct_ops(link)) {
                fd = open_map(c, link->hook.map_id);
                if (fd < 0)
                        return fd;
        }
        r = worker_fd_append(m, fd);
        descriptor_close(fd);
        return r;
}

static int fill_replace(sd_bus_message *m, void *userdata)
{
        Change *c = userdata;
        const Link *link = registry_link(c->daemon->registry, c->id);
        g_autoptr(GArray) fellows = NULL;
        uint32_t old_id;
        int r;

        if (!link)
                return -ENOENT;
        r = append_both(m, c, link);
        if (r < 0)
                return r;
        /* At the next start the new one may be there, or the old one, whose number is no longer known. */
        old_id = link_asks_worker(link) && c->values.program_id == link->pub.program_id
                         ? 0
                         : link->pub.program_id;
        r = sd_bus_message_append_basic(m, 'u', &old_id);
        if (r < 0)
                return r;
        fellows = sharing_fellows(registry_sharing(c->daemon->registry), link);
        c->hook.fellows = sharing_numbers(fellows);
        r = worker_hook_append(m, &c->hook);
        c->hook.fellows = (KernNumbers){0};
        if (r < 0)
                return r;
        r = worker_fd_append(m, c->netns_fd);
        if (r < 0)
                return r;
        r = worker_fd_append(m, c->cgroup_fd);
        if (r < 0)
                return r;
        r = worker_fds_append(m, c->old.link_fds, c->old.n_links);
        if (r < 0)
                return r;
        r = sd_bus_message_append(m, "uu", link->attachment.tc_handle,
                                  link->attachment.tc_priority);
        return r < 0 ? r : append_target_map(m, c, link);
}

typedef struct Question {
        const Link *link;
        uint32_t program_id;
} Question;

static int ask_kernel(void *userdata)
{
        const Question *q = userdata;

        return kern_is_attached(q->program_id, &q->link->hook, &q->link->attachment);
}

/* A worker that died may have done it. */
static bool is_replaced(Change *c, Link *link)
{
        Question question = {link, c->values.program_id};
        KernLinkInfo info;
        bool is;

        if (link_has_holder_fd(link))
                return link_holder_has(link, c->values.program_id) > 0;
        if (c->old.n_links == 0)
                return netns_run(c->netns_fd, ask_kernel, &question) > 0;
        if (kern_link_info(c->old.link_fds[0], &info) < 0)
                return false;
        change_swap_values(link, &c->values);
        is = link_has(link, &info);
        change_swap_values(link, &c->values);
        return is;
}

static void on_replaced(sd_bus_message *reply, GError *error, void *userdata)
{
        Change *c = userdata;
        Link *link = registry_link(c->daemon->registry, c->id);

        if (change_left_to_next(c, reply, error))
                return;
        if (link && link_asks_worker(link) &&
            change_try_again(c, reply, error, "Replace", fill_replace, on_replaced))
                return;
        if (error && link && is_replaced(c, link))
                g_clear_error(&error);
        if (error)
                change_give_up(c, error);
        else
                change_finish(c);
}

/* On a route a program is known by itself alone, and so is there once. */
static GError *check_room(Change *c)
{
        Link *link = registry_link(c->daemon->registry, c->id);
        const Link *other;

        change_swap_values(link, &c->values);
        other = sharing_holder(registry_sharing(c->daemon->registry), link);
        change_swap_values(link, &c->values);
        return other ? error_new(HOOK_BUSY,
                                 "Program %u is on the route to %s already, as link %u; load it "
                                 "again to have it there twice.",
                                 c->values.program_id, link->hook.route, other->pub.id)
                     : NULL;
}

void change_in_place(Change *c, const Link *link)
{
        GError *error;

        /* A map that is attached already isn't put into its own place. */
        if (is_struct_ops(link) && c->values.map_id == link->hook.map_id) {
                change_finish(c);
                return;
        }
        /* A kernel link's program is replaced from anywhere; a filter is found from within its namespace. */
        if (kern_cgroup_holds(&link->hook))
                error = change_open_cgroup(c, link);
        else if (kern_holder(&link->hook) == KERN_HOLDER_ROUTE)
                error = check_room(c) ?: change_open_netns(c, link);
        else
                error = c->old.n_links == 0 ? change_open_netns(c, link) : NULL;

        if (error)
                change_give_up(c, error);
        else
                change_call(c, "Replace", fill_replace, on_replaced);
}
