/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <stdio.h>
#include <string.h>

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

static void read_options(struct nlattr *options, KernOccupant *o)
{
        struct nlattr *attributes[TCA_BPF_MAX + 1] = {0};

        (void)nla_parse_nested(attributes, TCA_BPF_MAX, options, NULL);
        o->prog_id = kern_netlink_u32(attributes[TCA_BPF_ID]);
        if (attributes[TCA_BPF_NAME])
                kern_netlink_text(attributes[TCA_BPF_NAME], o->name, sizeof(o->name));
}

static int read_filter(struct nlmsghdr *message, void *userdata)
{
        struct nlattr *attributes[TCA_MAX + 1] = {0};
        const struct tcmsg *tc = nlmsg_data(message);
        Walk *walk = userdata;
        KernOccupant *o = &walk->occupant;
        char kind[32];

        if (message->nlmsg_type != RTM_NEWTFILTER ||
            nlmsg_parse(message, sizeof(*tc), attributes, TCA_MAX, NULL) < 0)
                return 0;
        kern_netlink_text(attributes[TCA_KIND], kind, sizeof(kind));
        /* What all filters of a priority have in common comes as one without a handle, and u32's tables
         * as ones without a node. Other chains run where an action of one of these filters goes there. */
        if (tc->tcm_handle == 0 || !attributes[TCA_OPTIONS] ||
            kern_netlink_u32(attributes[TCA_CHAIN]) != 0 ||
            (strcmp(kind, "u32") == 0 && TC_U32_NODE(tc->tcm_handle) == 0))
                return 0;
        o->position++;
        o->prog_id = 0;
        o->tc_handle = tc->tcm_handle;
        o->priority = TC_H_MAJ(tc->tcm_info) >> 16;
        snprintf(o->name, sizeof(o->name), "%s", kind);
        if (strcmp(kind, "bpf") == 0)
                read_options(attributes[TCA_OPTIONS], o);
        return walk->found(o, walk->userdata);
}

int kern_filters_list(uint32_t ifindex, KernDirection direction, KernOccupantFunc found,
                      void *userdata)
{
        struct tcmsg *tc;
        KERN_AUTO_NETLINK struct nl_msg *request =
                kern_netlink_new(RTM_GETTFILTER, 0, sizeof(*tc), &tc);
        Walk walk = {
                .occupant = {.type = kern_type_find("tc"), .direction = direction},
                .found = found,
                .userdata = userdata,
        };
        int r;

        if (!request)
                return -ENOMEM;
        tc->tcm_ifindex = (int)ifindex;
        tc->tcm_parent =
                TC_H_MAKE(TC_H_CLSACT,
                          direction == KERN_DIRECTION_EGRESS ? TC_H_MIN_EGRESS : TC_H_MIN_INGRESS);
        r = kern_netlink_dump(NETLINK_ROUTE, request, read_filter, &walk);
        /* There is no such queueing discipline, so there are no filters. */
        return r == -EINVAL || r == -ENOENT ? 0 : r;
}
