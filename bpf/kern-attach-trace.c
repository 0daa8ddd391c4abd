/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/syscall.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "kern-attach-internal.h"

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

/* tp_btf, fentry, fexit, lsm: where the program goes was settled when it was loaded. */
int kern_attach_btf(int prog_fd, const KernHook *hook, KernAttachment *attachment, KernDiag *diag)
{
        const KernType *type = hook->type;
        bool raw = type->attach_type == BPF_TRACE_RAW_TP;
        const char *where = raw ? hook->tracepoint : hook->function;
        int fd;

        /* Elsewise the kernel attaches it all the same, and never asks it: no error, no protection. */
        if (type->attach_type == BPF_LSM_MAC && kern_lsm_active() == 0)
                return kern_fail(
                        diag, -EOPNOTSUPP, KERN_ERROR_NOT_SUPPORTED,
                        "BPF is not among this kernel's active LSMs, so that the program would "
                        "never be asked; add \"bpf\" to lsm= on the kernel's command line");

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
