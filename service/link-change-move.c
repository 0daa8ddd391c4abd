/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Kernel links, or a tc filter, that take the place of others, which end when the new ones are there. */

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "descriptor.h"
#include "errors.h"
#include "kern-change.h"
#include "kern-order.h"
#include "link-cgroup.h"
#include "link-change-internal.h"
#include "link-netns.h"
#include "ops.h"

static int fill_move(sd_bus_message *m, void *userdata)
{
        Change *c = userdata;
        const KernHook *hook = c->probe ?: &c->hook;
        const Link *link = registry_link(c->daemon->registry, c->id);
        int r;

        if (!link)
                return -ENOENT;
        r = change_append_program(m, c->daemon, c->values.program_id);
        if (r < 0)
                return r;
        r = worker_hook_append(m, hook);
        if (r < 0)
                return r;
        r = worker_hook_files_append(m, hook);
        if (r < 0)
                return r;
        r = worker_fd_append(m, hook->pid_fd);
        if (r < 0)
                return r;
        r = worker_fd_append(m, hook->map_fd);
        if (r < 0)
                return r;
        return sd_bus_message_append(m, "b", c->values.program_id == link->pub.program_id);
}

/* Next to where it is to be, where nothing else can be while the old one is there. */
static bool goes_in_turns(const Link *link)
{
        return kern_succession(link->hook.type) == KERN_SUCCESSION_IN_TURNS;
}

static bool comes_home(const Link *link)
{
        return link->stand_in && goes_in_turns(link);
}

static int fill_end_move(sd_bus_message *m, void *userdata)
{
        Change *c = userdata;
        const Link *link = registry_link(c->daemon->registry, c->id);
        int r;

        if (!link)
                return -ENOENT;
        r = change_append_program(m, c->daemon, link->pub.program_id);
        if (r < 0)
                return r;
        r = worker_fds_append(m, &c->new_link, 1);
        if (r < 0)
                return r;
        r = worker_fds_append(m, c->old.link_fds, c->old.n_links);
        /* Ours must not be the last ones: closing these waits for the kernel. */
        change_close_old(c);
        if (r < 0)
                return r;
        r = worker_hook_append(m, &c->hook);
        if (r < 0)
                return r;
        r = worker_fd_append(m, c->netns_fd);
        return r < 0 ? r : sd_bus_message_append(m, "b", (int)comes_home(link));
}

static int read_fd(sd_bus_message *reply, int *ret)
{
        int fd, r;

        *ret = -1;
        r = sd_bus_message_enter_container(reply, 'a', "h");
        if (r < 0)
                return r;
        r = sd_bus_message_read_basic(reply, 'h', &fd);
        if (r > 0) {
                *ret = fcntl(fd, F_DUPFD_CLOEXEC, 3);
                if (*ret < 0)
                        return -errno;
        }
        return r < 0 ? r : sd_bus_message_exit_container(reply);
}

/* Pins it beside what there is, at the next place. With @is_itself nothing else calls the program there. */
static int pin_new_link(Change *c, int fd, bool is_itself)
{
        const unsigned part = c->new_ids->len;
        KernLinkInfo info;
        int r;

        if (part == KERN_LINKS_MAX)
                return -E2BIG;
        r = kern_is_link(fd) ? kern_link_info(fd, &info) : -EBADMSG;
        if (r >= 0 && is_itself && info.prog_id != c->values.program_id)
                r = -EBADMSG;
        if (r >= 0)
                r = store_pin(c->daemon->store, BUS_LINK, c->id, LINK_PIN_NEXT + part, fd);
        if (r < 0)
                return r;
        g_array_append_val(c->new_ids, info.id);
        if (part == 0)
                c->new_link = fcntl(fd, F_DUPFD_CLOEXEC, 3);
        return part == 0 && c->new_link < 0 ? -errno : 0;
}

static int pin_new_links(Change *c, sd_bus_message *reply, bool is_itself)
{
        int fd, r;

        r = sd_bus_message_enter_container(reply, 'a', "h");
        if (r < 0)
                return r;
        while ((r = sd_bus_message_read_basic(reply, 'h', &fd)) > 0) {
                r = pin_new_link(c, fd, is_itself);
                if (r < 0)
                        return r;
        }
        if (r >= 0)
                r = sd_bus_message_exit_container(reply);
        return r >= 0 && c->new_ids->len == 0 ? -EBADMSG : r;
}

