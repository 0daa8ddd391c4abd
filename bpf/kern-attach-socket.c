/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Sockets: one holds its program itself, with no link, and tells nobody which one it has. */

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "kern-attach-internal.h"

/* The kernel's own, which gets out here; the C library has no word for it. */
#define ENOTSUPP_OF_KERNEL 524

static bool is_locked(int fd)
{
        int locked = 0;
        socklen_t size = sizeof(locked);

        return getsockopt(fd, SOL_SOCKET, SO_LOCK_FILTER, &locked, &size) >= 0 && locked != 0;
}

static int refused(int r, const KernHook *hook, KernDiag *diag)
{
        if (is_locked(hook->socket_fd))
                return kern_fail(diag, r, KERN_ERROR_HOOK_BUSY,
                                 "The socket is locked (SO_LOCK_FILTER): it keeps the program that "
                                 "it has, or none, until it is closed");
        return kern_fail(diag, r, KERN_ERROR_FAILED,
                         "The socket refuses the program (Operation not permitted): a "
                         "cgroup_sockopt program of its cgroup, or a security module, doesn't let "
                         "this option be set");
}

static int wrong_kind(int r, const KernHook *hook, KernDiag *diag)
{
        if (hook->type->prog_type != BPF_PROG_TYPE_SK_REUSEPORT)
                return kern_fail(diag, r, KERN_ERROR_INVALID_ARGUMENT,
                                 "The kernel takes no %s program for a socket of this protocol "
                                 "(%s)",
                                 hook->type->name,
                                 r == -EINVAL ? strerror(EINVAL) : strerror(EOPNOTSUPP));
        if (r == -EINVAL)
                return kern_fail(
                        diag, r, KERN_ERROR_INVALID_ARGUMENT,
                        "The socket is in no group of sockets that share a port: it must "
                        "be one of TCP or UDP for which SO_REUSEPORT was set before it was "
                        "bound, no connection");
        return kern_fail(diag, r, KERN_ERROR_INVALID_ARGUMENT,
                         "The kernel takes %s programs for sockets of TCP and UDP alone",
                         hook->type->name);
}

static int explain(int r, const KernHook *hook, KernDiag *diag)
{
        switch (-r) {
        case EPERM:
                return refused(r, hook, diag);
        case EINVAL:
        case EOPNOTSUPP:
        case ENOTSUPP_OF_KERNEL:
                return wrong_kind(r, hook, diag);
        case ENOMEM:
                return kern_fail(diag, r, KERN_ERROR_LIMIT_EXCEEDED,
                                 "The program is larger than what the socket may still have of the "
                                 "kernel's memory for options (sysctl net.core.optmem_max)");
        default:
                return kern_fail(diag, r, KERN_ERROR_FAILED,
                                 "The kernel doesn't take the program for the socket: %s",
                                 strerror(-r));
        }
}

int kern_attach_socket(int prog_fd, const KernHook *hook, KernAttachment *attachment,
                       KernDiag *diag)
{
        const int option = hook->type->prog_type == BPF_PROG_TYPE_SK_REUSEPORT
                                   ? SO_ATTACH_REUSEPORT_EBPF
                                   : SO_ATTACH_BPF;

        (void)attachment;
        if (setsockopt(hook->socket_fd, SOL_SOCKET, option, &prog_fd, sizeof(prog_fd)) < 0)
                return explain(-errno, hook, diag);
        return 0;
}
