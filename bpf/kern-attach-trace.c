/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/syscall.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "kern-attach-internal.h"
#include "kern-info.h"

/* The attach cookie of raw tracepoints came with Linux 6.10; older kernels refuse what they don't know. */
static int cookie_too_new(KernDiag *diag)
{
        return kern_fail(
                diag, -EOPNOTSUPP, KERN_ERROR_NOT_SUPPORTED,
                "This kernel has no cookies for raw tracepoints (they came with Linux 6.10)");
}

int kern_attach_raw_tracepoint(int prog_fd, const KernHook *hook, KernAttachment *attachment,
                               KernDiag *diag)
{
        LIBBPF_OPTS(bpf_raw_tp_opts, opts, .tp_name = hook->tracepoint, .cookie = hook->cookie);
        int fd = bpf_raw_tracepoint_open_opts(prog_fd, &opts);

        if (fd >= 0)
                return kern_attachment_add(attachment, fd, diag);

        fd = -errno;
        switch (-fd) {
        case ENOENT:
                return kern_fail(
                        diag, fd, KERN_ERROR_NO_SUCH_TRACEPOINT,
                        "The kernel has no tracepoint \"%s\"; for raw tracepoints it is given "
                        "without its group, such as sched_switch",
                        hook->tracepoint);
        case E2BIG:
                return cookie_too_new(diag);
        case EINVAL:
                return kern_fail(diag, fd, KERN_ERROR_TYPE_MISMATCH,
                                 "The program reads more arguments than tracepoint %s has",
                                 hook->tracepoint);
        default:
                return kern_fail(diag, fd, KERN_ERROR_FAILED,
                                 "Can't attach the program to tracepoint %s: %s", hook->tracepoint,
                                 strerror(-fd));
        }
}

static int lsm_list(uint64_t *ids, uint32_t *size)
{
#ifdef SYS_lsm_list_modules
        const long number = SYS_lsm_list_modules;
#else
        const long number = 461; /* on every architecture that has it */
#endif

        return (int)syscall(number, ids, size, 0);
}

int kern_lsm_active(void)
{
        const uint64_t bpf = 110; /* LSM_ID_BPF */
        uint64_t ids[64];
        uint32_t size = sizeof(ids);
        char list[1024];
        KERN_AUTO_CLOSE int fd = -1;
        ssize_t n;
        int r;

        r = lsm_list(ids, &size);
        for (int i = 0; i < r && i < (int)KERN_ELEMENTSOF(ids); i++)
                if (ids[i] == bpf)
                        return 1;
        if (r >= 0)
                return 0;

        fd = open("/sys/kernel/security/lsm", O_RDONLY | O_CLOEXEC);
        if (fd < 0)
                return -errno;
        n = read(fd, list, sizeof(list) - 1);
        if (n < 0)
                return -errno;
        list[n] = '\0';
        for (char *save = NULL, *s = strtok_r(list, ",\n", &save); s;
             s = strtok_r(NULL, ",\n", &save))
                if (strcmp(s, "bpf") == 0)
                        return 1;
        return 0;
}

/* What a program was loaded for, as the kernel has it. */
typedef struct Target {
        char module[64]; /* whose BTF it is in; "vmlinux" for what is in no module */
        char name[256];
        bool is_function; /* a tracepoint's is the name of a type */
} Target;

/* What the BTF of that id is called. */
static int read_btf_name(uint32_t id, char *ret, size_t size)
{
        struct bpf_btf_info info = {.name = kern_pointer(ret), .name_len = (uint32_t)size};
        KERN_AUTO_CLOSE int fd = bpf_btf_get_fd_by_id(id);
        uint32_t len = sizeof(info);

        if (fd < 0 || bpf_btf_get_info_by_fd(fd, &info, &len) < 0)
                return -errno;
        /* A program may attach to another program as well; whoever wrote that chose its names. */
        return info.kernel_btf ? 0 : -EINVAL;
}

static int read_target(uint32_t btf_id, uint32_t type_id, Target *ret)
{
        KERN_AUTO_BTF struct btf *base = NULL, *btf = NULL;
        const struct btf_type *type;
        const char *name = NULL;
        int r;

        r = read_btf_name(btf_id, ret->module, sizeof(ret->module));
        if (r < 0)
                return r;
        if (strcmp(ret->module, "vmlinux") != 0) {
                base = btf__load_vmlinux_btf();
                if (!base)
                        return -errno;
        }
        btf = btf__load_from_kernel_by_id_split(btf_id, base);
        if (!btf)
                return -errno;
        type = btf__type_by_id(btf, type_id);
        if (type)
                name = btf__name_by_offset(btf, type->name_off);
        if (!name || strlen(name) >= sizeof(ret->name))
                return -EINVAL;
        memcpy(ret->name, name, strlen(name) + 1);
        ret->is_function = btf_is_func(type);
        return 0;
}