/* There it is: what was next to it is the old one now. */
static int take_home(Change *c, Link *link, sd_bus_message *reply)
{
        GArray *ids = link->pub.kernel_link_ids;
        GError *error = NULL;
        int next = c->new_link, r;

        g_array_set_size(c->new_ids, 0);
        link_values_done(&c->values);
        link_values_get(link, &c->values);
        c->new_link = -1;
        r = pin_new_links(c, reply, true);
        if (r >= 0) {
                c->values.kernel_link = g_array_index(c->new_ids, uint32_t, 0);
                c->values.stand_in = false;
                if (!change_write_next(c, link, &error))
                        r = -EIO;
                g_clear_error(&error);
        }
        if (r >= 0)
                r = store_move_pin(c->daemon->store, c->id, LINK_PIN_NEXT, 0);
        if (r < 0) {
                store_drop_change(c->daemon->store, c->id);
                store_unpin(c->daemon->store, BUS_LINK, c->id, LINK_PIN_NEXT);
                descriptor_close(next);
                return r;
        }
        g_array_index(ids, uint32_t, 0) = c->values.kernel_link;
        change_adopt(c, link);
        c->old.link_fds = g_new(int, 1);
        c->old.link_fds[0] = next;
        c->old.n_links = 1;
        return 0;
}

/* The program is in its place, called by what stands in for it should @error say so. */
static void on_move_ended(sd_bus_message *reply, GError *error, void *userdata)
{
        Change *c = userdata;
        Link *link = registry_link(c->daemon->registry, c->id);
        int r;

        if (link && change_try_again(c, reply, error, "EndMove", fill_end_move, on_move_ended))
                return;
        if (!error && link && comes_home(link)) {
                r = take_home(c, link, reply);
                if (r >= 0) {
                        change_call(c, "EndMove", fill_end_move, on_move_ended);
                        return;
                }
                error = error_from_errno(r, "keep the link in its place");
        }
        if (error) {
                g_warning("Link %u: what stands in for the program stays until the next start: %s",
                          c->id, error->message);
                g_error_free(error);
        } else {
                store_unpin(c->daemon->store, BUS_LINK, c->id, LINK_PIN_TABLE);
                if (link) {
                        link->stand_in = false;
                        (void)store_write_link(c->daemon->store, link, NULL);
                }
        }
        if (link)
                link->state = LINK_ATTACHED;
        change_end(c, NULL);
}

/*
 * The pins are what the link is: with the new ones in the old ones' places it has moved. From the first
 * one on the next service would go on where this one died, see recover_change().
 */
static int move_pins(Change *c)
{
        Store *store = c->daemon->store;
        unsigned i = 0;
        int r = 0;

        while (r >= 0 && i < c->new_ids->len) {
                r = store_move_pin(store, c->id, LINK_PIN_NEXT + i, i);
                if (r >= 0)
                        i++;
        }
        if (r >= 0)
                return 0;
        while (i-- > 0) {
                store_unpin(store, BUS_LINK, c->id, i);
                if (i < c->old.n_links)
                        (void)store_pin(store, BUS_LINK, c->id, i, c->old.link_fds[i]);
        }
        return r;
}

static int take_new_links(Change *c, Link *link, sd_bus_message *reply)
{
        GError *error = NULL;
        int table, r;

        r = pin_new_links(c, reply, c->probe || goes_in_turns(link));
        if (r < 0)
                return r;
        r = read_fd(reply, &table);
        if (r < 0)
                return r;
        c->values.stand_in = table >= 0 || goes_in_turns(link);
        c->values.n_links = c->new_ids->len;
        /* Of several each is told from the old ones by its program. */
        if (c->new_ids->len == 1)
                c->values.kernel_link = g_array_index(c->new_ids, uint32_t, 0);
        if (table >= 0)
                r = store_pin(c->daemon->store, BUS_LINK, c->id, LINK_PIN_TABLE, table);
        descriptor_close(table);
        if (r >= 0 && !change_write_next(c, link, &error)) {
                g_clear_error(&error);
                r = -EIO;
        }
        return r < 0 ? r : move_pins(c);
}

static void on_moved(sd_bus_message *reply, GError *error, void *userdata)
{
        Change *c = userdata;
        Link *link = registry_link(c->daemon->registry, c->id);
        GArray *ids;
        int r;

        if (error || !link) {
                change_give_up(c, error ?: no_such_object(BUS_LINK, c->id));
                return;
        }
        r = take_new_links(c, link, reply);
        if (r < 0) {
                change_give_up(c, error_from_errno(r, "keep the link in its new place"));
                return;
        }
        ids = link->pub.kernel_link_ids;
        g_array_set_size(ids, 0);
        g_array_append_vals(ids, c->new_ids->data, c->new_ids->len);
        change_adopt(c, link);
        for (unsigned i = c->new_ids->len; i < c->old.n_links; i++)
                store_unpin(c->daemon->store, BUS_LINK, c->id, i);
        change_call(c, "EndMove", fill_end_move, on_move_ended);
}

