/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "link-change-internal.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "descriptor.h"
#include "errors.h"
#include "kern-change.h"
#include "kern-order.h"
#include "kern-xdp-arrange.h"
#include "link-holder.h"
#include "link-netns.h"
#include "ops.h"
#include "sharing.h"
#include "tc-chain.h"

/* How often a worker may die of what others survive. */
#define ATTEMPTS 10

void link_values_get(const Link *link, LinkValues *ret)
{
        *ret = (LinkValues){
                .program_id = link->pub.program_id,
                .program_name = g_strdup(link->pub.program_name),
                .given = link->hook.given,
                .priority = link->hook.priority,
                .proceed_on = link->hook.proceed_on,
                .xdp_member = link->attachment.xdp_member,
                .map_id = link->hook.map_id,
                .specs = link->specs,
                .n_links = link->attachment.n_links,
                .tc_priority = link->attachment.tc_priority,
                .tc_old_priority = link->attachment.tc_old_priority,
                .kernel_link = link->kernel_link,
                .stand_in = link->stand_in,
        };
        g_strlcpy(ret->before, link->hook.before, sizeof(ret->before));
        g_strlcpy(ret->after, link->hook.after, sizeof(ret->after));
}

void link_values_done(LinkValues *values)
{
        g_clear_pointer(&values->program_name, g_free);
}

void change_swap_values(Link *link, LinkValues *values)
{
        LinkValues old;

        link_values_get(link, &old);
        link->pub.program_id = values->program_id;
        g_free(link->pub.program_name);
        link->pub.program_name = g_steal_pointer(&values->program_name);
        link->hook.given = values->given;
        link->hook.priority = values->priority;
        link->hook.proceed_on = values->proceed_on;
        g_strlcpy(link->hook.before, values->before, sizeof(link->hook.before));
        g_strlcpy(link->hook.after, values->after, sizeof(link->hook.after));
        link->attachment.xdp_member = values->xdp_member;
        link->hook.map_id = link->pub.target_map_id = values->map_id;
        link->specs = values->specs;
        link->attachment.n_links = values->n_links;
        link->attachment.tc_priority = values->tc_priority;
        link->attachment.tc_old_priority = values->tc_old_priority;
        link->kernel_link = values->kernel_link;
        link->stand_in = values->stand_in;
        *values = old;
}

static void swap_into(Link *link, void *values)
{
        change_swap_values(link, values);
}

void change_close_old(Change *c)
{
        kern_attachment_done(&c->old);
}

void change_end(Change *c, GError *error)
{
        LinkChanged done = c->done;
        void *userdata = c->userdata;
        Daemon *daemon = c->daemon;
        SharingTurn *turn = c->turn;

        link_values_done(&c->values);
        g_clear_pointer(&c->followers, g_array_unref);
        g_clear_pointer(&c->fellows, g_array_unref);
        g_clear_pointer(&c->new_ids, g_array_unref);
        descriptor_close(c->cgroup_fd);
        descriptor_close(c->netns_fd);
        descriptor_close(c->new_link);
        change_close_old(c);
        sharing_release_specs(c->specs);
        g_free(c);
        done(error, userdata);
        sharing_leave(turn);
        daemon_release(daemon);
}

void change_give_up(Change *c, GError *error)
{
        Link *link = registry_link(c->daemon->registry, c->id);

        store_drop_change(c->daemon->store, c->id);
        for (unsigned i = 0; i < c->new_ids->len; i++)
                store_unpin(c->daemon->store, BUS_LINK, c->id, LINK_PIN_NEXT + i);
        store_unpin(c->daemon->store, BUS_LINK, c->id, LINK_PIN_TABLE);
        if (link)
                link->state = LINK_ATTACHED;
        change_end(c, error);
}

static void announce(Daemon *daemon, uint32_t id, bool program, bool map)
{
        static const char *const always[] = {"Priority", "ProceedOn", "KernelLinkId",
                                             "KernelLinkIds"};
        static const char *const of_program[] = {"Program", "ProgramId", "ProgramName"};

        if (!daemon->api)
                return;
        for (size_t i = 0; i < G_N_ELEMENTS(always); i++)
                bus_api_emit_changed(daemon->api, BUS_LINK, id, always[i]);
        for (size_t i = 0; program && i < G_N_ELEMENTS(of_program); i++)
                bus_api_emit_changed(daemon->api, BUS_LINK, id, of_program[i]);
        if (map)
                bus_api_emit_changed(daemon->api, BUS_LINK, id, "TargetMapId");
}

