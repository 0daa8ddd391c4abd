/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Detach() and Unload(): giving up what is there. */

#include <errno.h>
#include <unistd.h>

#include "audit.h"
#include "errors.h"
#include "ops.h"

#define DETACH_TIMEOUT_SEC 20

GError *no_such_object(BusKind kind, uint32_t id)
{
        static const char *const names[_BUS_KIND_MAX] = {
                [BUS_PROGRAM] = "program",
                [BUS_MAP] = "map",
                [BUS_LINK] = "link",
        };

        return error_new(NO_SUCH_OBJECT, "There is no %s with the id %u.", names[kind], id);
}

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
        bool registered;
        KernAttachment attachment; /* with the descriptors of the pins, until the worker has them */
        DetachDone done;
        void *userdata;
        GArray *waiting; /* Waiting */
} Detaching;

static void detaching_end(Detaching *d, GError *error)
{
        g_autoptr(GArray) waiting = d->waiting;
        DetachDone done = d->done;
        void *userdata = d->userdata;
        Daemon *daemon = d->daemon;
        Link *link = d->registered ? registry_link(daemon->registry, d->id) : NULL;

        if (link)
                link->detaching = NULL;
        kern_attachment_done(&d->attachment);
        if (!d->registered)
                link_free(d->link);
        g_free(d);
        done(error, userdata);
        for (guint i = 0; i < waiting->len; i++) {
                const Waiting *w = &g_array_index(waiting, Waiting, i);

                w->done(NULL, w->userdata);
        }
        daemon_release(daemon);
}

/* Calls @done, without an error, when somebody else's detaching is over, however it ended. */
static void wait_detached(Link *link, DetachDone done, void *userdata)
{
        Waiting w = {done, userdata};

        g_array_append_val(link->detaching->waiting, w);
}

static void unpin(Daemon *daemon, const Link *link)
{
        for (unsigned i = 0; i < link->attachment.n_links; i++)
                store_unpin(daemon->store, BUS_LINK, link->pub.id, i);
}

static int fill_detach(sd_bus_message *m, void *userdata)
{
        Detaching *d = userdata;
        const KernAttachment *a = &d->attachment;
        int r;

        r = sd_bus_message_append(m, "u", d->program_id);
        if (r < 0)
                return r;
        r = worker_hook_append(m, &d->hook);
        if (r < 0)
                return r;
        r = worker_fds_append(m, a->link_fds, a->n_links);
        if (r < 0)
                return r;
        r = sd_bus_message_append(m, "uuub", a->tc_handle, a->tc_priority, (uint32_t)a->xdp_mode,
                                  (int)a->xdp_dispatched);
        /* The message has its own; ours must not be the last, since closing waits for the kernel. */
        kern_attachment_done(&d->attachment);
        return r;
}

/*
 * Kernel links are gone with their last descriptor, whatever became of the worker. A tc filter may
 * still be there after a failure, and where that can't be told it counts as there. A worker that was
 * killed because we go down may yet attach or detach before it is dead: that is for the next one to
 * look at.
 */
static bool may_be_attached(const Daemon *daemon, const Link *link)
{
        if (link->attachment.n_links > 0)
                return false;
        return daemon->stopping ||
               kern_is_attached(link->pub.program_id, &link->hook, &link->attachment) != 0;
}

static void on_detached(sd_bus_message *reply, GError *error, void *userdata)
{
        Detaching *d = userdata;
        Daemon *daemon = d->daemon;
        Link *link = d->registered ? registry_link(daemon->registry, d->id) : d->link;

        (void)reply;
        /* The interface went meanwhile, and the link with it. */
        if (!link) {
                g_clear_error(&error);
                detaching_end(d, NULL);
                return;
        }
        if (error && may_be_attached(daemon, link)) {
                /* Of one that nobody knows of the file says that it is to be detached: it stays, and
                 * the next one that starts tries again. */
                if (d->registered) {
                        link->state = LINK_ATTACHED;
                        (void)store_write_link(daemon->store, link, NULL);
                }
                detaching_end(d, error);
                return;
        }
        g_clear_error(&error);
        store_remove_link(daemon->store, d->id);
        if (d->registered)
                registry_remove_link(daemon->registry, link);
        detaching_end(d, NULL);
}

void link_detach(Daemon *daemon, Link *link, bool registered, uid_t uid, DetachDone done,
                 void *userdata)
{
        Detaching *d = g_new0(Detaching, 1);
        g_autoptr(GError) error = NULL;

        daemon_hold(daemon);
        d->daemon = daemon;
        d->link = link;
        d->id = link->pub.id;
        d->program_id = link->pub.program_id;
        d->hook = link->hook;
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
        worker_pool_call(daemon->workers, WORKER_ROLE_ATTACH, uid, "Detach", DETACH_TIMEOUT_SEC,
                         fill_detach, on_detached, d, NULL);
}

void link_forget(Daemon *daemon, Link *link)
{
        unpin(daemon, link);
        store_remove_link(daemon->store, link->pub.id);
        registry_remove_link(daemon->registry, link);
}

/* Detach() */

typedef struct ReleaseOp {
        uint32_t id;
} ReleaseOp;

static ReleaseOp *release_op_new(uint32_t id)
{
        ReleaseOp *op = g_new(ReleaseOp, 1);

        op->id = id;
        return op;
}

