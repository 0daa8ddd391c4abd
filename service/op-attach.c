/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Attach(): from options to a hook, and a program on it. */

#include <errno.h>
#include <net/if.h>
#include <string.h>
#include <unistd.h>

#include "attach-op.h"
#include "audit.h"
#include "errors.h"
#include "kern-lirc.h"
#include "link-detach.h"
#include "link-device.h"
#include "link-netns.h"
#include "tc-chain.h"

#define ATTACH_TIMEOUT_SEC 20

static void attach_op_free(void *p)
{
        attach_op_done(p);
        g_free(p);
}

static void prepare(Request *request);
static void authorize_others(Request *request);
static void authorize_target(Request *request);
static void authorize_map(Request *request);
static void resolve(Request *request);
static void attach(Request *request);

void op_attach(void *service, sd_bus_message *m, uint32_t id, BusAttachArgs *args)
{
        AttachOp *op = attach_op_new(args);

        op->program_id = id;
        request_start(service, m, op, attach_op_free, prepare);
}

/* 1. polkit, with everything that an administrator may want to decide on */

static void prepare(Request *request)
{
        AttachOp *op = request->op;
        const Program *program = registry_any_program(request->daemon->registry, op->program_id);
        GError *error;

        if (!program) {
                request_fail(request, no_such_object(BUS_PROGRAM, op->program_id));
                return;
        }
        if (!program->load) {
                request_fail(request, error_new(NOT_MANAGED,
                                                "Program %u was not loaded by this service, so it "
                                                "can't attach it.",
                                                op->program_id));
                return;
        }
        error = attach_hook_make(op, request->daemon, request->uid, program);
        if (error) {
                request_fail(request, error);
                return;
        }
        attach_authorize(request, program, authorize_others);
}

static void authorize_others(Request *request)
{
        const AttachOp *op = request->op;

        request_authorize_use(request, op->program_id, authorize_target);
}

/* To replace a function of somebody's program is to do something with it. */
static void authorize_target(Request *request)
{
        const AttachOp *op = request->op;

        if (op->hook.target_program_id != 0)
                request_authorize_use(request, op->hook.target_program_id, authorize_map);
        else
                authorize_map(request);
}

static void authorize_map(Request *request)
{
        attach_authorize_map(request, resolve);
}

/* 2. The worker */

static void resolve(Request *request)
{
        attach_hook_resolve(request, attach);
}

int attach_append_hook(sd_bus_message *m, const Request *request, const Program *program)
{
        const AttachOp *op = request->op;
        int fd = program_open(request->daemon, program), r;

        if (fd < 0)
                return fd;
        r = sd_bus_message_append(m, "h", fd);
        close(fd);
        if (r < 0)
                return r;
        r = worker_hook_append(m, &op->probe);
        return r < 0 ? r : worker_hook_files_append(m, &op->probe);
}

static int fill_attach(sd_bus_message *m, void *userdata)
{
        Request *request = userdata;
        AttachOp *op = request->op;
        const Program *program = registry_program(request->daemon->registry, op->program_id);
        int extension, r;

        if (!program)
                return -ENOENT;
        r = attach_append_hook(m, request, program);
        if (r < 0)
                return r;
        extension = -1;
        if (op->link->attachment.xdp_member != 0) {
                extension = store_open_pin(request->daemon->store, BUS_PROGRAM,
                                           program->extension_id, 0);
                if (extension < 0)
                        return extension;
        }
        r = worker_fd_append(m, extension);
        if (extension >= 0)
                close(extension);
        if (r < 0)
                return r;
        r = sd_bus_message_append_basic(m, 'u', &op->link->attachment.tc_handle);
        if (r < 0)
                return r;
        r = worker_fd_append(m, op->program_fd);
        if (r < 0)
                return r;
        r = worker_fd_append(m, op->map_fd);
        if (r < 0)
                return r;
        return worker_fd_append(m, op->pid_fd);
}

static void on_attached(sd_bus_message *reply, GError *error, void *userdata);
static void on_joined(GError *error, void *userdata);

static bool open_target_program(Request *request)
{
        AttachOp *op = request->op;
        const Program *target =
                registry_any_program(request->daemon->registry, op->hook.target_program_id);

        if (target)
                op->program_fd = program_open(request->daemon, target);
        return op->program_fd >= 0;
}