void change_adopt(Change *c, Link *link)
{
        Registry *registry = c->daemon->registry;
        const bool program = c->values.program_id != link->pub.program_id;
        const bool map = c->values.map_id != link->hook.map_id;

        registry_change_link(registry, link, swap_into, &c->values);
        store_commit_change(c->daemon->store, c->id);
        announce(c->daemon, c->id, program, map);
}

void change_finish(Change *c)
{
        Link *link = registry_link(c->daemon->registry, c->id);

        /* Its interface went meanwhile. */
        if (!link) {
                change_end(c, no_such_object(BUS_LINK, c->id));
                return;
        }
        change_adopt(c, link);
        link->state = LINK_ATTACHED;
        change_end(c, NULL);
}

bool change_write_next(Change *c, Link *link, GError **reterr)
{
        bool ok;

        change_swap_values(link, &c->values);
        ok = store_write_change(c->daemon->store, link, reterr);
        change_swap_values(link, &c->values);
        return ok;
}

int change_append_program(sd_bus_message *m, Daemon *daemon, uint32_t id)
{
        const Program *program = registry_program(daemon->registry, id);
        int fd, r;

        if (!program)
                return -ENOENT;
        fd = program_open(daemon, program);
        if (fd < 0)
                return fd;
        r = sd_bus_message_append_basic(m, 'h', &fd);
        close(fd);
        return r;
}

void change_call(Change *c, const char *method, WorkerFill fill, WorkerDone done)
{
        worker_pool_call(c->daemon->workers, WORKER_ROLE_DISPATCH, c->uid, method,
                         CHANGE_TIMEOUT_SEC, fill, done, c, NULL);
}

bool change_try_again(Change *c, const sd_bus_message *reply, GError *error, const char *method,
                      WorkerFill fill, WorkerDone done)
{
        if (!error || reply || c->daemon->stopping || c->attempts++ == ATTEMPTS)
                return false;
        g_error_free(error);
        change_call(c, method, fill, done);
        return true;
}

bool change_left_to_next(Change *c, const sd_bus_message *reply, GError *error)
{
        Link *link = registry_link(c->daemon->registry, c->id);

        if (!error || reply || !link || !c->daemon->stopping)
                return false;
        link->state = LINK_ATTACHED;
        change_end(c, error);
        return true;
}

/* Members of libxdp's dispatcher, which a worker makes anew */

static int fill_arrange(sd_bus_message *m, void *userdata)
{
        const Change *c = userdata;
        const bool replaced = c->values.xdp_member != c->old_member;
        int extension = -1, r;

        r = sd_bus_message_append_basic(m, 'u', &c->hook.ifindex);
        if (r < 0)
                return r;
        r = sd_bus_message_append_array(m, 't', c->fellows->data,
                                        c->fellows->len * sizeof(uint64_t));
        if (r < 0)
                return r;
        r = sd_bus_message_append(m, "uu", c->old_member, c->values.proceed_on);
        if (r < 0)
                return r;
        if (replaced) {
                extension = store_open_pin(c->daemon->store, BUS_PROGRAM, c->values.xdp_member, 0);
                if (extension < 0)
                        return extension;
        }
        r = worker_fds_append(m, &extension, replaced ? 1 : 0);
        descriptor_close(extension);
        if (r < 0)
                return r;
        return sd_bus_message_append(m, "b", (int)c->hook.xdp_frags);
}

static void on_arranged(sd_bus_message *reply, GError *error, void *userdata)
{
        Change *c = userdata;

        if (change_try_again(c, reply, error, "Arrange", fill_arrange, on_arranged) ||
            change_left_to_next(c, reply, error))
                return;
        if (error)
                change_give_up(c, error);
        else
                change_finish(c);
}