static void on_link_gone(GError *error, void *userdata)
{
        Request *request = userdata;
        uint32_t id;

        if (error) {
                request_fail(request, error);
                return;
        }
        id = ((ReleaseOp *)request->op)->id;
        audit_done(request, BUS_LINK, id, "detached link %u", id);
        request_finish(request, bus_reply_empty(request->m));
}

static void detach_allowed(Request *request)
{
        uint32_t id = ((ReleaseOp *)request->op)->id;
        Link *link = registry_link(request->daemon->registry, id);

        if (!link) {
                request_fail(request, no_such_object(BUS_LINK, id));
                return;
        }
        if (link->state == LINK_DETACHING) {
                request_fail(request,
                             error_new(HOOK_BUSY, "Link %u is being detached already.", id));
                return;
        }
        link_detach(request->daemon, link, true, request->uid, on_link_gone, request);
}

static void run_detach(Request *request)
{
        uint32_t id = ((ReleaseOp *)request->op)->id;
        const Link *link = registry_link(request->daemon->registry, id);

        if (!link) {
                request_fail(request, no_such_object(BUS_LINK, id));
                return;
        }
        if (link->pub.owner_uid == request->uid) {
                detach_allowed(request);
                return;
        }
        request_authorize_others(request, "org.bpfkeeper1.detach-others",
                                 &(Belonging){id, link->pub.program_name, link->pub.type,
                                              link->pub.owner_uid},
                                 detach_allowed);
}

void op_detach(void *service, sd_bus_message *m, uint32_t id)
{
        request_start(service, m, release_op_new(id), g_free, run_detach);
}

/* Unload(): its links one after the other, then the program. */

static void unload_rest(Request *request);

static void write_loads(Daemon *daemon, const GArray *changed)
{
        for (guint i = 0; i < changed->len; i++) {
                const Load *load =
                        registry_load(daemon->registry, g_array_index(changed, uint32_t, i));
                g_autoptr(GError) error = NULL;

                if (load && !store_write_load(daemon->store, load, &error))
                        g_warning("Load %u: %s", load->id, error->message);
        }
}

static void unload_program(Request *request, Program *program)
{
        Daemon *daemon = request->daemon;
        g_autoptr(GArray) maps = g_array_new(FALSE, FALSE, sizeof(uint32_t));
        g_autoptr(GArray) changed = g_array_new(FALSE, FALSE, sizeof(uint32_t));
        g_autoptr(GArray) gone = g_array_new(FALSE, FALSE, sizeof(uint32_t));
        uint32_t id = program->pub.id;

        registry_remove_program(daemon->registry, program, maps, changed, gone);
        /* The files first: from then on the pins are leftovers. */
        write_loads(daemon, changed);
        for (guint i = 0; i < gone->len; i++)
                store_remove_load(daemon->store, g_array_index(gone, uint32_t, i));
        store_unpin(daemon->store, BUS_PROGRAM, id, 0);
        for (guint i = 0; i < maps->len; i++)
                store_unpin(daemon->store, BUS_MAP, g_array_index(maps, uint32_t, i), 0);
        audit_done(request, BUS_PROGRAM, id, "unloaded program %u", id);
        request_finish(request, bus_reply_empty(request->m));
}

static void on_one_detached(GError *error, void *userdata)
{
        Request *request = userdata;
        uint32_t id = ((ReleaseOp *)request->op)->id;
        Program *program = registry_program(request->daemon->registry, id);

        if (error) {
                if (program)
                        program->unloading = false;
                request_fail(request, error);
                return;
        }
        unload_rest(request);
}

static void unload_rest(Request *request)
{
        uint32_t id = ((ReleaseOp *)request->op)->id;
        Program *program = registry_program(request->daemon->registry, id);
        Link *link;

        if (!program) {
                request_fail(request, no_such_object(BUS_PROGRAM, id));
                return;
        }
        if (program->pub.links->len == 0) {
                unload_program(request, program);
                return;
        }
        link = registry_link(request->daemon->registry,
                             g_array_index(program->pub.links, uint32_t, 0));
        /* Somebody else's Detach() is under way: what is there after it is looked at anew. */
        if (link->state == LINK_DETACHING) {
                wait_detached(link, on_one_detached, request);
                return;
        }
        link_detach(request->daemon, link, true, request->uid, on_one_detached, request);
}

static void unload_allowed(Request *request)
{
        uint32_t id = ((ReleaseOp *)request->op)->id;
        Program *program = registry_program(request->daemon->registry, id);

        if (!program || program->unloading) {
                request_fail(request, no_such_object(BUS_PROGRAM, id));
                return;
        }
        /* No new links from here on. */
        program->unloading = true;
        unload_rest(request);
}

static void run_unload(Request *request)
{
        uint32_t id = ((ReleaseOp *)request->op)->id;
        const Program *program = registry_any_program(request->daemon->registry, id);

        if (!program) {
                request_fail(request, no_such_object(BUS_PROGRAM, id));
                return;
        }
        if (!program->load) {
                request_fail(request, error_new(NOT_MANAGED,
                                                "Program %u was not loaded by this service; "
                                                "who loaded it must unload it.",
                                                id));
                return;
        }
        if (program->pub.owner_uid == request->uid) {
                unload_allowed(request);
                return;
        }
        request_authorize_others(request, "org.bpfkeeper1.unload-others",
                                 &(Belonging){id, program->pub.name, program->pub.type,
                                              program->pub.owner_uid},
                                 unload_allowed);
}

void op_unload(void *service, sd_bus_message *m, uint32_t id)
{
        request_start(service, m, release_op_new(id), g_free, run_unload);
}
