/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Attach(): from options to a hook, and a program on it. */

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <net/if.h>
#include <string.h>
#include <unistd.h>

#include "audit.h"
#include "descriptor.h"
#include "errors.h"
#include "ops.h"

#define ATTACH_TIMEOUT_SEC 20

typedef struct AttachOp {
        BusAttachArgs *args;
        uint32_t program_id;
        KernHook hook;
        int target_fd, cgroup_fd; /* owned; the hook borrows them */
        char *target, *cgroup;    /* for people */
        char interface[IF_NAMESIZE];
        uint64_t cgroup_id;
        Link *link; /* being attached; owned until it is registered */
} AttachOp;

static void attach_op_free(void *p)
{
        AttachOp *op = p;

        bus_attach_args_free(op->args);
        if (op->target_fd >= 0)
                close(op->target_fd);
        if (op->cgroup_fd >= 0)
                close(op->cgroup_fd);
        g_free(op->target);
        g_free(op->cgroup);
        link_free(op->link);
        g_free(op);
}

static void prepare(Request *request);
static void authorize_others(Request *request);
static void attach(Request *request);

void op_attach(void *service, sd_bus_message *m, uint32_t id, BusAttachArgs *args)
{
        AttachOp *op = g_new0(AttachOp, 1);

        op->args = args;
        op->program_id = id;
        op->target_fd = op->cgroup_fd = -1;
        op->target = g_strdup("");
        op->cgroup = g_strdup("");
        request_start(service, m, op, attach_op_free, prepare);
}

/* 1. The hook: what the options say, completed by the section name. */

static GError *too_long(const char *option, size_t max)
{
        return error_new(INVALID_ARGUMENT, "Option '%s' has more than %zu bytes.", option, max);
}

static GError *set_text(KernHook *hook, KernParam param, char *dest, size_t size, const char *value)
{
        if (*value == '\0')
                return NULL;
        if (g_strlcpy(dest, value, size) >= size)
                return too_long(kern_params[param].name, size - 1);
        hook->given |= KERN_PARAM_BIT(param);
        return NULL;
}

static GError *set_interface(AttachOp *op)
{
        const BusAttachArgs *a = op->args;

        if (*a->interface == '\0' && a->interface_index == 0)
                return NULL;
        op->hook.given |= KERN_PARAM_BIT(KERN_PARAM_INTERFACE);
        op->hook.ifindex = a->interface_index;
        if (*a->interface) {
                op->hook.ifindex = if_nametoindex(a->interface);
                if (op->hook.ifindex == 0)
                        return error_new(NO_SUCH_INTERFACE, "There is no network interface '%s'.",
                                         a->interface);
        }
        if (!if_indextoname(op->hook.ifindex, op->interface))
                return error_new(NO_SUCH_INTERFACE,
                                 "There is no network interface with the index %u.",
                                 op->hook.ifindex);
        return NULL;
}

static GError *set_words(AttachOp *op)
{
        const BusAttachArgs *a = op->args;
        KernHook *h = &op->hook;

        if (*a->direction) {
                if (kern_direction_from_string(a->direction, &h->direction) < 0)
                        return error_new(INVALID_ARGUMENT,
                                         "Direction is '%s'; it can be 'ingress' or 'egress'.",
                                         a->direction);
                h->given |= KERN_PARAM_BIT(KERN_PARAM_DIRECTION);
        }
        if (*a->mode) {
                if (kern_xdp_mode_from_string(a->mode, &h->mode) < 0)
                        return error_new(INVALID_ARGUMENT,
                                         "Mode is '%s'; it can be 'native', 'skb' or 'hw'.",
                                         a->mode);
                h->given |= KERN_PARAM_BIT(KERN_PARAM_MODE);
        }
        return NULL;
}

static void set_numbers(AttachOp *op)
{
        const BusAttachArgs *a = op->args;
        KernHook *h = &op->hook;

#define SET(member, param)                         \
        if (a->has_##member) {                     \
                h->member = a->member;             \
                h->given |= KERN_PARAM_BIT(param); \
        }
        SET(priority, KERN_PARAM_PRIORITY)
        SET(offset, KERN_PARAM_OFFSET)
        SET(pid, KERN_PARAM_PID)
        SET(frequency, KERN_PARAM_FREQUENCY)
        SET(period, KERN_PARAM_PERIOD)
        SET(cpu, KERN_PARAM_CPU)
        SET(cookie, KERN_PARAM_COOKIE)
#undef SET
}

