/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "link-detach.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "descriptor.h"
#include "errors.h"
#include "kern-action.h"
#include "kern-holder.h"
#include "link-change.h"
#include "link-device.h"
#include "link-holder.h"
#include "link-netns.h"
#include "sharing.h"
#include "tc-chain.h"

#define DETACH_TIMEOUT_SEC 20
/* So many workers may die of something else before it is given up. */
#define ATTEMPTS_MAX 3

typedef struct Waiting {
        DetachDone done;
        void *userdata;
} Waiting;

/*
 * One link on its way out. What the worker is told is kept here: a registered link may go before a
 * worker is free, when its interface does.
 */
typedef struct Detaching {
        Daemon *daemon;
        Link *link; /* owned unless registered; then it is looked up again by its id */
        uint32_t id, program_id;
        KernHook hook;
        uid_t uid;
        bool registered;
        unsigned attempts;
        uint32_t tc_handle; /* of the chain that ends with it, or 0 */
        Netns netns;
        char *netns_text;
        int netns_fd;              /* a way to it that somebody brought, or -1 */
        bool unreachable;          /* that namespace, or what holds the program */
        KernAttachment attachment; /* with the descriptors of the pins, until the worker has them */
        DetachDone done;
        void *userdata;
        GArray *waiting;   /* Waiting */
        SharingTurn *turn; /* of its own, or NULL: somebody else's, or there is nobody to mind */
} Detaching;

/* The link, unless it went with what it was on. */
static Link *link_of(const Detaching *d)
{
        return d->registered ? registry_link(d->daemon->registry, d->id) : d->link;
}

static void detaching_end(Detaching *d, GError *error)
{
        g_autoptr(GArray) waiting = d->waiting;
        DetachDone done = d->done;
        SharingTurn *turn = d->turn;
        void *userdata = d->userdata;
        Daemon *daemon = d->daemon;
        Link *link = d->registered ? link_of(d) : NULL;

        if (link)
                link->detaching = NULL;
        kern_attachment_done(&d->attachment);
        if (!d->registered)
                link_free(d->link);
        if (d->tc_handle != 0)
                tc_chain_ended(daemon, &d->netns, &d->hook, d->tc_handle);
        g_free(d->netns_text);
        descriptor_close(d->netns_fd);
        g_free(d);
        done(error, userdata);
        for (guint i = 0; i < waiting->len; i++) {
                const Waiting *w = &g_array_index(waiting, Waiting, i);

                w->done(NULL, w->userdata);
        }
        sharing_leave(turn);
        daemon_release(daemon);
}

void link_wait_detached(Link *link, DetachDone done, void *userdata)
{
        Waiting w = {done, userdata};

        g_array_append_val(link->detaching->waiting, w);
}

static void unpin(Daemon *daemon, const Link *link)
{
        /* A member of a chain took its pins away when it left. */
        for (unsigned i = 0; i < link->attachment.n_links; i++)
                store_unpin(daemon->store, BUS_LINK, link->pub.id, i);
        if (link->stand_in)
                store_unpin(daemon->store, BUS_LINK, link->pub.id, LINK_PIN_TABLE);
}

/* What has a kernel link is detached from anywhere. */
static int append_netns(sd_bus_message *m, Detaching *d)
{
        int fd = -1, r;

        if (d->netns_fd >= 0)
                return worker_fds_append(m, &d->netns_fd, 1);
        if (d->netns.inode != 0 && d->attachment.n_links == 0) {
                fd = netns_open(d->netns_text, &d->netns);
                d->unreachable |= fd == -EXDEV;
                /* Of filters that went with their namespace nothing is found in the service's own, either, for
                 * they have handles; what is held there is found by names that mean something here, too. */
                if (fd < 0 && (fd != -ENOENT || kern_holder(&d->hook) != KERN_HOLDER_NONE))
                        return fd;
        }
        r = worker_fd_append(m, fd);
        descriptor_close(fd);
        return r;
}

/* With a holder that is gone what it held is, too. */
static int append_holder(sd_bus_message *m, Detaching *d)
{
        const Link *link = link_of(d);
        int fd = link ? link_open_holder(link) : -ENOENT, r;

        d->unreachable |= fd == -EXDEV;
        if (fd < 0 && fd != -ENOENT)
                return fd;
        r = worker_fd_append(m, fd);
        descriptor_close(fd);
        return r;
}

static int append_hook(sd_bus_message *m, const Detaching *d)
{
        const Link *link = link_of(d);
        g_autoptr(GArray) fellows = NULL;
        KernHook hook = d->hook;

        if (link && kern_holder(&hook) == KERN_HOLDER_ROUTE) {
                fellows = sharing_fellows(registry_sharing(d->daemon->registry), link);
                hook.fellows = sharing_numbers(fellows);
        }
        return worker_hook_append(m, &hook);
}