/*
 * What runs in libxdp's dispatcher is a copy of the program, and of a copy no function can be replaced:
 * it would look done, and change nothing. NULL where the target is no member anywhere.
 */
static GError *check_target_runs(Registry *registry, uint32_t id)
{
        const Program *target = registry_program(registry, id);

        for (guint i = 0; target && i < target->pub.links->len; i++) {
                uint32_t n = g_array_index(target->pub.links, uint32_t, i);
                const Link *link = registry_link(registry, n);

                if (link && (link->attachment.xdp_member != 0 || link->attachment.tc_slot != 0))
                        return error_new(
                                HOOK_BUSY,
                                "Program %u is on interface %s together with others (link "
                                "%u), and none of its functions can be replaced there. "
                                "Detach it and attach it again: it gets a place of its own "
                                "now that there is a program to go into it.",
                                id, link->pub.interface, n);
        }
        return NULL;
}

/* tc itself goes on after what is no verdict, and after nothing else. */
static GError *cant_proceed(const Daemon *daemon, uint32_t id)
{
        if (registry_is_target(daemon->registry, id))
                return error_new(NOT_SUPPORTED,
                                 "Program %u has a filter of its own, since there is a program to "
                                 "replace one of its functions, and takes no proceed_on.",
                                 id);
        return error_new(NOT_SUPPORTED,
                         "tc programs take proceed_on where the kernel makes tail calls from "
                         "functions of a program (feature tc_dispatcher), which this one doesn't.");
}

/* Where no index is asked for it is the link's own number, unless somebody has asked for that one before. */
static void number_action(AttachOp *op, uint32_t link_id)
{
        const uint64_t bit = KERN_PARAM_BIT(KERN_PARAM_INDEX);

        if (!kern_type_takes(op->hook.type, bit) || (op->hook.given & bit))
                return;
        op->hook.index = op->probe.index = link_id;
        op->hook.given |= bit;
        op->probe.given |= bit;
}

static void on_turn(SharingTurn *turn, void *userdata);

static void attach(Request *request)
{
        Daemon *daemon = request->daemon;
        AttachOp *op = request->op;
        Program *program = registry_program(daemon->registry, op->program_id);
        char name[IF_NAMESIZE];
        GError *error = NULL;
        uint32_t id;

        if (!program || program->unloading) {
                request_fail(request, no_such_object(BUS_PROGRAM, op->program_id));
                return;
        }
        if (op->hook.target_program_id != 0 && !open_target_program(request))
                error = no_such_object(BUS_PROGRAM, op->hook.target_program_id);
        else if ((op->hook.map_id != 0 || op->specs_map != 0) && !attach_hook_open_map(op, daemon))
                error = no_such_object(BUS_MAP, op->hook.map_id ?: op->specs_map);
        /* polkit may have taken a while: what was asked for must be what it was. */
        else if (op->hook.ifindex != 0 &&
                 (!netns_interface_name(op->files[KERN_PARAM_NETNS], op->hook.ifindex, name) ||
                  strcmp(name, op->texts[KERN_PARAM_INTERFACE]) != 0))
                error = error_new(NO_SUCH_INTERFACE, "Network interface '%s' is gone.",
                                  op->texts[KERN_PARAM_INTERFACE]);
        else if (op->hook.target_program_id != 0)
                error = check_target_runs(daemon->registry, op->hook.target_program_id);
        if (!error && op->files[KERN_PARAM_SOCKET] >= 0) {
                attach_to_socket(request);
                return;
        }
        if (!error && quota_allows(daemon->quota, request->uid, CHARGE_LINKS, 1, &error))
                store_next_id(daemon->store, &id, &error);
        if (error) {
                request_fail(request, error);
                return;
        }
        number_action(op, id);
        op->link = link_new(id, request->uid, program, &op->hook);
        for (int i = 0; i < _KERN_PARAM_MAX; i++)
                if (op->texts[i])
                        link_set_text(op->link, (KernParam)i, op->texts[i]);
        op->link->pub.cgroup_id = op->cgroup_id;
        link_set_netns(op->link, &op->netns);
        if (op->files[KERN_PARAM_DEVICE] >= 0)
                link_set_device(op->link, devices_get(daemon->devices, op->device_number));
        if (op->specs_map != 0)
                attach_hook_take_specs(op, daemon, &op->link->specs);
        if (tc_chain_takes(daemon, program)) {
                tc_chain_join(daemon, op->link, on_joined, request);
                return;
        }
        if (program->type->sharing == KERN_SHARING_DISPATCHER && op->hook.proceed_on != 0) {
                request_fail(request, cant_proceed(daemon, op->program_id));
                return;
        }
        op->link->attachment.tc_handle = link_tc_handle(op->link);
        op->link->attachment.tc_priority = op->hook.priority;
        /* libxdp keeps its pins by the interface's index, whatever namespace that is in: it would take
         * another's apart for those of one that is there no more. */
        if (!registry_is_target(daemon->registry, op->program_id) && op->netns.inode == 0)
                op->link->attachment.xdp_member = program->extension_id;
        if (op->link->attachment.xdp_member != 0 && !registry_claim(daemon->registry, op->link)) {
                request_fail(request,
                             error_new(HOOK_BUSY,
                                       "Program %u is on interface %s already; load it again to "
                                       "have it there twice.",
                                       op->program_id, op->texts[KERN_PARAM_INTERFACE]));
                return;
        }
        sharing_enter(registry_sharing(daemon->registry), op->link, on_turn, request);
}

