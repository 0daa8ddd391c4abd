/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "netwatch.h"

#include <glib-unix.h>
#include <linux/net_namespace.h>
#include <linux/rtnetlink.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>
#include <netlink/socket.h>

/* libnl's own are smaller, and what doesn't fit is lost. */
#define BUFFER_SIZE (256 * 1024)

struct Netwatch {
        struct nl_sock *socket;
        guint source;
        const NetwatchCalls *calls;
        void *userdata;
};

static void on_namespace_gone(struct nlmsghdr *header, const Netwatch *watch)
{
        const struct nlattr *id = nlmsg_find_attr(header, sizeof(struct rtgenmsg), NETNSA_NSID);

        if (id && nla_len(id) == (int)sizeof(int32_t))
                watch->calls->netns_gone((int32_t)nla_get_u32(id), watch->userdata);
}

static int on_message(struct nl_msg *message, void *userdata)
{
        struct nlmsghdr *header = nlmsg_hdr(message);
        const struct ifinfomsg *info = nlmsg_data(header);
        Netwatch *watch = userdata;

        if (header->nlmsg_type == RTM_DELNSID)
                on_namespace_gone(header, watch);
        if (header->nlmsg_type != RTM_DELLINK && header->nlmsg_type != RTM_NEWLINK)
                return NL_OK;
        if (!nlmsg_valid_hdr(header, sizeof(*info)) || info->ifi_family != AF_UNSPEC)
                return NL_OK;
        if (header->nlmsg_type == RTM_DELLINK)
                watch->calls->gone((uint32_t)info->ifi_index, watch->userdata);
        else
                watch->calls->changed((uint32_t)info->ifi_index, watch->userdata);
        return NL_OK;
}

static gboolean on_readable(gint fd, GIOCondition condition, gpointer userdata)
{
        Netwatch *watch = userdata;

        (void)fd, (void)condition;
        /* So libnl calls ENOBUFS, too. */
        if (nl_recvmsgs_default(watch->socket) == -NLE_NOMEM)
                watch->calls->overrun(watch->userdata);
        return G_SOURCE_CONTINUE;
}

static int open_socket(struct nl_sock *socket)
{
        int r;

        nl_socket_disable_seq_check(socket);
        r = nl_connect(socket, NETLINK_ROUTE);
        if (r >= 0)
                r = nl_socket_set_buffer_size(socket, BUFFER_SIZE, 0);
        if (r >= 0)
                r = nl_socket_set_nonblocking(socket);
        return r < 0 ? r : nl_socket_add_memberships(socket, RTNLGRP_LINK, RTNLGRP_NSID, 0);
}

Netwatch *netwatch_new(const NetwatchCalls *calls, void *userdata)
{
        struct nl_sock *socket = nl_socket_alloc();
        Netwatch *watch;

        if (!socket)
                return NULL;
        if (open_socket(socket) < 0) {
                nl_socket_free(socket);
                return NULL;
        }
        watch = g_new0(Netwatch, 1);
        *watch = (Netwatch){.socket = socket, .calls = calls, .userdata = userdata};
        nl_socket_modify_cb(socket, NL_CB_VALID, NL_CB_CUSTOM, on_message, watch);
        watch->source = g_unix_fd_add(nl_socket_get_fd(socket), G_IO_IN, on_readable, watch);
        return watch;
}

void netwatch_free(Netwatch *watch)
{
        if (!watch)
                return;
        g_source_remove(watch->source);
        nl_socket_free(watch->socket);
        g_free(watch);
}