static int fill_detach(sd_bus_message *m, void *userdata)
{
        Detaching *d = userdata;
        const KernAttachment *a = &d->attachment;
        KernAttachment rest = *a;
        int r;

        r = sd_bus_message_append(m, "u", d->program_id);
        if (r < 0)
                return r;
        r = append_hook(m, d);
        if (r < 0)
                return r;
        r = append_netns(m, d);
        if (r < 0)
                return r;
        r = append_holder(m, d);
        if (r < 0)
                return r;
        r = worker_fds_append(m, a->link_fds, a->n_links);
        if (r < 0)
                return r;
        r = sd_bus_message_append(m, "uuuuuu", a->tc_handle, a->tc_priority, a->tc_old_priority,
                                  a->tc_slot, (uint32_t)a->xdp_mode, a->xdp_member);
        /* The message has its own; ours must not be the last, since closing waits for the kernel. */
        kern_attachment_done(&d->attachment);
        rest.link_fds = NULL;
        rest.n_links = 0;
        d->attachment = rest;
        return r;
}

/*
 * Kernel links are gone with their last descriptor, whatever became of the worker. A tc filter or a
 * member of a dispatcher may still be there after a failure, and where that can't be told it counts as there. A worker that was
 * killed because we go down may yet attach or detach before it is dead: that is for the next one to
 * look at.
 */
static bool may_be_attached(const Detaching *d, const Link *link)
{
        if (link->attachment.n_links > 0)
                return false;
        return d->daemon->stopping || link_is_attached(link, d->netns_fd) != 0;
}

static void ask_worker(Detaching *d);

/*
 * An action of tc that filters use stays, and so does what is on a route that the kernel doesn't take as it is.
 * Where it was half attached or half detached nobody knows of it as a link, and so nobody could detach it once
 * that is over.
 */
static void adopt(Detaching *d, Link *link)
{
        if (d->daemon->stopping || !registry_program(d->daemon->registry, d->program_id))
                return;
        link->state = LINK_ATTACHED;
        (void)store_write_link(d->daemon->store, link, NULL);
        registry_add_link(d->daemon->registry, link);
        d->registered = true;
}

/* What can be done about what can't be reached. */
static GError *explain(const Detaching *d, const Link *link)
{
        if (link_is_on_device(link))
                return error_new(NOT_SUPPORTED,
                                 "The service has no descriptor of %s any more; pass one that is "
                                 "open for writing, by option 'device' of DetachWithOptions().",
                                 link->texts[KERN_PARAM_DEVICE] ?: "the device");
        return error_new(FAILED,
                         "The network namespace %s is there, but that path no longer leads to it, "
                         "so that the service can't enter it; pass it, by option 'netns' of "
                         "DetachWithOptions(), or have the program go when the namespace does.",
                         d->netns_text);
}

static void on_detached(sd_bus_message *reply, GError *error, void *userdata)
{
        Detaching *d = userdata;
        Daemon *daemon = d->daemon;
        Link *link = link_of(d);
        bool stays;

        (void)reply;
        /* The interface went meanwhile, and the link with it. */
        if (!link) {
                g_clear_error(&error);
                detaching_end(d, NULL);
                return;
        }
        stays = error && may_be_attached(d, link);
        /* It was killed, and with it maybe the one that was asked before. */
        if (stays && g_error_matches(error, BPFKEEPER_ERROR, BPFKEEPER_ERROR_WORKER_FAILED) &&
            !daemon->stopping && d->attempts < ATTEMPTS_MAX) {
                g_error_free(error);
                ask_worker(d);
                return;
        }
        if (stays && d->tc_handle == 0) {
                if (d->unreachable) {
                        g_error_free(error);
                        error = explain(d, link);
                }
                /* Of one that nobody knows of the file says that it is to be detached: it stays, and
                 * the next one that starts tries again. */
                if (d->registered) {
                        link->state = LINK_ATTACHED;
                        (void)store_write_link(daemon->store, link, NULL);
                } else if (link->device) {
                        device_keep(link->device, d->id);
                } else if (kern_is_action(link->hook.type) || link_asks_worker(link)) {
                        adopt(d, link);
                }
                detaching_end(d, error);
                return;
        }
        /* A dispatcher without members runs nothing; the next one that starts tries to remove it, or it
         * goes with a namespace that nobody gets into. */
        if (stays && !d->unreachable)
                g_warning("The dispatcher of link %u stays on its interface: %s", d->id,
                          error->message);
        else
                store_remove_link(daemon->store, d->id);
        g_clear_error(&error);
        if (d->registered)
                registry_remove_link(daemon->registry, link);
        detaching_end(d, NULL);
}

