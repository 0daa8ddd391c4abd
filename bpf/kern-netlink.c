/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "kern-netlink.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "kern-util.h"

/* The kernel's own buffers for an answer are at most of that size. */
#define ROOM 32768

/* How often a list may change while it is read. */
#define ATTEMPTS 10

/* It holds those of a whole list, one behind the other. */
typedef struct Messages {
        char *data;
        size_t size;
} Messages;

static void messages_done(Messages *messages)
{
        free(messages->data);
}

static void close_socket(struct mnl_socket **socket)
{
        if (*socket)
                (void)mnl_socket_close(*socket);
}

/* 1: there is more to come. */
static int receive(struct mnl_socket *socket, uint32_t sequence, Messages *messages)
{
        char *data = realloc(messages->data, messages->size + ROOM);
        ssize_t n;
        int r;

        if (!data)
                return -ENOMEM;
        messages->data = data;
        n = mnl_socket_recvfrom(socket, data + messages->size, ROOM);
        if (n < 0)
                return -errno;
        /* Nobody is called yet: is it an error, an answer to something else, the end? */
        r = mnl_cb_run(data + messages->size, (size_t)n, sequence, mnl_socket_get_portid(socket),
                       NULL, NULL);
        messages->size += (size_t)n;
        return r < 0 ? -errno : r;
}

static int dump(int protocol, struct nlmsghdr *request, Messages *messages, uint32_t *ret_port)
{
        KERN_CLEANUP(close_socket)
        struct mnl_socket *socket = mnl_socket_open2(protocol, SOCK_CLOEXEC);
        int r;

        if (!socket || mnl_socket_bind(socket, 0, MNL_SOCKET_AUTOPID) < 0 ||
            mnl_socket_sendto(socket, request, request->nlmsg_len) < 0)
                return -errno;
        *ret_port = mnl_socket_get_portid(socket);
        do
                r = receive(socket, request->nlmsg_seq, messages);
        while (r > 0);
        return r;
}

int kern_netlink_dump(int protocol, struct nlmsghdr *request, mnl_cb_t found, void *userdata)
{
        request->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
        for (uint32_t attempt = 1;; attempt++) {
                KERN_CLEANUP(messages_done) Messages messages = {0};
                uint32_t port = 0;
                int r;

                request->nlmsg_seq = attempt;
                r = dump(protocol, request, &messages, &port);
                if (r == -EINTR && attempt < ATTEMPTS)
                        continue;
                if (r >= 0)
                        r = mnl_cb_run(messages.data, messages.size, attempt, port, found,
                                       userdata) < 0
                                    ? -errno
                                    : 0;
                return r;
        }
}

void kern_netlink_text(const struct nlattr *attribute, char *ret, size_t size)
{
        snprintf(ret, size, "%.*s", (int)mnl_attr_get_payload_len(attribute),
                 (const char *)mnl_attr_get_payload(attribute));
}

uint32_t kern_netlink_u32(const struct nlattr *attribute)
{
        return mnl_attr_validate(attribute, MNL_TYPE_U32) < 0 ? 0 : mnl_attr_get_u32(attribute);
}