/* libxdp knows the member, as long as it isn't replaced, by its old extension. */
static void change_member(Change *c, Link *link)
{
        const Program *program = registry_program(c->daemon->registry, c->values.program_id);
        const uint32_t member = c->values.xdp_member;

        c->hook.xdp_frags = program && g_str_equal(program->pub.section, "xdp.frags");
        c->old_member = link->attachment.xdp_member;
        c->values.xdp_member = c->old_member;
        change_swap_values(link, &c->values);
        c->fellows = sharing_fellows(registry_sharing(c->daemon->registry), link);
        change_swap_values(link, &c->values);
        c->values.xdp_member = member;
        change_call(c, "Arrange", fill_arrange, on_arranged);
}

/* Members of a chain of tc programs: some calls of the daemon's own. */
static void change_tc(Change *c, Link *link)
{
        GError *error, *undone;

        change_swap_values(link, &c->values);
        error = tc_chain_change(c->daemon, link);
        change_swap_values(link, &c->values);
        if (!error) {
                change_finish(c);
                return;
        }
        undone = tc_chain_change(c->daemon, link);
        if (undone) {
                g_warning("Link %u: %s", c->id, undone->message);
                g_error_free(undone);
        }
        change_give_up(c, error);
}

static GError *cant_do_both(const Link *link)
{
        return error_new(NOT_SUPPORTED,
                         "The %s program has a filter of its own, in which another one takes its "
                         "place where it is; Update() changes its priority, before or after.",
                         link->pub.type);
}

/* The next start tries to remove it. */
static GError *has_second_filter(const Link *link)
{
        return error_new(HOOK_BUSY,
                         "Link %u has a second filter still, at priority %u, which couldn't be "
                         "removed; detach the link.",
                         link->pub.id, link->attachment.tc_old_priority);
}

static bool runs_beside(const Link *link)
{
        const KernSuccession s = kern_succession(link->hook.type);

        return s == KERN_SUCCESSION_BESIDE || s == KERN_SUCCESSION_IN_TURNS;
}

/* By other kernel links: how many these are, and which, is to be known before it is written down. */
static bool is_moving(const Link *link, bool replace, bool moves)
{
        KernPoint point;

        if (replace && runs_beside(link))
                return true;
        return link->attachment.tc_slot == 0 && moves && kern_point_of(&link->hook, &point) >= 0;
}

/* A filter of the link's own, as tc has them where it isn't a member of a chain. */
static bool has_filter(const Link *link)
{
        return g_str_equal(link->hook.type->name, "tc") && link->attachment.tc_slot == 0;
}

GError *change_open_netns(Change *c, const Link *link)
{
        int r = link_open_netns(link, c->brought_netns, &c->netns_fd);

        if (r == -EXDEV)
                return error_new(NOT_SUPPORTED,
                                 "The network namespace %s of link %u is there, but has no path by "
                                 "which the service can enter it; pass it, by option 'netns' as a "
                                 "descriptor (D-Bus type 'h').",
                                 link->texts[KERN_PARAM_NETNS] ?: "", link->pub.id);
        if (r == -ENOENT)
                return error_new(NO_SUCH_INTERFACE, "Network interface '%s' is gone.",
                                 link->pub.interface);
        return r < 0 ? error_from_errno(r, "open the network namespace") : NULL;
}

static void begin(Change *c, Link *link, bool replace, bool moves)
{
        if (link->attachment.tc_slot != 0)
                change_tc(c, link);
        else if (link->attachment.xdp_member != 0)
                change_member(c, link);
        else if (replace && runs_beside(link))
                change_beside(c, link);
        else if (is_moving(link, replace, moves))
                change_place(c, link);
        else if (c->values.tc_old_priority != 0 && replace)
                change_give_up(c, cant_do_both(link));
        else if (c->values.tc_old_priority != 0)
                change_filter(c, link);
        else if (replace)
                change_in_place(c, link);
        else
                /* It is in its place, or has its hook to itself. */
                change_finish(c);
}

