/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <linux/netlink.h>
#include <linux/pkt_cls.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>

#include "kern-hook-list.h"
#include "kern-util.h"

/* The kernel's own buffers for an answer are at most of that size. */
#define ROOM 32768

typedef struct Walk {
        KernOccupant occupant;
        KernOccupantFunc found;
        void *userdata;
} Walk;

static int ask(int fd, uint32_t ifindex, KernDirection direction)
{
        struct {
                struct nlmsghdr header;
                struct tcmsg tc;
        } request = {
                .header = {.nlmsg_len = sizeof(request),
                           .nlmsg_type = RTM_GETTFILTER,
                           .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP},
                .tc = {.tcm_ifindex = (int)ifindex,
                       .tcm_parent = TC_H_MAKE(TC_H_CLSACT, direction == KERN_DIRECTION_EGRESS
                                                                    ? TC_H_MIN_EGRESS
                                                                    : TC_H_MIN_INGRESS)},
        };
        const struct sockaddr_nl kernel = {.nl_family = AF_NETLINK};

        return sendto(fd, &request, sizeof(request), 0, (const struct sockaddr *)&kernel,
                      sizeof(kernel)) < 0
                       ? -errno
                       : 0;
}

static void copy_text(char *dest, size_t size, const struct rtattr *attribute)
{
        snprintf(dest, size, "%.*s", (int)RTA_PAYLOAD(attribute),
                 (const char *)RTA_DATA(attribute));
}

static uint32_t get_u32(const struct rtattr *attribute)
{
        uint32_t n = 0;

        if (RTA_PAYLOAD(attribute) >= sizeof(n))
                memcpy(&n, RTA_DATA(attribute), sizeof(n));
        return n;
}

static void read_options(const struct rtattr *options, KernOccupant *o)
{
        const struct rtattr *a = RTA_DATA(options);
        int left = (int)RTA_PAYLOAD(options);

        for (; RTA_OK(a, left); a = RTA_NEXT(a, left))
                if (a->rta_type == TCA_BPF_ID)
                        o->prog_id = get_u32(a);
                else if (a->rta_type == TCA_BPF_NAME)
                        copy_text(o->name, sizeof(o->name), a);
}

static int read_filter(const struct nlmsghdr *header, Walk *walk)
{
        const struct tcmsg *tc = NLMSG_DATA(header);
        const struct rtattr *a = TCA_RTA(tc), *options = NULL;
        int left = (int)TCA_PAYLOAD(header);
        KernOccupant *o = &walk->occupant;
        uint32_t chain = 0;
        char kind[32] = "";

        for (; RTA_OK(a, left); a = RTA_NEXT(a, left))
                if (a->rta_type == TCA_KIND)
                        copy_text(kind, sizeof(kind), a);
                else if (a->rta_type == TCA_CHAIN)
                        chain = get_u32(a);
                else if (a->rta_type == TCA_OPTIONS)
                        options = a;
        /* What all filters of a priority have in common comes as one without a handle, and u32's tables
         * as ones without a node. Other chains run where an action of one of these filters goes there. */
        if (tc->tcm_handle == 0 || !options || chain != 0 ||
            (strcmp(kind, "u32") == 0 && TC_U32_NODE(tc->tcm_handle) == 0))
                return 0;
        o->position++;
        o->prog_id = 0;
        o->tc_handle = tc->tcm_handle;
        o->priority = TC_H_MAJ(tc->tcm_info) >> 16;
        snprintf(o->name, sizeof(o->name), "%s", kind);
        if (strcmp(kind, "bpf") == 0)
                read_options(options, o);
        return walk->found(o, walk->userdata);
}

/* 1: there is more to come. */
static int read_answer(int fd, char *buffer, Walk *walk)
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
                if (h->nlmsg_type != RTM_NEWTFILTER)
                        continue;
                r = read_filter(h, walk);
                if (r != 0)
                        return r < 0 ? r : -ECANCELED;
        }
        return 1;
}

int kern_filters_list(uint32_t ifindex, KernDirection direction, KernOccupantFunc found,
                      void *userdata)
{
        KERN_AUTO_CLOSE int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
        KERN_AUTO_FREE char *buffer = malloc(ROOM);
        Walk walk = {
                .occupant = {.type = kern_type_find("tc"), .direction = direction},
                .found = found,
                .userdata = userdata,
        };
        int r;

        if (fd < 0)
                return -errno;
        if (!buffer)
                return -ENOMEM;
        r = ask(fd, ifindex, direction);
        if (r < 0)
                return r;
        do
                r = read_answer(fd, buffer, &walk);
        while (r > 0);
        /* There is no such queueing discipline, so there are no filters. */
        return r == -EINVAL || r == -ENOENT ? 0 : r;
}
