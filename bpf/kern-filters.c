/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <linux/netlink.h>
#include <linux/pkt_cls.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>

#include "kern-hook-list.h"
#include "kern-netlink.h"

typedef struct Walk {
        KernOccupant occupant;
        KernOccupantFunc found;
        void *userdata;
} Walk;

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

static int read_filter(const struct nlmsghdr *header, void *userdata)
{
        Walk *walk = userdata;
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

int kern_filters_list(uint32_t ifindex, KernDirection direction, KernOccupantFunc found,
                      void *userdata)
{
        const struct {
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
        Walk walk = {
                .occupant = {.type = kern_type_find("tc"), .direction = direction},
                .found = found,
                .userdata = userdata,
        };
        int r = kern_netlink_dump(NETLINK_ROUTE, &request.header, RTM_NEWTFILTER, read_filter,
                                  &walk);

        /* There is no such queueing discipline, so there are no filters. */
        return r == -EINVAL || r == -ENOENT ? 0 : r;
}