static GError *use_target(AttachOp *op, int fd)
{
        if (fd < 0)
                return error_from_errno(-errno, "keep the target's descriptor");
        op->target_fd = fd;
        if (!descriptor_is_regular(fd))
                return error_new(NO_SUCH_TARGET,
                                 "The target is no regular file; it must be a binary or "
                                 "a library.");
        op->hook.target_fd = fd;
        op->hook.given |= KERN_PARAM_BIT(KERN_PARAM_TARGET);
        g_free(op->target);
        op->target = descriptor_path(fd);
        return NULL;
}

/*
 * A path is looked up as root would look it up, and what is found shows in the answer: so only root
 * may name one, and everybody else passes a descriptor of what they can open themselves.
 */
static GError *open_target(AttachOp *op, uid_t uid, const char *path)
{
        int fd;

        if (uid != 0)
                return error_new(
                        MISSING_PARAMETER,
                        "The target is given as the path '%s'; only uid 0 may do so, others "
                        "pass option 'target' as a descriptor (D-Bus type 'h').",
                        path);
        if (*path != '/')
                return error_new(NO_SUCH_TARGET, "The target '%s' is no absolute path.", path);
        fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
        if (fd < 0)
                return error_new(NO_SUCH_TARGET, "The target '%s' can't be opened: %s.", path,
                                 g_strerror(errno));
        return use_target(op, fd);
}

static GError *set_target(AttachOp *op, uid_t uid)
{
        const BusAttachArgs *a = op->args;

        if (a->target_fd >= 0)
                return use_target(op, fcntl(a->target_fd, F_DUPFD_CLOEXEC, 3));
        return *a->target ? open_target(op, uid, a->target) : NULL;
}

static GError *set_cgroup(AttachOp *op)
{
        const BusAttachArgs *a = op->args;

        if (a->cgroup_fd < 0 && *a->cgroup == '\0')
                return NULL;
        if (a->cgroup_fd >= 0)
                op->cgroup_fd = fcntl(a->cgroup_fd, F_DUPFD_CLOEXEC, 3);
        else
                op->cgroup_fd = descriptor_open_cgroup(a->cgroup);
        if (op->cgroup_fd < 0)
                return error_new(NO_SUCH_CGROUP,
                                 "There is no cgroup '%s'; give its directory below %s, or a "
                                 "descriptor of it.",
                                 a->cgroup, DESCRIPTOR_CGROUP_ROOT);
        if (!descriptor_is_cgroup(op->cgroup_fd, &op->cgroup_id))
                return error_new(NO_SUCH_CGROUP,
                                 "'%s' is no directory of a cgroup version 2 hierarchy.",
                                 a->cgroup);
        op->hook.cgroup_fd = op->cgroup_fd;
        op->hook.given |= KERN_PARAM_BIT(KERN_PARAM_CGROUP);
        g_free(op->cgroup);
        op->cgroup = descriptor_path(op->cgroup_fd);
        return NULL;
}

static GError *complete(AttachOp *op, uid_t uid, const Program *program)
{
        const unsigned params = op->hook.type->required | op->hook.type->optional;
        char target[PATH_MAX] = "";
        KernDiag diag = {0};
        GError *error = NULL;
        int r;

        r = kern_hook_complete(&op->hook, program->pub.section, target, sizeof(target), &diag);
        if (r >= 0 && *target && op->target_fd < 0 && (params & KERN_PARAM_BIT(KERN_PARAM_TARGET)))
                error = open_target(op, uid, target);
        if (r >= 0 && !error)
                r = kern_hook_check(&op->hook, &diag);
        if (r < 0 && !error)
                error = error_from_diag(&diag, r);
        kern_diag_clear(&diag);
        return error;
}