/* Ours until another process has them: that the last one is closed takes as long as the kernel likes. */
static GError *open_old(Change *c, const Link *link)
{
        const size_t n = link->attachment.n_links;

        c->old.link_fds = calloc(n + 1, sizeof(int));
        if (!c->old.link_fds)
                return error_from_errno(-ENOMEM, "open the link's pins");
        for (unsigned i = 0; i < n; i++) {
                int fd = store_open_pin(c->daemon->store, BUS_LINK, c->id, i);

                if (fd < 0)
                        return error_from_errno(fd, "open the link's pins");
                c->old.link_fds[c->old.n_links++] = fd;
        }
        return NULL;
}

static Change *change_new(Daemon *daemon, const Link *link)
{
        Change *c = g_new0(Change, 1);

        daemon_hold(daemon);
        *c = (Change){.daemon = daemon,
                      .id = link->pub.id,
                      .cgroup_fd = -1,
                      .netns_fd = -1,
                      .brought_netns = -1,
                      .new_link = -1,
                      .new_ids = g_array_new(FALSE, FALSE, sizeof(uint32_t)),
                      .specs =
                              sharing_hold_specs(registry_sharing(daemon->registry), &link->specs)};
        return c;
}

void link_change(Daemon *daemon, Link *link, LinkChange *wanted, LinkChanged done, void *userdata)
{
        Change *c = change_new(daemon, link);
        GError *error;
        bool replace;

        c->uid = wanted->uid;
        c->values = wanted->values;
        c->neighbour = wanted->neighbour;
        c->probe = wanted->probe;
        c->brought_netns = wanted->netns_fd;
        c->done = done;
        c->userdata = userdata;
        wanted->values = (LinkValues){0};
        replace = c->values.program_id != link->pub.program_id ||
                  c->values.map_id != link->hook.map_id;
        if (has_filter(link) && c->values.priority != link->attachment.tc_priority) {
                c->values.tc_priority = c->values.priority;
                c->values.tc_old_priority = link->attachment.tc_priority;
        }
        link->state = LINK_CHANGING;
        change_swap_values(link, &c->values);
        c->hook = link->hook;
        change_swap_values(link, &c->values);
        kern_hook_drop_borrowed(&c->hook);
        error = link->attachment.tc_old_priority != 0 ? has_second_filter(link) : open_old(c, link);
        if (!error && !is_moving(link, replace, wanted->moves))
                (void)change_write_next(c, link, &error);
        if (error)
                change_give_up(c, error);
        else
                begin(c, link, replace, wanted->moves);
}

/* Starting again */

static void on_resumed(GError *error, void *userdata)
{
        (void)userdata;
        if (error) {
                g_warning("%s", error->message);
                g_error_free(error);
        }
}

static void resume(SharingTurn *turn, void *userdata)
{
        Change *c = userdata;
        Sharing *sharing = registry_sharing(c->daemon->registry);
        Link *link = registry_link(c->daemon->registry, c->id);

        c->turn = turn;
        if (!link) {
                change_end(c, no_such_object(BUS_LINK, c->id));
                return;
        }
        if (link->attachment.tc_old_priority != 0) {
                change_filter(c, link);
                return;
        }
        /* Which of the two programs is there only a worker can tell, and it puts the new one there if it isn't. */
        if (link_asks_worker(link)) {
                change_in_place(c, link);
                return;
        }
        if (!link->stand_in) {
                c->fellows = sharing_fellows(sharing, link);
                change_call(c, "Arrange", fill_arrange, on_arranged);
                return;
        }
        c->new_link = store_open_pin(c->daemon->store, BUS_LINK, c->id, 0);
        if (c->new_link >= 0) {
                change_end_place(c, link);
                return;
        }
        /* What stands in for the program does so until the next start. */
        link->state = LINK_ATTACHED;
        change_end(c, error_from_errno(c->new_link, "open the link's pin"));
}

void link_change_resume(Daemon *daemon, Link *link)
{
        Change *c;

        if (!link->stand_in && link->attachment.xdp_member == 0 &&
            link->attachment.tc_old_priority == 0 && !link_asks_worker(link))
                return;
        c = change_new(daemon, link);
        c->old_member = link->attachment.xdp_member;
        c->hook = link->hook;
        c->done = on_resumed;
        kern_hook_drop_borrowed(&c->hook);
        link_values_get(link, &c->values);
        link->state = LINK_CHANGING;
        sharing_enter(registry_sharing(daemon->registry), link, resume, c);
}
