/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "netwatch.h"

#include <errno.h>
#include <fcntl.h>

#include <glib-unix.h>
#include <libmnl/libmnl.h>
#include <linux/net_namespace.h>
#include <linux/rtnetlink.h>

struct Netwatch {
        struct mnl_socket *socket;
        guint source;
        const NetwatchCalls *calls;
        void *userdata;
};

static int on_id(const struct nlattr *attribute, void *userdata)
{
        Netwatch *watch = userdata;

        if (mnl_attr_get_type(attribute) == NETNSA_NSID &&
            mnl_attr_validate(attribute, MNL_TYPE_U32) >= 0)
                watch->calls->netns_gone((int32_t)mnl_attr_get_u32(attribute), watch->userdata);
        return MNL_CB_OK;
}

static int on_message(const struct nlmsghdr *header, void *userdata)
{
        const struct ifinfomsg *info = mnl_nlmsg_get_payload(header);
        Netwatch *watch = userdata;

        if (header->nlmsg_type == RTM_DELNSID) {
                (void)mnl_attr_parse(header, sizeof(struct rtgenmsg), on_id, watch);
                return MNL_CB_OK;
        }
        if (header->nlmsg_type != RTM_DELLINK && header->nlmsg_type != RTM_NEWLINK)
                return MNL_CB_OK;
        if (mnl_nlmsg_get_payload_len(header) < sizeof(*info) || info->ifi_family != AF_UNSPEC)
                return MNL_CB_OK;
        if (header->nlmsg_type == RTM_DELLINK)
                watch->calls->gone((uint32_t)info->ifi_index, watch->userdata);
        else
                watch->calls->changed((uint32_t)info->ifi_index, watch->userdata);
        return MNL_CB_OK;
}

static gboolean on_readable(gint fd, GIOCondition condition, gpointer userdata)
{
        Netwatch *watch = userdata;
        char buffer[32 * 1024];
        ssize_t n;

        (void)fd, (void)condition;
        n = mnl_socket_recvfrom(watch->socket, buffer, sizeof(buffer));
        if (n > 0)
                (void)mnl_cb_run(buffer, (size_t)n, 0, 0, on_message, watch);
        else if (n < 0 && errno == ENOBUFS)
                watch->calls->overrun(watch->userdata);
        return G_SOURCE_CONTINUE;
}

Netwatch *netwatch_new(const NetwatchCalls *calls, void *userdata)
{
        struct mnl_socket *socket = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC | SOCK_NONBLOCK);
        const unsigned groups = RTMGRP_LINK | 1U << (RTNLGRP_NSID - 1);
        Netwatch *watch;

        if (!socket)
                return NULL;
        if (mnl_socket_bind(socket, groups, MNL_SOCKET_AUTOPID) < 0) {
                mnl_socket_close(socket);
                return NULL;
        }
        watch = g_new0(Netwatch, 1);
        *watch = (Netwatch){.socket = socket, .calls = calls, .userdata = userdata};
        watch->source = g_unix_fd_add(mnl_socket_get_fd(socket), G_IO_IN, on_readable, watch);
        return watch;
}

void netwatch_free(Netwatch *watch)
{
        if (!watch)
                return;
        g_source_remove(watch->source);
        mnl_socket_close(watch->socket);
        g_free(watch);
}