static GError *make_hook(AttachOp *op, uid_t uid, const Program *program)
{
        const BusAttachArgs *a = op->args;
        KernHook *h = &op->hook;
        GError *error;

        *h = KERN_HOOK_INIT;
        h->type = program->type;
        set_numbers(op);
        error = set_interface(op);
        if (!error)
                error = set_words(op);
        if (!error)
                error = set_text(h, KERN_PARAM_TRACEPOINT, h->tracepoint, sizeof(h->tracepoint),
                                 a->tracepoint);
        if (!error)
                error = set_text(h, KERN_PARAM_FUNCTION, h->function, sizeof(h->function),
                                 a->function);
        if (!error)
                error = set_text(h, KERN_PARAM_EVENT, h->event, sizeof(h->event), a->event);
        if (!error)
                error = set_target(op, uid);
        if (!error)
                error = set_cgroup(op);
        if (!error)
                error = complete(op, uid, program);
        return error;
}

/* 2. polkit, with everything that an administrator may want to decide on */

typedef struct Details {
        AuthzDetail list[24];
        size_t n;
        GPtrArray *owned;
} Details;

static void add(Details *d, const char *key, const char *value)
{
        if (*value)
                d->list[d->n++] = (AuthzDetail){key, value};
}

static void add_number(Details *d, const char *key, gint64 value, bool given)
{
        char *text;

        if (!given)
                return;
        text = g_strdup_printf("%" G_GINT64_FORMAT, value);
        g_ptr_array_add(d->owned, text);
        add(d, key, text);
}

static void authorize(Request *request, const Program *program)
{
        AttachOp *op = request->op;
        const KernHook *h = &op->hook;
        g_autoptr(GPtrArray) owned = g_ptr_array_new_with_free_func(g_free);
        Details d = {.owned = owned};
        char suffix[32], action[64];
        const unsigned params = h->type->required | h->type->optional;

#define TAKES(p) (params & KERN_PARAM_BIT(KERN_PARAM_##p))
#define GIVEN(p) (h->given & KERN_PARAM_BIT(KERN_PARAM_##p))
        add(&d, "type", h->type->name);
        add(&d, "program", program->pub.name);
        add_number(&d, "program_id", program->pub.id, true);
        add_number(&d, "owner", program->pub.owner_uid, true);
        add(&d, "application", program->pub.application);
        add(&d, "digest", program->pub.source_digest);
        add(&d, "interface", op->interface);
        add_number(&d, "ifindex", h->ifindex, h->ifindex != 0);
        add(&d, "direction", kern_direction_to_string(h->direction) ?: "");
        add_number(&d, "priority", h->priority, TAKES(PRIORITY));
        if (TAKES(MODE))
                add(&d, "mode", kern_xdp_mode_to_string(h->mode) ?: "");
        add(&d, "tracepoint", h->tracepoint);
        add(&d, "function", h->function);
        add_number(&d, "offset", (gint64)h->offset, GIVEN(OFFSET));
        add(&d, "target", op->target);
        add_number(&d, "pid", h->pid, GIVEN(PID));
        add(&d, "cgroup", op->cgroup);
        add(&d, "event", h->event);
        add_number(&d, "cpu", h->cpu, GIVEN(CPU));
        add_number(&d, "cookie", (gint64)h->cookie, GIVEN(COOKIE));
#undef TAKES
#undef GIVEN
        kern_type_action_suffix(h->type, suffix, sizeof(suffix));
        g_snprintf(action, sizeof(action), "org.bpfkeeper1.attach.%s", suffix);
        request_authorize(request, action, d.list, authorize_others);
}

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
        error = make_hook(op, request->uid, program);
        if (error) {
                request_fail(request, error);
                return;
        }
        authorize(request, program);
}

static void authorize_others(Request *request)
{
        const AttachOp *op = request->op;
        const Program *program = registry_program(request->daemon->registry, op->program_id);

        if (!program || program->pub.owner_uid == request->uid) {
                attach(request);
                return;
        }
        request_authorize_others(request, "org.bpfkeeper1.use-others",
                                 &(Belonging){op->program_id, program->pub.name, program->pub.type,
                                              program->pub.owner_uid},
                                 attach);
}

/* 3. The worker */

static int fill_attach(sd_bus_message *m, void *userdata)
{
        Request *request = userdata;
        AttachOp *op = request->op;
        const Program *program = registry_program(request->daemon->registry, op->program_id);
        int fd, r;

        if (!program)
                return -ENOENT;
        fd = program_open(request->daemon, program);
        if (fd < 0)
                return fd;
        r = sd_bus_message_append(m, "h", fd);
        close(fd);
        if (r < 0)
                return r;
        r = worker_hook_append(m, &op->hook);
        if (r < 0)
                return r;
        r = worker_fds_append(m, &op->target_fd, op->target_fd >= 0 ? 1 : 0);
        if (r < 0)
                return r;
        return worker_fds_append(m, &op->cgroup_fd, op->cgroup_fd >= 0 ? 1 : 0);
}

