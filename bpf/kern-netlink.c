/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "kern-netlink.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "kern-util.h"

/* The kernel's own buffers for an answer are at most of that size. */
#define ROOM 32768

static int ask(int fd, const struct nlmsghdr *request)
{
        const struct sockaddr_nl kernel = {.nl_family = AF_NETLINK};

        return sendto(fd, request, request->nlmsg_len, 0, (const struct sockaddr *)&kernel,
                      sizeof(kernel)) < 0
                       ? -errno
                       : 0;
}

/* 1: there is more to come. */
static int read_answer(int fd, char *buffer, uint16_t type, KernNetlinkFunc found, void *userdata)
{
        struct iovec iov = {buffer, ROOM};
        struct msghdr message = {.msg_iov = &iov, .msg_iovlen = 1};
        ssize_t n = recvmsg(fd, &message, 0);
        const struct nlmsghdr *h = (const struct nlmsghdr *)(const void *)buffer;
        int r;

        if (n < 0)
                return -errno;
        if (message.msg_flags & MSG_TRUNC)
                return -EMSGSIZE;
        for (size_t left = (size_t)n; NLMSG_OK(h, left); h = NLMSG_NEXT(h, left)) {
                if (h->nlmsg_type == NLMSG_DONE)
                        return 0;
                if (h->nlmsg_type == NLMSG_ERROR)
                        return ((const struct nlmsgerr *)NLMSG_DATA(h))->error;
                if (h->nlmsg_type != type)
                        continue;
                r = found(h, userdata);
                if (r != 0)
                        return r < 0 ? r : -ECANCELED;
        }
        return 1;
}

int kern_netlink_dump(int protocol, const struct nlmsghdr *request, uint16_t type,
                      KernNetlinkFunc found, void *userdata)
{
        KERN_AUTO_CLOSE int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol);
        KERN_AUTO_FREE char *buffer = malloc(ROOM);
        int r;

        if (fd < 0)
                return -errno;
        if (!buffer)
                return -ENOMEM;
        r = ask(fd, request);
        if (r < 0)
                return r;
        do
                r = read_answer(fd, buffer, type, found, userdata);
        while (r > 0);
        return r;
}
