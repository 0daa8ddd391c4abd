/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <string.h>

#include <netinet/in.h>

#include <linux/netfilter.h>

#include <bpf/bpf.h>

#include "kern-attach-internal.h"
#include "kern-compat.h"
#include "kern-info.h"

/* Hooks that are a map: of sockets, or of a struct_ops; and netfilter's, which have links of their own. */

/* sk_msg and sk_skb */
int kern_attach_sockmap(int prog_fd, const KernHook *hook, KernAttachment *attachment,
                        KernDiag *diag)
{
        const KernHookName *named =
                hook->type->hooks ? kern_type_find_hook(hook->type, hook->name) : NULL;
        int type = named ? named->number : hook->type->attach_type;
        int fd = bpf_link_create(prog_fd, hook->map_fd, (enum bpf_attach_type)type, NULL);

        if (fd >= 0)
                return kern_attachment_add(attachment, fd, diag);

        fd = -errno;
        switch (-fd) {
        case EINVAL:
                if (!kern_is_sockmap(hook->map_fd))
                        return kern_fail(diag, fd, KERN_ERROR_MAP_MISMATCH,
                                         "Map %u holds no sockets: a %s program goes to a sockmap "
                                         "or a sockhash",
                                         hook->map_id, hook->type->name);
                return kern_cant_attach(fd, hook, diag);
        case EOPNOTSUPP:
                return kern_cant_attach(fd, hook, diag);
        case EBUSY:
        case EEXIST:
                return kern_fail(diag, fd, KERN_ERROR_HOOK_BUSY,
                                 "Map %u has a %s program already; a map can have one on each hook",
                                 hook->map_id, hook->type->name);
        default:
                return kern_fail(diag, fd, KERN_ERROR_FAILED,
                                 "Can't attach the program to map %u: %s", hook->map_id,
                                 strerror(-fd));
        }
}

int kern_attach_struct_ops(int prog_fd, const KernHook *hook, KernAttachment *attachment,
                           KernDiag *diag)
{
        int fd = bpf_link_create(hook->map_fd, 0, (enum bpf_attach_type)KERN_BPF_STRUCT_OPS, NULL);

        (void)prog_fd;
        if (fd >= 0)
                return kern_attachment_add(attachment, fd, diag);

        fd = -errno;
        switch (-fd) {
        case EEXIST:
        case EBUSY:
                return kern_fail(diag, fd, KERN_ERROR_HOOK_BUSY,
                                 "The kernel refuses map %u (%s): it is attached already, or "
                                 "another has its name or its place",
                                 hook->map_id, strerror(-fd));
        case EINVAL:
                return kern_fail(diag, fd, KERN_ERROR_INVALID_ARGUMENT,
                                 "The kernel refuses map %u: functions or values that its struct "
                                 "must have are missing, or this kernel has no links for it "
                                 "(they came with Linux 6.4)",
                                 hook->map_id);
        case EOPNOTSUPP:
        case 524: /* ENOTSUPP, which has no name outside of the kernel */
                return kern_cant_attach(fd, hook, diag);
        default:
                return kern_fail(diag, fd, KERN_ERROR_FAILED, "Can't attach map %u: %s",
                                 hook->map_id, strerror(-fd));
        }
}

uint8_t kern_family_number(KernFamily family)
{
        return family == KERN_FAMILY_IPV6 ? NFPROTO_IPV6 : NFPROTO_IPV4;
}

int kern_attach_netfilter(int prog_fd, const KernHook *hook, KernAttachment *attachment,
                          KernDiag *diag)
{
        const KernHookName *named = kern_type_find_hook(hook->type, hook->name);
        LIBBPF_OPTS(bpf_link_create_opts, opts, .netfilter.pf = kern_family_number(hook->family),
                    .netfilter.hooknum = (uint32_t)named->number,
                    .netfilter.priority = hook->hook_priority,
                    .netfilter.flags = hook->defragment ? KERN_F_NETFILTER_IP_DEFRAG : 0);
        const char *family = kern_word(kern_params[KERN_PARAM_FAMILY].words, hook->family);
        int fd = bpf_link_create(prog_fd, 0, (enum bpf_attach_type)KERN_BPF_NETFILTER, &opts);

        if (fd >= 0)
                return kern_attachment_add(attachment, fd, diag);

        fd = -errno;
        switch (-fd) {
        case EBUSY:
                return kern_fail(diag, fd, KERN_ERROR_HOOK_BUSY,
                                 "There is a program at priority %d of %s %s already; give another "
                                 "hook_priority",
                                 hook->hook_priority, family, hook->name);
        case ERANGE:
                return kern_fail(diag, fd, KERN_ERROR_INVALID_ARGUMENT,
                                 "hook_priority is %d, which comes before fragments are put "
                                 "together; with defragment it must be above -400",
                                 hook->hook_priority);
        case E2BIG:
                return kern_fail(diag, fd, KERN_ERROR_LIMIT_EXCEEDED,
                                 "%s %s has as many hooks as the kernel takes", family, hook->name);
        case EINVAL:
        case EOPNOTSUPP:
        case EAFNOSUPPORT:
                return kern_cant_attach(fd, hook, diag);
        default:
                return kern_fail(diag, fd, KERN_ERROR_FAILED,
                                 "Can't attach the program to %s %s: %s", family, hook->name,
                                 strerror(-fd));
        }
}