static void on_attached(sd_bus_message *reply, GError *error, void *userdata);

static void attach(Request *request)
{
        Daemon *daemon = request->daemon;
        AttachOp *op = request->op;
        Program *program = registry_program(daemon->registry, op->program_id);
        char name[IF_NAMESIZE];
        GError *error = NULL;
        uint32_t id;

        if (!program || program->unloading)
                error = no_such_object(BUS_PROGRAM, op->program_id);
        /* polkit may have taken a while: what was asked for must be what it was. */
        else if (op->hook.ifindex != 0 &&
                 (!if_indextoname(op->hook.ifindex, name) || strcmp(name, op->interface) != 0))
                error = error_new(NO_SUCH_INTERFACE, "Network interface '%s' is gone.",
                                  op->interface);
        else if (quota_charge(daemon->quota, request->uid, CHARGE_LINKS, 1, &error)) {
                quota_release(daemon->quota, request->uid, CHARGE_LINKS, 1);
                store_next_id(daemon->store, &id, &error);
        }
        if (error) {
                request_fail(request, error);
                return;
        }
        op->link = link_new(id, request->uid, program, &op->hook);
        g_free(op->link->pub.interface);
        op->link->pub.interface = g_strdup(op->interface);
        g_free(op->link->pub.target);
        op->link->pub.target = g_strdup(op->target);
        g_free(op->link->pub.cgroup);
        op->link->pub.cgroup = g_strdup(op->cgroup);
        op->link->pub.cgroup_id = op->cgroup_id;
        /* Written down first: should we die, the next one finds what may be attached. */
        if (!store_write_link(daemon->store, op->link, &error)) {
                request_fail(request, error);
                return;
        }
        /* Not cancelled in the middle: a caller that leaves has its link undone afterwards. */
        worker_pool_call(daemon->workers, WORKER_ROLE_ATTACH, request->uid, "Attach",
                         ATTACH_TIMEOUT_SEC, fill_attach, on_attached, request, NULL);
}

/* 4. What came of it */

static int take_link(Daemon *daemon, Link *link, unsigned part, int fd)
{
        KernLinkInfo info;
        int r;

        r = kern_link_info(fd, &info);
        if (r < 0)
                return r;
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
        uint32_t mode;
        int fd, dispatched, r;

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
        r = sd_bus_message_read(reply, "uuub", &a->tc_handle, &a->tc_priority, &mode, &dispatched);
        if (r < 0)
                return r;
        a->xdp_mode = (KernXdpMode)mode;
        a->xdp_dispatched = dispatched;
        link_set_mode(link);
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
        g_clear_error(&error);
        request_fail(undo->request, undo->error);
        g_free(undo);
}

/* Takes back what was, or may have been, attached, and answers with the error. */
static void undo(Request *request, GError *error)
{
        AttachOp *op = request->op;
        Undo *u = g_new(Undo, 1);

        *u = (Undo){request, error};
        link_detach(request->daemon, g_steal_pointer(&op->link), false, request->uid, on_undone, u);
}

static void on_attached(sd_bus_message *reply, GError *error, void *userdata)
{
        Request *request = userdata;
        Daemon *daemon = request->daemon;
        AttachOp *op = request->op;
        const Program *program = registry_program(daemon->registry, op->program_id);
        Link *link = op->link;
        int r;

        if (error && reply) {
                /* The worker says that nothing is attached. */
                store_remove_link(daemon->store, link->pub.id);
                request_fail(request, error);
                return;
        }
        if (error) {
                undo(request, error);
                return;
        }
        r = take_attachment(daemon, reply, link);
        if (r < 0)
                error = error_from_errno(r, "keep the attachment");
        else if (!program || program->unloading)
                error = no_such_object(BUS_PROGRAM, op->program_id);
        else if (request_is_cancelled(request))
                error = error_new(CANCELLED, "The caller left the bus.");
        else {
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
        (void)bus_reply_path(request->m, BUS_LINK, link->pub.id);
        request_done(request);
}
