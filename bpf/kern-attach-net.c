/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <net/if.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <linux/if_link.h>
#include <linux/netlink.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "kern-attach-internal.h"
#include "kern-compat.h"
#include "kern-info.h"
#include "kern-order.h"

const char *kern_interface_name(uint32_t ifindex, char ret[static IF_NAMESIZE])
{
        KERN_AUTO_CLOSE int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
        struct ifreq request = {.ifr_ifindex = (int)ifindex};

        if (fd < 0 || ioctl(fd, SIOCGIFNAME, &request) < 0)
                return NULL;
        memcpy(ret, request.ifr_name, IF_NAMESIZE);
        ret[IF_NAMESIZE - 1] = '\0';
        return ret;
}

int kern_no_such_interface(uint32_t ifindex, KernDiag *diag)
{
        return kern_fail(diag, -ENODEV, KERN_ERROR_NO_SUCH_INTERFACE,
                         "There is no network interface with index %u", ifindex);
}

bool kern_interface_is_gone(uint32_t ifindex)
{
        char buffer[IF_NAMESIZE];

        return !kern_interface_name(ifindex, buffer);
}

static int cant_have_netkit(int r, const char *name, KernDiag *diag)
{
        if (r == -EACCES)
                return kern_fail(diag, r, KERN_ERROR_INVALID_ARGUMENT,
                                 "Interface %s is the peer of a netkit device; programs of both "
                                 "ends are attached to the other one, its primary",
                                 name);
        return kern_fail(diag, r, KERN_ERROR_INVALID_ARGUMENT,
                         "Interface %s is no netkit device, such as \"ip link add NAME type "
                         "netkit\" makes; attach the program as tcx",
                         name);
}

int kern_attach_tcx(int prog_fd, const KernHook *hook, KernAttachment *attachment, KernDiag *diag)
{
        char buffer[IF_NAMESIZE];
        const char *name = kern_interface_name(hook->ifindex, buffer);
        const bool netkit = strcmp(hook->type->name, "netkit") == 0;
        const char *where = netkit ? hook->name : kern_direction_to_string(hook->direction);
        KernPoint point;
        int fd;

        if (!name)
                return kern_no_such_interface(hook->ifindex, diag);
        fd = kern_point_of(hook, &point);
        if (fd >= 0)
                fd = kern_order_link(prog_fd, &point, hook, diag);
        if (fd >= 0)
                return kern_attachment_add(attachment, fd, diag);

        if (kern_interface_is_gone(hook->ifindex))
                return kern_no_such_interface(hook->ifindex, diag);
        switch (-fd) {
        case EINVAL:
        case EOPNOTSUPP:
                return netkit ? kern_cant_attach(fd, hook, diag)
                              : kern_fail(diag, -EOPNOTSUPP, KERN_ERROR_NOT_SUPPORTED,
                                          "This kernel has no tcx (it came with Linux 6.6); attach "
                                          "as tc");
        case EEXIST:
                return kern_fail(diag, fd, KERN_ERROR_HOOK_BUSY,
                                 "The program is attached to %s of interface %s already", where,
                                 name);
        case ERANGE:
        case E2BIG:
                return kern_fail(diag, fd, KERN_ERROR_LIMIT_EXCEEDED,
                                 "Interface %s has as many %s programs on %s as the kernel takes",
                                 name, hook->type->name, where);
        case ENXIO:
        case EACCES:
                if (netkit)
                        return cant_have_netkit(fd, name, diag);
                /* fall through */
        default:
                return kern_fail(diag, fd, KERN_ERROR_FAILED,
                                 "Can't attach the program to %s of interface %s: %s", where, name,
                                 strerror(-fd));
        }
}