/* @name without @prefix; NULL if it has another. */
static const char *skip_prefix(const char *name, const char *prefix)
{
        size_t n = strlen(prefix);

        return strncmp(name, prefix, n) == 0 ? name + n : NULL;
}

/* How types that are one to BPF_PROG_LOAD name their targets. */
static const char *target_prefix(const KernType *type)
{
        return type->attach_type == BPF_TRACE_RAW_TP  ? "btf_trace_"
               : type->attach_type == BPF_TRACE_ITER  ? "bpf_iter_"
               : type->prog_type == BPF_PROG_TYPE_LSM ? "bpf_lsm_"
                                                      : "";
}

/* Whether @where is the target's name: "NAME", or "MODULE:NAME" as libbpf takes it in a section. */
static bool is_target(const Target *target, const KernType *type, const char *where)
{
        const char *name = skip_prefix(target->name, target_prefix(type));
        const char *colon = strchr(where, ':');

        if (!name || target->is_function == (type->attach_type == BPF_TRACE_RAW_TP))
                return false;
        if (!colon)
                return strcmp(where, name) == 0;
        return strlen(target->module) == (size_t)(colon - where) &&
               strncmp(where, target->module, (size_t)(colon - where)) == 0 &&
               strcmp(colon + 1, name) == 0;
}

/*
 * Where the program goes was settled when it was loaded, by a process that had parsed a caller's
 * file. What the hook says is what somebody allowed, so it must be what the kernel has.
 */
static int check_target(int prog_fd, const KernHook *hook, const char *where, KernDiag *diag)
{
        KernProgramInfo info;
        Target target;
        const char *name;
        int r;

        r = kern_program_info(prog_fd, &info);
        if (r >= 0 && info.attach_btf_id == 0)
                return kern_fail(diag, -EINVAL, KERN_ERROR_TYPE_MISMATCH,
                                 "The program is no %s program: it was loaded for nothing that "
                                 "BTF describes",
                                 hook->type->name);
        if (r >= 0)
                r = read_target(info.attach_btf_obj_id, info.attach_btf_id, &target);
        if (r < 0)
                return kern_fail(diag, r, KERN_ERROR_FAILED,
                                 "Can't find out what the program was loaded for: %s",
                                 strerror(-r));
        if (is_target(&target, hook->type, where))
                return 0;

        name = target.is_function ? NULL : skip_prefix(target.name, "btf_trace_");
        return kern_fail(diag, -EINVAL, KERN_ERROR_INVALID_ARGUMENT,
                         "The program was loaded for %s %s, not for %s",
                         name ? "tracepoint" : "function", name ? name : target.name, where);
}

/* The kernel passes over what the kind of iterator doesn't look at. */
static int iter_objects(const KernHook *hook, union bpf_iter_link_info *ret, KernDiag *diag)
{
        bool task = strcmp(hook->function, "task") == 0 ||
                    strncmp(hook->function, "task_", strlen("task_")) == 0;
        bool cgroup = strcmp(hook->function, "cgroup") == 0;
        bool map = strcmp(hook->function, "bpf_map_elem") == 0 ||
                   strcmp(hook->function, "bpf_sk_storage_map") == 0 ||
                   strcmp(hook->function, "sockmap") == 0;

        memset(ret, 0, sizeof(*ret));
        if ((hook->given & KERN_PARAM_BIT(KERN_PARAM_PID)) && !task)
                return kern_fail(diag, -EINVAL, KERN_ERROR_INVALID_ARGUMENT,
                                 "An iterator of %s takes no pid; those of task, task_file and "
                                 "task_vma do",
                                 hook->function);
        if ((hook->given & KERN_PARAM_BIT(KERN_PARAM_CGROUP)) && !cgroup)
                return kern_fail(diag, -EINVAL, KERN_ERROR_INVALID_ARGUMENT,
                                 "An iterator of %s takes no cgroup; that of cgroup does",
                                 hook->function);
        if ((hook->given & KERN_PARAM_BIT(KERN_PARAM_TARGET_MAP)) && !map)
                return kern_fail(diag, -EINVAL, KERN_ERROR_INVALID_ARGUMENT,
                                 "An iterator of %s takes no map; those of bpf_map_elem, "
                                 "bpf_sk_storage_map and sockmap do",
                                 hook->function);
        if (map && hook->map_fd < 0)
                return kern_fail(diag, -EINVAL, KERN_ERROR_MISSING_PARAMETER,
                                 "An iterator of %s must be told a map", hook->function);
        if (map)
                ret->map.map_fd = (uint32_t)hook->map_fd;
        if (hook->given & KERN_PARAM_BIT(KERN_PARAM_PID))
                ret->task.pid = (uint32_t)hook->pid;
        if (cgroup) {
                ret->cgroup.order = BPF_CGROUP_ITER_DESCENDANTS_PRE;
                if (hook->given & KERN_PARAM_BIT(KERN_PARAM_CGROUP))
                        ret->cgroup.cgroup_fd = (uint32_t)hook->cgroup_fd;
        }
        return 0;
}

