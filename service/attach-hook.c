/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* From the options of an Attach() to a hook. */

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <net/if.h>
#include <string.h>
#include <unistd.h>

#include "attach-op.h"
#include "descriptor.h"
#include "errors.h"
#include "kern-xdp.h"

#define RESOLVE_TIMEOUT_SEC 10

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
        /* The kernel takes nearly any bytes for a name, the bus and the state files don't. */
        if (!g_utf8_validate(op->interface, -1, NULL))
                return error_new(INVALID_ARGUMENT,
                                 "The name of network interface %u isn't UTF-8; rename it.",
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

static GError *set_actions(KernHook *h, char *const *names)
{
        h->proceed_on = 0;
        for (; names && *names; names++) {
                unsigned action;

                if (kern_xdp_action_from_string(*names, &action) < 0)
                        return error_new(INVALID_ARGUMENT,
                                         "Option 'proceed_on' has '%s'; it can have 'aborted', "
                                         "'drop', 'pass', 'tx' and 'redirect'.",
                                         *names);
                h->proceed_on |= 1U << action;
        }
        h->given |= KERN_PARAM_BIT(KERN_PARAM_PROCEED_ON);
        return NULL;
}

/* How an XDP program gets along with others: as asked for, or else as its object says. */
static GError *set_company(AttachOp *op, Daemon *daemon, const Program *program)
{
        const BusAttachArgs *a = op->args;
        KernHook *h = &op->hook;

        if (h->type->prog_type == BPF_PROG_TYPE_XDP) {
                if (!a->has_priority)
                        h->priority = program->xdp_priority;
                h->proceed_on = program->xdp_proceed_on;
                h->xdp_frags = g_str_equal(program->pub.section, "xdp.frags");
                h->xdp_shares = daemon_has_feature(daemon, "freplace");
        }
        return a->has_proceed_on ? set_actions(h, a->proceed_on) : NULL;
}

static GError *use_target(AttachOp *op, int fd)
{
        if (fd < 0)
                return error_from_errno(-errno, "keep the target's descriptor");
        op->target_fd = fd;
        if (!descriptor_is_readable(fd))
                return error_new(
                        NO_SUCH_TARGET,
                        "The target's descriptor isn't open for reading; a probe goes only "
                        "into what its user can read.");
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

/* What a freplace program was loaded for is where it goes, unless something else is said. */
static void set_target_program(AttachOp *op, const Program *program)
{
        KernHook *h = &op->hook;

        if (op->args->target_program == 0 && program->target_id == 0)
                return;
        h->target_program_id = op->args->target_program ?: program->target_id;
        h->given |= KERN_PARAM_BIT(KERN_PARAM_TARGET_PROGRAM);
        if (!(h->given & KERN_PARAM_BIT(KERN_PARAM_FUNCTION)) && program->target_function &&
            *program->target_function) {
                g_strlcpy(h->function, program->target_function, sizeof(h->function));
                h->given |= KERN_PARAM_BIT(KERN_PARAM_FUNCTION);
        }
}

static GError *set_functions(AttachOp *op)
{
        const BusAttachArgs *a = op->args;
        KernHook *h = &op->hook;

        if (a->functions) {
                for (char **f = a->functions; *f; f++)
                        if (**f == '\0' || strchr(*f, ','))
                                return error_new(INVALID_ARGUMENT,
                                                 "Option 'functions' has '%s', which is no name of "
                                                 "a kernel function, nor a pattern.",
                                                 *f);
                g_free(op->functions);
                op->functions = g_strjoinv(",", a->functions);
                h->functions = op->functions;
                h->given |= KERN_PARAM_BIT(KERN_PARAM_FUNCTIONS);
        }
        if (a->cookies) {
                h->cookies = (const uint64_t *)(const void *)a->cookies->data;
                h->n_cookies = a->cookies->len;
                h->given |= KERN_PARAM_BIT(KERN_PARAM_COOKIES);
        }
        return NULL;
}

static GError *complete(AttachOp *op, uid_t uid, const Program *program)
{
        const unsigned params = op->hook.type->required | op->hook.type->optional;
        char target[PATH_MAX] = "";
        KernHook *h = &op->hook;
        KernDiag diag = {0};
        GError *error = NULL;
        int r;

        r = kern_hook_complete(h, program->pub.section, target, sizeof(target), &diag);
        if (r >= 0 && *target && op->target_fd < 0 && (params & KERN_PARAM_BIT(KERN_PARAM_TARGET)))
                error = open_target(op, uid, target);
        if (r >= 0 && !error)
                r = kern_hook_check(h, &diag);
        if (r < 0 && !error)
                error = error_from_diag(&diag, r);
        kern_diag_clear(&diag);
        /* The section, which they may be from, is the program's, and that may go meanwhile. */
        if (h->functions && h->functions != op->functions) {
                g_free(op->functions);
                op->functions = g_strdup(h->functions);
                h->functions = op->functions;
        }
        return error;
}

GError *attach_hook_make(AttachOp *op, Daemon *daemon, uid_t uid, const Program *program)
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
                error = set_company(op, daemon, program);
        if (!error)
                error = set_text(h, KERN_PARAM_TRACEPOINT, h->tracepoint, sizeof(h->tracepoint),
                                 a->tracepoint);
        if (!error)
                error = set_text(h, KERN_PARAM_FUNCTION, h->function, sizeof(h->function),
                                 a->function);
        if (!error)
                error = set_functions(op);
        if (!error)
                set_target_program(op, program);
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

/* The symbol */

static int fill_resolve(sd_bus_message *m, void *userdata)
{
        const AttachOp *op = ((Request *)userdata)->op;

        return sd_bus_message_append(m, WORKER_RESOLVE_IN, op->target_fd, op->hook.function);
}

static void on_resolved(sd_bus_message *reply, GError *error, void *userdata)
{
        Request *request = userdata;
        AttachOp *op = request->op;
        uint64_t offset;

        if (!error && sd_bus_message_read_basic(reply, 't', &offset) < 0)
                error = error_new(WORKER_FAILED, "The worker's answer makes no sense.");
        else if (!error && __builtin_add_overflow(offset, op->hook.offset, &op->probe.offset))
                error = error_new(INVALID_ARGUMENT,
                                  "Offset %" G_GUINT64_FORMAT " lies outside of the "
                                  "target.",
                                  op->hook.offset);
        if (error) {
                request_fail(request, error);
                return;
        }
        op->probe.function[0] = '\0';
        op->probe.given &= ~KERN_PARAM_BIT(KERN_PARAM_FUNCTION);
        op->probe.given |= KERN_PARAM_BIT(KERN_PARAM_OFFSET);
        op->next(request);
}

void attach_hook_resolve(Request *request, void (*next)(Request *request))
{
        AttachOp *op = request->op;

        op->probe = op->hook;
        op->next = next;
        if (op->target_fd < 0 || op->hook.function[0] == '\0') {
                next(request);
                return;
        }
        worker_pool_call(request->daemon->workers, WORKER_ROLE_INSPECT, request->uid, "Resolve",
                         RESOLVE_TIMEOUT_SEC, fill_resolve, on_resolved, request,
                         request->cancellable);
}