/* For as long as the link is there, and for the next one that starts. */
static GError *keep_device(const AttachOp *op)
{
        const int fd = op->files[KERN_PARAM_DEVICE];
        int r = fd >= 0 ? device_bring(op->link->device, fd) : 0;

        return r < 0 ? error_from_errno(r, "keep the device's descriptor") : NULL;
}

static void attach_in_place(Request *request)
{
        Daemon *daemon = request->daemon;
        AttachOp *op = request->op;
        const Program *program = registry_program(daemon->registry, op->program_id);
        GError *error = NULL;

        /* That may have taken a while, too. */
        if (daemon->stopping)
                error = error_new(WORKER_FAILED, "The service is stopping.");
        else if (!program || program->unloading)
                error = no_such_object(BUS_PROGRAM, op->program_id);
        else
                error = keep_device(op);
        if (!error)
                error = attach_find_place(op, daemon);
        /* Written down first: should we die, the next one finds what may be attached. */
        if (error || !store_write_link(daemon->store, op->link, &error)) {
                request_fail(request, error);
                return;
        }
        /* Not cancelled in the middle: a caller that leaves has its link undone afterwards. */
        if (op->link->attachment.xdp_member != 0)
                worker_pool_call(daemon->workers, WORKER_ROLE_DISPATCH, request->uid, "Join",
                                 ATTACH_TIMEOUT_SEC, fill_attach, on_attached, request, NULL);
        else
                worker_pool_call(daemon->workers, WORKER_ROLE_ATTACH, request->uid, "Attach",
                                 ATTACH_TIMEOUT_SEC, fill_attach, on_attached, request, NULL);
}

static void on_turn(SharingTurn *turn, void *userdata)
{
        Request *request = userdata;

        ((AttachOp *)request->op)->turn = turn;
        attach_look(request, attach_in_place);
}

/* 3. What came of it */

static int take_link(Daemon *daemon, Link *link, unsigned part, int fd)
{
        KernLinkInfo info;
        int r;

        if (!kern_is_link(fd))
                return -EBADMSG;
        r = kern_link_info(fd, &info);
        if (r < 0)
                return r;
        if (!link_has(link, &info))
                return -EBADMSG;
        r = store_pin(daemon->store, BUS_LINK, link->pub.id, part, fd);
        if (r < 0)
                return r;
        link->attachment.n_links = part + 1;
        g_array_append_val(link->pub.kernel_link_ids, info.id);
        return 0;
}

static int take_attachment(Daemon *daemon, sd_bus_message *reply, Link *link)
{
        KernAttachment *a = &link->attachment;
        unsigned part = 0;
        uint32_t mode, member;
        int fd, r;

        r = sd_bus_message_enter_container(reply, 'a', "h");
        if (r < 0)
                return r;
        while ((r = sd_bus_message_read_basic(reply, 'h', &fd)) > 0) {
                if (part == KERN_LINKS_MAX)
                        return -E2BIG;
                r = take_link(daemon, link, part, fd);
                if (r < 0)
                        return r;
                part++;
        }
        if (r < 0)
                return r;
        r = sd_bus_message_exit_container(reply);
        if (r < 0)
                return r;
        r = sd_bus_message_read(reply, "uuuu", &a->tc_handle, &a->tc_priority, &mode, &member);
        if (r < 0)
                return r;
        /* Alone after all, or as was meant. */
        if (member != 0 && member != a->xdp_member)
                return -EBADMSG;
        a->xdp_member = member;
        a->xdp_mode = (KernXdpMode)mode;
        link_publish_attachment(link);
        return 0;
}