int kern_attach_iter(int prog_fd, const KernHook *hook, KernAttachment *attachment, KernDiag *diag)
{
        union bpf_iter_link_info info;
        LIBBPF_OPTS(bpf_link_create_opts, opts, .iter_info = &info, .iter_info_len = sizeof(info));
        int fd = check_target(prog_fd, hook, hook->function, diag);

        if (fd >= 0)
                fd = iter_objects(hook, &info, diag);
        if (fd < 0)
                return fd;
        fd = bpf_link_create(prog_fd, 0, BPF_TRACE_ITER, &opts);
        if (fd >= 0)
                return kern_attachment_add(attachment, fd, diag);

        fd = -errno;
        switch (-fd) {
        case E2BIG:
                return kern_fail(diag, -EOPNOTSUPP, KERN_ERROR_NOT_SUPPORTED,
                                 "This kernel can't limit iterators of %s; that came with Linux "
                                 "6.1",
                                 hook->function);
        case EINVAL:
        case EACCES:
                return kern_fail(diag, fd, KERN_ERROR_MAP_MISMATCH,
                                 "The kernel refuses to iterate over %s as the program does (%s): "
                                 "the map has other keys or values, or is of a type without such "
                                 "an iterator",
                                 hook->function, strerror(-fd));
        default:
                return kern_fail(diag, fd, KERN_ERROR_FAILED,
                                 "Can't attach the program as an iterator of %s: %s",
                                 hook->function, strerror(-fd));
        }
}

int kern_iterator_open(int link_fd)
{
        int fd = bpf_iter_create(link_fd);

        return fd < 0 ? -errno : fd;
}

int kern_check_lsm(int prog_fd, const KernHook *hook, KernDiag *diag)
{
        int r = check_target(prog_fd, hook, hook->function, diag);

        /* Elsewise the kernel attaches it all the same, and never asks it: no error, no protection. */
        if (r >= 0 && kern_lsm_active() == 0)
                r = kern_fail(
                        diag, -EOPNOTSUPP, KERN_ERROR_NOT_SUPPORTED,
                        "BPF is not among this kernel's active LSMs, so that the program would "
                        "never be asked; add \"bpf\" to lsm= on the kernel's command line");
        return r;
}

/* tp_btf, fentry, fexit, fmod_ret, lsm */
int kern_attach_btf(int prog_fd, const KernHook *hook, KernAttachment *attachment, KernDiag *diag)
{
        const KernType *type = hook->type;
        bool raw = type->attach_type == BPF_TRACE_RAW_TP;
        const char *where = raw ? hook->tracepoint : hook->function;
        int fd;

        fd = type->prog_type == BPF_PROG_TYPE_LSM ? kern_check_lsm(prog_fd, hook, diag)
                                                  : check_target(prog_fd, hook, where, diag);
        if (fd < 0)
                return fd;

        if (raw) {
                LIBBPF_OPTS(bpf_raw_tp_opts, opts, .cookie = hook->cookie);

                fd = bpf_raw_tracepoint_open_opts(prog_fd, &opts);
        } else {
                LIBBPF_OPTS(bpf_link_create_opts, opts, .tracing.cookie = hook->cookie);

                fd = bpf_link_create(prog_fd, 0, (enum bpf_attach_type)type->attach_type, &opts);
        }
        if (fd >= 0)
                return kern_attachment_add(attachment, fd, diag);

        fd = -errno;
        switch (-fd) {
        case EPERM:
        case 524: /* ENOTSUPP, which has no name outside of the kernel */
        case EOPNOTSUPP:
                return kern_fail(diag, -EOPNOTSUPP, KERN_ERROR_NOT_SUPPORTED,
                                 "This kernel doesn't attach %s programs (%s)%s%s", type->name,
                                 strerror(-fd), type->needs ? "; they need " : "",
                                 type->needs ? type->needs : "");
        case ENOENT:
                return kern_fail(diag, fd,
                                 raw ? KERN_ERROR_NO_SUCH_TRACEPOINT : KERN_ERROR_NO_SUCH_FUNCTION,
                                 "The kernel no longer has %s, which the program was loaded for",
                                 where);
        case EBUSY:
                return kern_fail(
                        diag, fd, KERN_ERROR_HOOK_BUSY,
                        "Something else modifies %s already (ftrace, a kprobe or a live patch)",
                        where);
        case E2BIG:
                if (raw)
                        return cookie_too_new(diag);
                return kern_fail(diag, fd, KERN_ERROR_LIMIT_EXCEEDED,
                                 "%s has as many programs as the kernel takes", where);
        case EINVAL:
                return kern_fail(
                        diag, fd, KERN_ERROR_TYPE_MISMATCH,
                        "The kernel refuses the program as %s program: it was loaded as another "
                        "type",
                        type->name);
        default:
                return kern_fail(diag, fd, KERN_ERROR_FAILED, "Can't attach the program to %s: %s",
                                 where, strerror(-fd));
        }
}
