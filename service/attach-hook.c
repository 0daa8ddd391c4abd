/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* From the options of an Attach() to a hook. */

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

#include "attach-op.h"
#include "descriptor.h"
#include "errors.h"
#include "kern-cgroup.h"
#include "kern-usdt.h"

void attach_op_init(AttachOp *op, BusAttachArgs *args)
{
        op->args = args;
        op->program_fd = op->map_fd = op->pid_fd = -1;
        for (int i = 0; i < _KERN_PARAM_MAX; i++)
                op->files[i] = -1;
}

AttachOp *attach_op_new(BusAttachArgs *args)
{
        AttachOp *op = g_new0(AttachOp, 1);

        attach_op_init(op, args);
        return op;
}

void attach_op_done(AttachOp *op)
{
        bus_attach_args_free(op->args);
        for (int i = 0; i < _KERN_PARAM_MAX; i++) {
                if (op->files[i] >= 0)
                        close(op->files[i]);
                g_free(op->lists[i]);
                g_free(op->texts[i]);
        }
        if (op->program_fd >= 0)
                close(op->program_fd);
        if (op->map_fd >= 0)
                close(op->map_fd);
        if (op->pid_fd >= 0)
                close(op->pid_fd);
        g_clear_pointer(&op->offsets, g_array_unref);
        g_clear_pointer(&op->cookies, g_array_unref);
        g_clear_pointer(&op->usdt_sites, g_array_unref);
        g_clear_pointer(&op->usdt_specs, g_array_unref);
        link_free(op->link);
        sharing_release_specs(op->specs);
        g_clear_pointer(&op->followers, g_array_unref);
        g_clear_pointer(&op->fellows, g_array_unref);
        sharing_leave(op->turn);
}

typedef GError *(*SetParam)(AttachOp *op, uid_t uid, KernParam param, const BusValue *value);

void attach_hook_set_given(AttachOp *op, KernParam param)
{
        op->hook.given |= KERN_PARAM_BIT(param);
}

void attach_hook_use_file(AttachOp *op, KernParam param, int fd, char *text)
{
        op->files[param] = fd;
        *(int *)kern_hook_member(&op->hook, param) = fd;
        g_free(op->texts[param]);
        op->texts[param] = text;
        attach_hook_set_given(op, param);
}

