/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include <bpf/bpf.h>

#include "kern-attach-internal.h"

/* sk_lookup and flow_dissector: programs for a network namespace, which is this process's. */
int kern_attach_netns(int prog_fd, const KernHook *hook, KernAttachment *attachment, KernDiag *diag)
{
        KERN_AUTO_CLOSE int netns = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
        int fd;

        if (netns < 0)
                return kern_fail(diag, -errno, KERN_ERROR_FAILED,
                                 "Can't open the network namespace: %s", strerror(errno));
        fd = bpf_link_create(prog_fd, netns, (enum bpf_attach_type)hook->type->attach_type, NULL);
        if (fd >= 0)
                return kern_attachment_add(attachment, fd, diag);

        fd = -errno;
        switch (-fd) {
        case E2BIG:
        case EEXIST:
                return kern_fail(diag, fd, KERN_ERROR_HOOK_BUSY,
                                 "The network namespace has as many %s programs as it can have%s",
                                 hook->type->name,
                                 hook->type->sharing == KERN_SHARING_EXCLUSIVE
                                         ? ": one, here or for the whole machine"
                                         : "");
        case EINVAL:
                return kern_fail(diag, fd, KERN_ERROR_TYPE_MISMATCH,
                                 "The program can't be attached as %s program: it was loaded as "
                                 "another type",
                                 hook->type->name);
        default:
                return kern_fail(diag, fd, KERN_ERROR_FAILED,
                                 "Can't attach the program to the network namespace: %s",
                                 strerror(-fd));
        }
}