GError *change_open_cgroup(Change *c, const Link *link)
{
        if (!kern_type_takes(link->hook.type, KERN_PARAM_BIT(KERN_PARAM_CGROUP)))
                return NULL;
        c->cgroup_fd = link_open_cgroup(link);
        if (c->cgroup_fd < 0)
                return error_new(NO_SUCH_CGROUP,
                                 "The link's cgroup isn't found any more as %s; detach the program "
                                 "and attach it again.",
                                 link->texts[KERN_PARAM_CGROUP] ?: "a directory here");
        c->hook.cgroup_fd = c->cgroup_fd;
        return NULL;
}

void change_place(Change *c, Link *link)
{
        GError *error = change_open_cgroup(c, link);

        if (!error)
                error = change_open_netns(c, link);
        if (error) {
                change_give_up(c, error);
                return;
        }
        c->hook.netns_fd = c->netns_fd;
        change_swap_values(link, &c->values);
        c->followers = sharing_followers(registry_sharing(c->daemon->registry), link);
        change_swap_values(link, &c->values);
        c->hook.followers = sharing_numbers(c->followers);
        if (c->neighbour != 0) {
                char *text = c->hook.before[0] ? c->hook.before : c->hook.after;

                g_snprintf(text, sizeof(c->hook.before), "kernel-link:%u", c->neighbour);
        }
        change_call(c, "Move", fill_move, on_moved);
}

/* What the kernel has a link of is otherwise beside it, or ended, from anywhere. */
static GError *enter_netns(Change *c, const Link *link)
{
        GError *error = goes_in_turns(link) ? change_open_netns(c, link) : NULL;

        c->hook.netns_fd = c->netns_fd;
        return error;
}

void change_beside(Change *c, Link *link)
{
        GError *error = enter_netns(c, link);

        if (error)
                change_give_up(c, error);
        else
                worker_pool_call(c->daemon->workers, WORKER_ROLE_ATTACH, c->uid, "AttachBeside",
                                 CHANGE_TIMEOUT_SEC, fill_move, on_moved, c, NULL);
}

void change_end_place(Change *c, Link *link)
{
        GError *error = enter_netns(c, link);

        if (error)
                change_give_up(c, error);
        else
                change_call(c, "EndMove", fill_end_move, on_move_ended);
}

/* tc filters */

static int fill_move_filter(sd_bus_message *m, void *userdata)
{
        const Change *c = userdata;
        const Link *link = registry_link(c->daemon->registry, c->id);
        int r;

        if (!link)
                return -ENOENT;
        r = change_append_program(m, c->daemon, c->values.program_id);
        if (r < 0)
                return r;
        r = worker_hook_append(m, &c->hook);
        if (r < 0)
                return r;
        r = worker_fd_append(m, c->netns_fd);
        if (r < 0)
                return r;
        return sd_bus_message_append(m, "uuu", link->attachment.tc_handle, c->values.tc_priority,
                                     c->values.tc_old_priority);
}

static bool has_moved(Change *c, Link *link)
{
        int r;

        change_swap_values(link, &c->values);
        r = link_is_attached(link, c->netns_fd);
        change_swap_values(link, &c->values);
        return r > 0;
}

static void on_filter_moved(sd_bus_message *reply, GError *error, void *userdata)
{
        Change *c = userdata;
        Link *link = registry_link(c->daemon->registry, c->id);

        if (link &&
            change_try_again(c, reply, error, "MoveFilter", fill_move_filter, on_filter_moved))
                return;
        if (change_left_to_next(c, reply, error))
                return;
        if (!link || (error && !has_moved(c, link))) {
                change_give_up(c, error ?: no_such_object(BUS_LINK, c->id));
                return;
        }
        change_adopt(c, link);
        if (error) {
                g_warning("Link %u: a second filter stays at priority %u until the next start: %s",
                          c->id, link->attachment.tc_old_priority, error->message);
                g_error_free(error);
        } else {
                link->attachment.tc_old_priority = 0;
                (void)store_write_link(c->daemon->store, link, NULL);
        }
        link->state = LINK_ATTACHED;
        change_end(c, NULL);
}

void change_filter(Change *c, Link *link)
{
        GError *error = change_open_netns(c, link);

        if (error)
                change_give_up(c, error);
        else
                change_call(c, "MoveFilter", fill_move_filter, on_filter_moved);
}
