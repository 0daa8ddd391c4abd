/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Detach() and Unload(): giving up what is there. */

#include "attach-op.h"
#include "audit.h"
#include "errors.h"
#include "link-detach.h"

/* Detach() */

typedef struct ReleaseOp {
        uint32_t id;
        AttachOp way; /* DetachWithOptions(): where the link is, of which only that is filled in */
} ReleaseOp;

static ReleaseOp *release_op_new(uint32_t id, BusAttachArgs *args)
{
        ReleaseOp *op = g_new0(ReleaseOp, 1);

        op->id = id;
        attach_op_init(&op->way, args);
        return op;
}

static void release_op_free(void *p)
{
        ReleaseOp *op = p;

        attach_op_done(&op->way);
        g_free(op);
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

static void detach_allowed(Request *request);

/* What was being changed isn't any more. */
static void on_turn(SharingTurn *turn, void *userdata)
{
        sharing_leave(turn);
        detach_allowed(userdata);
}

static void detach_allowed(Request *request)
{
        const ReleaseOp *op = request->op;
        uint32_t id = op->id;
        Link *link = registry_link(request->daemon->registry, id);

        if (!link) {
                request_fail(request, no_such_object(BUS_LINK, id));
                return;
        }
        if (link->state == LINK_CHANGING) {
                sharing_enter(registry_sharing(request->daemon->registry), link, on_turn, request);
                return;
        }
        if (link->state == LINK_DETACHING) {
                request_fail(request,
                             error_new(HOOK_BUSY, "Link %u is being detached already.", id));
                return;
        }
        if (op->way.files[KERN_PARAM_DEVICE] >= 0) {
                int r = device_bring(link->device, op->way.files[KERN_PARAM_DEVICE]);

                if (r < 0) {
                        request_fail(request, error_from_errno(r, "keep the device's descriptor"));
                        return;
                }
                /* It may have been on a device of that number before. */
                link = registry_link(request->daemon->registry, id);
                if (!link) {
                        request_fail(request, no_such_object(BUS_LINK, id));
                        return;
                }
        }
        link_detach(request->daemon, link, true, op->way.files[KERN_PARAM_NETNS], request->uid,
                    on_link_gone, request);
}

static void run_detach(Request *request)
{
        ReleaseOp *op = request->op;
        uint32_t id = op->id;
        const Link *link = registry_link(request->daemon->registry, id);
        GError *error;

        if (!link) {
                request_fail(request, no_such_object(BUS_LINK, id));
                return;
        }
        audit_link(request, link);
        error = op->way.args ? attach_hook_reach(&op->way, request->uid, link) : NULL;
        if (error) {
                request_fail(request, error);
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

void op_detach(void *service, sd_bus_message *m, uint32_t id, BusAttachArgs *args)
{
        request_start(service, m, release_op_new(id, args), release_op_free, run_detach);
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

void program_forget(Daemon *daemon, Program *program)
{
        g_autoptr(GArray) maps = g_array_new(FALSE, FALSE, sizeof(uint32_t));
        g_autoptr(GArray) changed = g_array_new(FALSE, FALSE, sizeof(uint32_t));
        g_autoptr(GArray) gone = g_array_new(FALSE, FALSE, sizeof(uint32_t));
        uint32_t id = program->pub.id, extension = program->extension_id;

        registry_remove_program(daemon->registry, program, maps, changed, gone);
        for (guint i = 0; i < maps->len; i++)
                link_leave_map(daemon, g_array_index(maps, uint32_t, i));
        /* The files first: from then on the pins are leftovers. */
        write_loads(daemon, changed);
        for (guint i = 0; i < gone->len; i++)
                store_remove_load(daemon->store, g_array_index(gone, uint32_t, i));
        store_unpin(daemon->store, BUS_PROGRAM, id, 0);
        if (extension != 0)
                store_unpin(daemon->store, BUS_PROGRAM, extension, 0);
        for (guint i = 0; i < maps->len; i++)
                store_unpin(daemon->store, BUS_MAP, g_array_index(maps, uint32_t, i), 0);
}

static void unload_program(Request *request, Program *program)
{
        uint32_t id = program->pub.id;

        program_forget(request->daemon, program);
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

static void on_rest_turn(SharingTurn *turn, void *userdata)
{
        sharing_leave(turn);
        unload_rest(userdata);
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
        if (link->state == LINK_CHANGING) {
                sharing_enter(registry_sharing(request->daemon->registry), link, on_rest_turn,
                              request);
                return;
        }
        /* Somebody else's Detach() is under way: what is there after it is looked at anew. */
        if (link->state == LINK_DETACHING) {
                link_wait_detached(link, on_one_detached, request);
                return;
        }
        link_detach(request->daemon, link, true, -1, request->uid, on_one_detached, request);
}

static void unload_allowed(Request *request)
{
        uint32_t id = ((ReleaseOp *)request->op)->id;
        Program *program = registry_program(request->daemon->registry, id);

        if (!program || program->unloading) {
                request_fail(request, no_such_object(BUS_PROGRAM, id));
                return;
        }
        if (program->n_coming > 0) {
                request_fail(request, error_new(HOOK_BUSY,
                                                "Program %u is being put in the place of another; "
                                                "unload it afterwards.",
                                                id));
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
        audit_program(request, program);
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
        request_start(service, m, release_op_new(id, NULL), release_op_free, run_unload);
}