static GError *use_target(AttachOp *op, int fd)
{
        GError *error = NULL;

        if (fd < 0)
                return error_from_errno(-errno, "keep the target's descriptor");
        if (!descriptor_is_readable(fd))
                error = error_new(NO_SUCH_TARGET,
                                  "The target's descriptor isn't open for reading; a probe goes "
                                  "only into what its user can read.");
        else if (!descriptor_is_regular(fd))
                error = error_new(NO_SUCH_TARGET,
                                  "The target is no regular file; it must be a binary or "
                                  "a library.");
        if (error)
                close(fd);
        else
                attach_hook_use_file(op, KERN_PARAM_TARGET, fd, descriptor_path(fd));
        return error;
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

static GError *set_target(AttachOp *op, uid_t uid, KernParam param, const BusValue *value)
{
        (void)param;
        return g_str_equal(value->type, "h") ? use_target(op, fcntl(value->h, F_DUPFD_CLOEXEC, 3))
                                             : open_target(op, uid, value->s);
}

static GError *set_cgroup(AttachOp *op, uid_t uid, KernParam param, const BusValue *value)
{
        bool by_path = g_str_equal(value->type, "s");
        int fd = by_path ? descriptor_open_cgroup(value->s) : fcntl(value->h, F_DUPFD_CLOEXEC, 3);

        (void)uid;
        if (fd < 0)
                return error_new(NO_SUCH_CGROUP,
                                 "There is no cgroup '%s'; give its directory below %s, or a "
                                 "descriptor of it.",
                                 by_path ? value->s : "", DESCRIPTOR_CGROUP_ROOT);
        if (!descriptor_is_cgroup(fd, &op->cgroup_id)) {
                close(fd);
                return by_path ? error_new(NO_SUCH_CGROUP,
                                           "'%s' is no directory of a cgroup version 2 hierarchy.",
                                           value->s)
                               : error_new(NO_SUCH_CGROUP,
                                           "The cgroup's descriptor is of no directory of a cgroup "
                                           "version 2 hierarchy; these are below %s.",
                                           DESCRIPTOR_CGROUP_ROOT);
        }
        attach_hook_use_file(op, param, fd, descriptor_path(fd));
        return NULL;
}

/* What a cgroup holds without a link is found again by the cgroup's path. */
static GError *check_cgroup(const AttachOp *op)
{
        const char *text = op->texts[KERN_PARAM_CGROUP];
        uint64_t id = 0;
        bool found;
        int fd;

        if (!kern_cgroup_holds(&op->hook))
                return NULL;
        fd = descriptor_open_cgroup(text);
        found = fd >= 0 && descriptor_is_cgroup(fd, &id) && id == op->cgroup_id;
        descriptor_close(fd);
        if (found)
                return NULL;
        return error_new(INVALID_ARGUMENT,
                         "The cgroup %s has no path below %s by which the service can find the "
                         "program again; with attach_flags '%s' it needs one, with '%s' not.",
                         text, DESCRIPTOR_CGROUP_ROOT,
                         kern_attach_flags_to_string(op->hook.attach_flags),
                         kern_attach_flags_to_string(KERN_ATTACH_FLAGS_MULTI));
}

/* By its number it may be another one by the time that the program is attached, by a descriptor not. */
static GError *set_process(AttachOp *op, uid_t uid, KernParam param, const BusValue *value)
{
        KernHook *h = &op->hook;
        pid_t pid;
        int r;

        (void)uid;
        if (g_str_equal(value->type, "i")) {
                h->pid = value->i;
                attach_hook_set_given(op, param);
                return NULL;
        }
        r = descriptor_process(value->h, &pid);
        if (r == -ESRCH)
                return error_new(NO_SUCH_PROCESS, "The process of option '%s' has ended.",
                                 kern_params[param].name);
        if (r == -EXDEV)
                return error_new(NO_SUCH_PROCESS,
                                 "The process of option '%s' is in a pid namespace that the "
                                 "service doesn't see.",
                                 kern_params[param].name);
        if (r < 0)
                return error_new(INVALID_ARGUMENT,
                                 "The descriptor of option '%s' is no pidfd; see pidfd_open(2).",
                                 kern_params[param].name);
        op->pid_fd = fcntl(value->h, F_DUPFD_CLOEXEC, 3);
        if (op->pid_fd < 0)
                return error_from_errno(-errno, "keep the process's descriptor");
        h->pid = pid;
        h->pid_fd = op->pid_fd;
        attach_hook_set_given(op, param);
        return NULL;
}

/* What the service itself has to look at. */
static const SetParam looked_at[_KERN_PARAM_MAX] = {
        [KERN_PARAM_INTERFACE] = attach_hook_set_interface,
        [KERN_PARAM_TARGET] = set_target,
        [KERN_PARAM_CGROUP] = set_cgroup,
        [KERN_PARAM_NETNS] = attach_hook_set_netns,
        [KERN_PARAM_PID] = set_process,
        [KERN_PARAM_DEVICE] = attach_hook_set_device,
        [KERN_PARAM_SOCKET] = attach_hook_set_socket,
};

static GError *set_words(AttachOp *op, KernParam param, const char *const *given)
{
        const char *const *all = kern_type_words(op->hook.type, param);
        const KernParamInfo *p = &kern_params[param];
        uint64_t bits = 0;

        for (; *given; given++) {
                int place = kern_word_find(all, *given);
                char words[256];

                if (place < 0) {
                        kern_words_list(all, "'", words, sizeof(words));
                        return error_new(INVALID_ARGUMENT, "Option '%s' has '%s'; it can have %s.",
                                         p->name, *given, words);
                }
                bits |= p->kind == KERN_KIND_WORDS ? UINT64_C(1) << place : (uint64_t)place;
        }
        (void)kern_hook_set_number(&op->hook, param, bits);
        return NULL;
}

static GError *set_texts(AttachOp *op, KernParam param, char **texts)
{
        for (char **t = texts; *t; t++)
                if (**t == '\0' || strchr(*t, ','))
                        return error_new(INVALID_ARGUMENT,
                                         "Option '%s' has '%s'; it takes texts that are not empty "
                                         "and have no comma.",
                                         kern_params[param].name, *t);
        op->lists[param] = g_strjoinv(",", texts);
        *(const char **)kern_hook_member(&op->hook, param) = op->lists[param];
        return NULL;
}

static GError *set_object(KernHook *h, KernParam param, const BusValue *value)
{
        bool map = kern_params[param].kind == KERN_KIND_MAP;

        if (value->kind != (map ? BUS_MAP : BUS_PROGRAM))
                return error_new(NO_SUCH_OBJECT, "Option '%s' isn't the path of a %s.",
                                 kern_params[param].name, map ? "map" : "program");
        (void)kern_hook_set_number(h, param, value->u);
        return NULL;
}

GError *attach_hook_set(AttachOp *op, uid_t uid, KernParam param, const BusValue *value)
{
        const KernParamInfo *p = &kern_params[param];
        KernHook *h = &op->hook;
        GError *error = NULL;

        /* Nothing was said, by who fills in a form. */
        if ((g_str_equal(value->type, "s") && *value->s == '\0') ||
            (p->kind == KERN_KIND_INTERFACE && g_str_equal(value->type, "u") && value->u == 0))
                return NULL;
        if (looked_at[param])
                return looked_at[param](op, uid, param, value);
        switch (p->kind) {
        case KERN_KIND_PROGRAM:
        case KERN_KIND_MAP:
                error = set_object(h, param, value);
                break;
        case KERN_KIND_U32:
                (void)kern_hook_set_number(h, param, value->u);
                break;
        case KERN_KIND_U64:
                (void)kern_hook_set_number(h, param, value->t);
                break;
        case KERN_KIND_I32:
                (void)kern_hook_set_number(h, param, (uint64_t)(int64_t)value->i);
                break;
        case KERN_KIND_TEXT:
                if (!kern_hook_set_text(h, param, value->s))
                        error = error_new(INVALID_ARGUMENT, "Option '%s' has more than %zu bytes.",
                                          p->name, p->size - 1);
                break;
        case KERN_KIND_WORD:
                error = set_words(op, param, (const char *const[]){value->s, NULL});
                break;
        case KERN_KIND_WORDS:
                error = set_words(op, param, (const char *const *)value->strings);
                break;
        case KERN_KIND_TEXTS:
                error = set_texts(op, param, value->strings);
                break;
        case KERN_KIND_NUMBERS:
                *(KernNumbers *)kern_hook_member(h, param) =
                        (KernNumbers){(const uint64_t *)(const void *)value->numbers->data,
                                      value->numbers->len};
                break;
        case KERN_KIND_INTERFACE:
        case KERN_KIND_FILE:
        case KERN_KIND_PROCESS:
                g_assert_not_reached();
        }
        if (!error)
                attach_hook_set_given(op, param);
        return error;
}

/* What GetHook() was given is one place: NULL, or what is wrong. */
static GError *check_place(const AttachOp *op)
{
        const KernHook *h = &op->hook;
        const bool netns = op->args->values[KERN_PARAM_NETNS].type;
        const bool netfilter =
                h->given & (KERN_PARAM_BIT(KERN_PARAM_FAMILY) | KERN_PARAM_BIT(KERN_PARAM_HOOK));
        const int n = (h->ifindex != 0) + (h->cgroup_fd >= 0) + (h->device_fd >= 0) + netfilter;
        char names[256];

        if (n > 1 || (netns && (h->cgroup_fd >= 0 || h->device_fd >= 0)))
                return error_new(INVALID_ARGUMENT,
                                 "Give one place: an interface, a cgroup, a device, or family and "
                                 "hook of netfilter's; netns goes with interface or family, or "
                                 "alone.");
        if (n == 0 && !netns)
                return error_new(MISSING_PARAMETER,
                                 "Give an interface, a cgroup, a device, a network namespace, or a "
                                 "family whose hooks of netfilter's are meant.");
        if (netfilter && h->family == KERN_FAMILY_NONE)
                return error_new(MISSING_PARAMETER,
                                 "Hook '%s' of netfilter's takes a family: 'ipv4' or 'ipv6'.",
                                 h->name);
        if (!*h->name || kern_type_find_hook(h->type, h->name))
                return NULL;
        kern_type_list_hooks(h->type, names, sizeof(names));
        return error_new(INVALID_ARGUMENT, "netfilter has no hook '%s'; there are %s.", h->name,
                         names);
}

GError *attach_hook_set_place(AttachOp *op, uid_t uid)
{
        const uint64_t places = KERN_PARAM_BIT(KERN_PARAM_INTERFACE) |
                                KERN_PARAM_BIT(KERN_PARAM_CGROUP) |
                                KERN_PARAM_BIT(KERN_PARAM_DEVICE) |
                                KERN_PARAM_BIT(KERN_PARAM_FAMILY) | KERN_PARAM_BIT(KERN_PARAM_HOOK);
        const BusValue *values = op->args->values;
        GError *error = NULL;

        op->hook = KERN_HOOK_INIT;
        op->netns = NETNS_INIT;
        if (values[KERN_PARAM_FAMILY].type || values[KERN_PARAM_HOOK].type)
                op->hook.type = kern_type_find("netfilter");
        if (values[KERN_PARAM_NETNS].type)
                error = attach_hook_set(op, uid, KERN_PARAM_NETNS, &values[KERN_PARAM_NETNS]);
        for (size_t i = 0; !error && i < op->args->n; i++) {
                if (!values[i].type || i == KERN_PARAM_NETNS)
                        continue;
                if (places & KERN_PARAM_BIT(i))
                        error = attach_hook_set(op, uid, (KernParam)i, &values[i]);
                else
                        error = error_new(INVALID_ARGUMENT,
                                          "Option '%s' names no hook; give interface, cgroup, "
                                          "device, netns, or family.",
                                          kern_params[i].name);
        }
        return error ?: check_place(op);
}

/* How an XDP program gets along with others, unless something else is said: as its object says. */
static void set_company(AttachOp *op, Daemon *daemon, const Program *program)
{
        KernHook *h = &op->hook;

        if (!kern_type_is_xdp(h->type))
                return;
        h->priority = program->xdp_priority;
        h->proceed_on = program->xdp_proceed_on;
        h->xdp_frags = g_str_equal(program->pub.section, "xdp.frags");
        h->xdp_shares = daemon_has_feature(daemon, "freplace");
}

/* What a freplace program was loaded for is where it goes, unless something else is said. */
static void set_target_program(AttachOp *op, const Program *program)
{
        KernHook *h = &op->hook;

        if (h->target_program_id == 0)
                h->target_program_id = program->target_id;
        if (h->target_program_id == 0)
                return;
        attach_hook_set_given(op, KERN_PARAM_TARGET_PROGRAM);
        if (!(h->given & KERN_PARAM_BIT(KERN_PARAM_FUNCTION)) && program->target_function &&
            *program->target_function) {
                g_strlcpy(h->function, program->target_function, sizeof(h->function));
                attach_hook_set_given(op, KERN_PARAM_FUNCTION);
        }
}

/* A struct_ops is its map, with the programs that came with it: the only one, unless one is named. */
GError *attach_hook_set_struct_ops(AttachOp *op, const Program *program)
{
        KernHook *h = &op->hook;
        const Map *found = NULL;
        unsigned n = 0;

        if (h->type->prog_type != BPF_PROG_TYPE_STRUCT_OPS)
                return NULL;
        for (guint i = 0; i < program->load->maps->len; i++) {
                const Map *map = g_ptr_array_index(program->load->maps, i);

                if (!g_str_equal(map->pub.type, "struct_ops") ||
                    (h->map_id != 0 && map->pub.id != h->map_id))
                        continue;
                found = map;
                n++;
        }
        if (h->map_id != 0 && n == 0)
                return error_new(MAP_MISMATCH,
                                 "Map %u is no struct_ops that program %u was loaded with.",
                                 h->map_id, program->pub.id);
        if (n > 1)
                return error_new(MISSING_PARAMETER,
                                 "Program %u was loaded with %u maps of type struct_ops; say by "
                                 "option 'target_map' which of them is to be attached.",
                                 program->pub.id, n);
        if (found) {
                h->map_id = found->pub.id;
                attach_hook_set_given(op, KERN_PARAM_TARGET_MAP);
        }
        return NULL;
}

/* Of its own object, or one of another's that it was given in place of that. */
GError *attach_hook_set_specs(AttachOp *op, Daemon *daemon, const Program *program)
{
        const GPtrArray *own = program->load->maps;

        if (!g_str_equal(op->hook.type->name, "usdt"))
                return NULL;
        for (guint i = 0; i < own->len; i++) {
                const Map *map = g_ptr_array_index(own, i);

                if (g_str_equal(map->pub.name, KERN_USDT_SPECS_MAP))
                        op->specs_map = map->pub.id;
        }
        for (guint i = 0; i < program->pub.maps->len; i++) {
                uint32_t id = g_array_index(program->pub.maps, uint32_t, i);
                const Map *map = registry_map(daemon->registry, id);

                if (map && g_str_equal(map->pub.name, KERN_USDT_SPECS_MAP))
                        op->specs_map = id;
        }
        if (op->specs_map != 0)
                return NULL;
        return error_new(MAP_MISMATCH,
                         "Program %u has no map " KERN_USDT_SPECS_MAP
                         ", from which it learns where a probe's arguments are; a usdt program "
                         "includes libbpf's <bpf/usdt.bpf.h>.",
                         program->pub.id);
}

void attach_hook_take_specs(AttachOp *op, Daemon *daemon, LinkSpecs *ret)
{
        const guint n = op->usdt_specs->len / KERN_USDT_SPEC_NUMBERS;

        op->specs = sharing_find_specs(registry_sharing(daemon->registry), op->specs_map, n, ret);
        op->probe.usdt_first = ret->first;
}

bool attach_hook_open_map(AttachOp *op, Daemon *daemon)
{
        const Map *map = registry_any_map(daemon->registry, op->hook.map_id ?: op->specs_map);

        if (map)
                op->map_fd = map_open(daemon, map, KERN_ACCESS_READ_WRITE);
        return op->map_fd >= 0;
}

static GError *complete(AttachOp *op, uid_t uid, const Program *program)
{
        char target[PATH_MAX] = "";
        KernHook *h = &op->hook;
        KernDiag diag = {0};
        GError *error = NULL;
        int r;

        r = kern_hook_complete(h, program->pub.section, target, sizeof(target), &diag);
        if (r >= 0 && *target && op->files[KERN_PARAM_TARGET] < 0 &&
            kern_type_takes(h->type, KERN_PARAM_BIT(KERN_PARAM_TARGET)))
                error = open_target(op, uid, target);
        if (r >= 0 && !error)
                r = kern_hook_check(h, &diag);
        if (r < 0 && !error)
                error = error_from_diag(&diag, r);
        kern_diag_clear(&diag);
        /* The section, which they may be from, is the program's, and that may go meanwhile. */
        if (h->functions && h->functions != op->lists[KERN_PARAM_FUNCTIONS]) {
                g_free(op->lists[KERN_PARAM_FUNCTIONS]);
                op->lists[KERN_PARAM_FUNCTIONS] = g_strdup(h->functions);
                h->functions = op->lists[KERN_PARAM_FUNCTIONS];
        }
        return error;
}

GError *attach_hook_make(AttachOp *op, Daemon *daemon, uid_t uid, const Program *program)
{
        const BusAttachArgs *args = op->args;
        GError *error = NULL;

        op->hook = KERN_HOOK_INIT;
        op->hook.type = program->type;
        op->netns = NETNS_INIT;
        set_company(op, daemon, program);
        /* An interface means what it is in the namespace, which is therefore the first to be read. */
        if (args->values[KERN_PARAM_NETNS].type)
                error = attach_hook_set(op, uid, KERN_PARAM_NETNS, &args->values[KERN_PARAM_NETNS]);
        for (size_t i = 0; !error && i < args->n; i++)
                if (args->values[i].type && i != KERN_PARAM_NETNS)
                        error = attach_hook_set(op, uid, (KernParam)i, &args->values[i]);
        if (error)
                return error;
        set_target_program(op, program);
        error = attach_hook_set_struct_ops(op, program);
        if (!error)
                error = attach_hook_set_specs(op, daemon, program);
        if (!error)
                error = complete(op, uid, program);
        if (!error)
                error = check_cgroup(op);
        return error ?: attach_hook_check_netns(op);
}