typedef struct Undo {
        Request *request;
        GError *error;
} Undo;

static void on_undone(GError *error, void *userdata)
{
        Undo *undo = userdata;

        /* What failed first is what the caller is told. */
        if (error) {
                g_warning("What Attach() began is still to be undone: %s", error->message);
                g_prefix_error(&undo->error,
                               "It may still be attached (%s), after: ", error->message);
                g_error_free(error);
        }
        request_fail(undo->request, undo->error);
        g_free(undo);
}

/* Takes back what was, or may have been, attached, and answers with the error. */
static void undo(Request *request, GError *error)
{
        AttachOp *op = request->op;
        Undo *u = g_new(Undo, 1);

        *u = (Undo){request, error};
        link_detach(request->daemon, g_steal_pointer(&op->link), false, op->files[KERN_PARAM_NETNS],
                    request->uid, on_undone, u);
}

/* What was wrong with it all along, or came to be while it was attached. */
static GError *check_attached(Request *request)
{
        const AttachOp *op = request->op;
        const Program *program = registry_program(request->daemon->registry, op->program_id);
        char name[IF_NAMESIZE];

        if (!program || program->unloading)
                return no_such_object(BUS_PROGRAM, op->program_id);
        if (request_is_cancelled(request))
                return error_new(CANCELLED, "The caller left the bus.");
        /* That may have been told while this wasn't known as a link. */
        if (op->link->hook.ifindex != 0 &&
            !netns_interface_name(op->files[KERN_PARAM_NETNS], op->link->hook.ifindex, name))
                return error_new(NO_SUCH_INTERFACE, "Network interface '%s' is gone.",
                                 op->texts[KERN_PARAM_INTERFACE]);
        if (op->files[KERN_PARAM_DEVICE] >= 0 && kern_lirc_is_gone(op->files[KERN_PARAM_DEVICE]))
                return error_new(NO_SUCH_TARGET, "The device %s is gone.",
                                 op->texts[KERN_PARAM_DEVICE]);
        return NULL;
}

/* It is attached, or @error says what happened then. */
static void finish(Request *request, GError *error)
{
        Daemon *daemon = request->daemon;
        AttachOp *op = request->op;
        Link *link = op->link;

        if (!error)
                error = check_attached(request);
        if (!error) {
                link->state = LINK_ATTACHED;
                (void)store_write_link(daemon->store, link, &error);
        }
        if (error) {
                undo(request, error);
                return;
        }
        registry_add_link(daemon->registry, g_steal_pointer(&op->link));
        audit_done(request, BUS_LINK, link->pub.id, "attached %s (%s), program %u, as link %u",
                   link->pub.program_name, link->pub.type, link->pub.program_id, link->pub.id);
        request_finish(request, bus_reply_path(request->m, BUS_LINK, link->pub.id));
}

static void on_attached(sd_bus_message *reply, GError *error, void *userdata)
{
        Request *request = userdata;
        AttachOp *op = request->op;
        int r;

        if (error && reply) {
                /* The worker says that nothing is attached. */
                store_remove_link(request->daemon->store, op->link->pub.id);
                request_fail(request, error);
                return;
        }
        if (!error) {
                r = take_attachment(request->daemon, reply, op->link);
                if (r < 0)
                        error = error_from_errno(r, "keep the attachment");
        }
        if (error)
                undo(request, error);
        else
                finish(request, NULL);
}

static void on_joined(GError *error, void *userdata)
{
        Request *request = userdata;
        const AttachOp *op = request->op;

        /* It got no place, and so none has to be taken away. */
        if (error && op->link->attachment.tc_slot == 0) {
                request_fail(request, error);
                return;
        }
        link_publish_attachment(op->link);
        finish(request, error);
}
