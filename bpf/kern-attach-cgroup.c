/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <string.h>

#include "kern-attach-internal.h"
#include "kern-cgroup.h"
#include "kern-order.h"

/* Programs for the processes in a cgroup. */

int kern_cgroup_attach_type(const KernHook *hook)
{
        const KernHookName *named =
                hook->type->hooks ? kern_type_find_hook(hook->type, hook->name) : NULL;

        if (named)
                return named->number;
        if (hook->type->prog_type == BPF_PROG_TYPE_CGROUP_SKB)
                return hook->direction == KERN_DIRECTION_EGRESS ? BPF_CGROUP_INET_EGRESS
                                                                : BPF_CGROUP_INET_INGRESS;
        return hook->type->attach_type;
}

/* What is said of a program beside its cgroup: " for connect4", " for egress" or nothing. */
static const char *for_what(const KernHook *hook)
{
        return hook->name[0] != '\0' ? hook->name : kern_direction_to_string(hook->direction);
}

int kern_attach_cgroup(int prog_fd, const KernHook *hook, KernAttachment *attachment,
                       KernDiag *diag)
{
        const char *what = for_what(hook), *to = what[0] != '\0' ? "for " : "";
        const char *blank = what[0] != '\0' ? " " : "";
        const KernPoint point = {kern_cgroup_attach_type(hook), hook->cgroup_fd, true};
        const bool held = kern_cgroup_holds(hook);
        int fd = held ? kern_cgroup_attach(prog_fd, hook, diag)
                      : kern_order_link(prog_fd, &point, hook, diag);

        if (fd >= 0)
                return held ? 0 : kern_attachment_add(attachment, fd, diag);

        switch (-fd) {
        case EBADF:
        case ENOENT:
        case ENODEV:
                return kern_fail(
                        diag, -ENOENT, KERN_ERROR_NO_SUCH_CGROUP,
                        "What was given as cgroup is no directory of a cgroup v2 hierarchy, "
                        "or was removed");
        case EPERM:
                return kern_cgroup_explain(hook, diag);
        case E2BIG:
                return kern_fail(diag, fd, KERN_ERROR_LIMIT_EXCEEDED,
                                 "The cgroup has as many programs%s%s%s as the kernel takes", blank,
                                 to, what);
        case EINVAL:
                return kern_fail(diag, fd, KERN_ERROR_TYPE_MISMATCH,
                                 "The program can't be attached%s%s%s to the cgroup: it was loaded "
                                 "for something else, or this kernel lacks CONFIG_CGROUP_BPF",
                                 blank, to, what);
        case EOPNOTSUPP:
        case 524: /* ENOTSUPP, which has no name outside of the kernel */
                return kern_cant_attach(fd, hook, diag);
        default:
                return kern_fail(diag, fd, KERN_ERROR_FAILED,
                                 "Can't attach the program%s%s%s to the cgroup: %s", blank, to,
                                 what, strerror(-fd));
        }
}

/* What the kernel checked the program against is what it runs for, whatever the hook is said to be. */
int kern_attach_lsm_cgroup(int prog_fd, const KernHook *hook, KernAttachment *attachment,
                           KernDiag *diag)
{
        int r = kern_check_lsm(prog_fd, hook, diag);

        return r < 0 ? r : kern_attach_cgroup(prog_fd, hook, attachment, diag);
}