static void ask_worker(Detaching *d)
{
        const bool member = d->attachment.xdp_member != 0;

        d->attempts++;
        d->unreachable = false;
        worker_pool_call(d->daemon->workers, member ? WORKER_ROLE_DISPATCH : WORKER_ROLE_ATTACH,
                         d->uid, member ? "Leave" : "Detach", DETACH_TIMEOUT_SEC, fill_detach,
                         on_detached, d, NULL);
}

/* With a route all of its programs are written anew: nobody else is to do so at the same time. */
static void on_turn(SharingTurn *turn, void *userdata)
{
        Detaching *d = userdata;

        d->turn = turn;
        ask_worker(d);
}

static gboolean on_left_others(void *userdata)
{
        on_detached(NULL, NULL, userdata);
        return G_SOURCE_REMOVE;
}

void link_detach(Daemon *daemon, Link *link, bool registered, int netns_fd, uid_t uid,
                 DetachDone done, void *userdata)
{
        Detaching *d = g_new0(Detaching, 1);
        g_autoptr(GError) error = NULL;

        daemon_hold(daemon);
        d->daemon = daemon;
        d->link = link;
        d->id = link->pub.id;
        d->program_id = link->pub.program_id;
        d->hook = link->hook;
        /* These are the link's, which may go before a worker is free, and detaching asks for none. */
        kern_hook_drop_borrowed(&d->hook);
        d->netns = link->netns;
        d->netns_text = g_strdup(link->texts[KERN_PARAM_NETNS] ?: "");
        d->netns_fd = netns_fd >= 0 ? fcntl(netns_fd, F_DUPFD_CLOEXEC, 3) : -1;
        d->uid = uid;
        d->registered = registered;
        d->waiting = g_array_new(FALSE, FALSE, sizeof(Waiting));
        d->attachment = link->attachment;
        d->attachment.link_fds = g_new(int, link->attachment.n_links + 1);
        d->attachment.n_links = 0;
        d->done = done;
        d->userdata = userdata;
        link->state = LINK_DETACHING;
        link->detaching = d;
        /* From here on it is going to be detached, by us or by the next one that starts. */
        if (!store_write_link(daemon->store, link, &error))
                g_warning("Link %u: %s", link->pub.id, error->message);
        for (unsigned i = 0; i < link->attachment.n_links; i++) {
                int fd = store_open_pin(daemon->store, BUS_LINK, link->pub.id, i);

                if (fd >= 0)
                        d->attachment.link_fds[d->attachment.n_links++] = fd;
        }
        unpin(daemon, link);
        if (link->attachment.tc_slot != 0) {
                if (!tc_chain_leave(daemon, link)) {
                        /* Never from within this call, as where a worker does it. */
                        g_idle_add_full(G_PRIORITY_DEFAULT, on_left_others, d, NULL);
                        return;
                }
                d->tc_handle = link->attachment.tc_handle;
        }
        if (registered && kern_holder(&link->hook) == KERN_HOLDER_ROUTE)
                sharing_enter(registry_sharing(daemon->registry), link, on_turn, d);
        else
                ask_worker(d);
}

static void on_left(GError *error, void *userdata)
{
        (void)userdata;
        if (error) {
                g_warning("%s", error->message);
                g_error_free(error);
        }
}

void link_leave_map(Daemon *daemon, uint32_t map_id)
{
        const GPtrArray *links = sharing_links_in_map(registry_sharing(daemon->registry), map_id);

        for (guint i = 0; links && i < links->len; i++) {
                Link *link = g_ptr_array_index(links, i);

                /* Whatever else is under way finds the map gone. */
                if (link->state == LINK_ATTACHED)
                        link_detach(daemon, link, true, -1, 0, on_left, NULL);
        }
}

void link_forget(Daemon *daemon, Link *link)
{
        /* libxdp's pins outlast what they were for. */
        if (link->attachment.xdp_member != 0) {
                if (link->state == LINK_ATTACHED)
                        link_detach(daemon, link, true, -1, 0, on_left, NULL);
                return;
        }
        if (link->attachment.tc_slot != 0 && tc_chain_leave(daemon, link))
                tc_chain_ended(daemon, &link->netns, &link->hook, link->attachment.tc_handle);
        unpin(daemon, link);
        store_remove_link(daemon->store, link->pub.id);
        registry_remove_link(daemon->registry, link);
}
