/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <string.h>

#include <bpf/bpf.h>

#include "kern-attach-internal.h"
#include "kern-compat.h"

/*
 * uprobe_multi and uretprobe_multi: one link for many places in one file. The kernel takes them as
 * offsets; names and patterns are best found by who has no privilege, see kern_symbols_resolve().
 */

static void places_done(KernUprobes *places)
{
        free(places->offsets);
        free(places->cookies);
}

static uint64_t cookie_of(const KernHook *hook, size_t wish)
{
        return wish < hook->cookies.n ? hook->cookies.list[wish] : hook->cookie;
}

static int make_room(KernUprobes *places, size_t n, KernDiag *diag)
{
        places->offsets = calloc(n + 1, sizeof(*places->offsets));
        places->cookies = calloc(n + 1, sizeof(*places->cookies));
        places->n = n;
        return places->offsets && places->cookies
                       ? 0
                       : kern_fail(diag, -ENOMEM, KERN_ERROR_LIMIT_EXCEEDED, "Out of memory");
}

static int resolve(const KernHook *hook, KernUprobes *ret, KernDiag *diag)
{
        __attribute__((cleanup(kern_places_done))) KernPlaces found = {0};
        int r;

        if (hook->given & KERN_PARAM_BIT(KERN_PARAM_FUNCTIONS)) {
                r = kern_symbols_resolve(hook->target_fd, hook->functions, &found, diag);
                if (r >= 0)
                        r = make_room(ret, found.n, diag);
                for (size_t i = 0; r >= 0 && i < found.n; i++) {
                        ret->offsets[i] = found.list[i].offset;
                        ret->cookies[i] = cookie_of(hook, found.list[i].wish);
                }
                return r;
        }
        r = make_room(ret, hook->offsets.n, diag);
        for (size_t i = 0; r >= 0 && i < hook->offsets.n; i++) {
                ret->offsets[i] = hook->offsets.list[i];
                ret->cookies[i] = cookie_of(hook, i);
        }
        return r;
}

/* No place at all is refused where the kernel knows the kind of link, and the kind where it doesn't. */
int kern_probe_uprobe_multi(int prog_fd)
{
        LIBBPF_OPTS(bpf_link_create_opts, opts, .uprobe_multi.path = "/",
                    .uprobe_multi.offsets = (const unsigned long *)1, .uprobe_multi.cnt = 1);
        KERN_AUTO_CLOSE int link =
                bpf_link_create(prog_fd, 0, (enum bpf_attach_type)KERN_BPF_TRACE_UPROBE_MULTI,
                                &opts);

        /* "/" is no regular file, and that is found out first */
        return link >= 0 || errno == EBADF || errno == EFAULT ? 0 : -errno;
}

/*
 * Before Linux 6.10 a pid was taken for that of one thread. Those that know better say EINVAL to one that
 * can be nobody's, also in a link of which nothing else is wrong so far.
 */
bool kern_uprobe_multi_knows_processes(int prog_fd)
{
        LIBBPF_OPTS(bpf_link_create_opts, opts, .uprobe_multi.path = "/",
                    .uprobe_multi.offsets = (const unsigned long *)1, .uprobe_multi.cnt = 1,
                    .uprobe_multi.pid = UINT32_MAX);
        KERN_AUTO_CLOSE int link =
                bpf_link_create(prog_fd, 0, (enum bpf_attach_type)KERN_BPF_TRACE_UPROBE_MULTI,
                                &opts);

        return link < 0 && errno == EINVAL && kern_probe_uprobe_multi(prog_fd) >= 0;
}

static int explain(const KernHook *hook, int r, KernDiag *diag)
{
        switch (-r) {
        case ESRCH:
                return kern_fail(diag, r, KERN_ERROR_NO_SUCH_PROCESS, "There is no process %d",
                                 hook->pid);
        case EOPNOTSUPP:
        case 524: /* ENOTSUPP, which has no name outside of the kernel */
                return kern_cant_attach(r, hook, diag);
        case EBADF:
        case ENOENT:
                return kern_fail(diag, r, KERN_ERROR_NO_SUCH_TARGET,
                                 "The kernel finds no regular file in the target's descriptor");
        case EINVAL:
                return kern_fail(diag, r, KERN_ERROR_INVALID_ARGUMENT,
                                 "The kernel refuses the program there: an offset is in no part of "
                                 "the target that is executed, or the program was loaded as "
                                 "another type than %s",
                                 hook->type->name);
        case E2BIG:
        case ENOMEM:
                return kern_fail(diag, r, KERN_ERROR_LIMIT_EXCEEDED,
                                 "These are more places than the kernel takes for one link");
        default:
                return kern_fail(diag, r, KERN_ERROR_FAILED,
                                 "Can't attach the program to the target: %s", strerror(-r));
        }
}

int kern_attach_uprobes_at(int prog_fd, const KernHook *hook, const KernUprobes *places,
                           KernAttachment *attachment, KernDiag *diag)
{
        LIBBPF_OPTS(bpf_link_create_opts, opts);
        char path[64];
        int fd;

        /* The kernel follows this to the very file that was handed over, wherever its name points now. */
        snprintf(path, sizeof(path), "/proc/self/fd/%d", hook->target_fd);
        opts.uprobe_multi.path = path;
        opts.uprobe_multi.offsets = (const unsigned long *)places->offsets;
        opts.uprobe_multi.cookies = (const __u64 *)places->cookies;
        opts.uprobe_multi.ref_ctr_offsets = (const unsigned long *)places->semaphores;
        opts.uprobe_multi.cnt = (uint32_t)places->n;
        opts.uprobe_multi.pid =
                hook->given & KERN_PARAM_BIT(KERN_PARAM_PID) ? (uint32_t)hook->pid : 0;
        opts.uprobe_multi.flags =
                strcmp(hook->type->name, "uretprobe_multi") == 0 ? KERN_F_UPROBE_MULTI_RETURN : 0;
        fd = bpf_link_create(prog_fd, 0, (enum bpf_attach_type)KERN_BPF_TRACE_UPROBE_MULTI, &opts);
        if (fd < 0)
                return explain(hook, -errno, diag);
        return kern_attachment_add(attachment, fd, diag);
}

int kern_attach_uprobe_multi(int prog_fd, const KernHook *hook, KernAttachment *attachment,
                             KernDiag *diag)
{
        __attribute__((cleanup(places_done))) KernUprobes places = {0};
        int r;

        r = kern_probe_uprobe_multi(prog_fd);
        if (r < 0 && r != -EINVAL)
                return explain(hook, r, diag);
        if (r < 0)
                return kern_fail(diag, -EOPNOTSUPP, KERN_ERROR_NOT_SUPPORTED,
                                 "This kernel doesn't attach %s programs; they need %s",
                                 hook->type->name, hook->type->needs);
        r = resolve(hook, &places, diag);
        return r < 0 ? r : kern_attach_uprobes_at(prog_fd, hook, &places, attachment, diag);
}
