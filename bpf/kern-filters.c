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
        int ended; /* what @found returned */
} Walk;

static int read_option(const struct nlattr *attribute, void *userdata)
{
        KernOccupant *o = userdata;

        if (mnl_attr_get_type(attribute) == TCA_BPF_ID)
                o->prog_id = kern_netlink_u32(attribute);
        else if (mnl_attr_get_type(attribute) == TCA_BPF_NAME)
                kern_netlink_text(attribute, o->name, sizeof(o->name));
        return MNL_CB_OK;
}

typedef struct Filter {
        char kind[32];
        uint32_t chain;
        const struct nlattr *options;
} Filter;

static int read_attribute(const struct nlattr *attribute, void *userdata)
{
        Filter *filter = userdata;

        if (mnl_attr_get_type(attribute) == TCA_KIND)
                kern_netlink_text(attribute, filter->kind, sizeof(filter->kind));
        else if (mnl_attr_get_type(attribute) == TCA_CHAIN)
                filter->chain = kern_netlink_u32(attribute);
        else if (mnl_attr_get_type(attribute) == TCA_OPTIONS)
                filter->options = attribute;
        return MNL_CB_OK;
}

static int read_filter(const struct nlmsghdr *header, void *userdata)
{
        Walk *walk = userdata;
        const struct tcmsg *tc = mnl_nlmsg_get_payload(header);
        KernOccupant *o = &walk->occupant;
        Filter filter = {0};

        if (header->nlmsg_type != RTM_NEWTFILTER || mnl_nlmsg_get_payload_len(header) < sizeof(*tc))
                return MNL_CB_OK;
        (void)mnl_attr_parse(header, sizeof(*tc), read_attribute, &filter);
        /* What all filters of a priority have in common comes as one without a handle, and u32's tables
         * as ones without a node. Other chains run where an action of one of these filters goes there. */
        if (tc->tcm_handle == 0 || !filter.options || filter.chain != 0 ||
            (strcmp(filter.kind, "u32") == 0 && TC_U32_NODE(tc->tcm_handle) == 0))
                return MNL_CB_OK;
        o->position++;
        o->prog_id = 0;
        o->tc_handle = tc->tcm_handle;
        o->priority = TC_H_MAJ(tc->tcm_info) >> 16;
        snprintf(o->name, sizeof(o->name), "%s", filter.kind);
        if (strcmp(filter.kind, "bpf") == 0)
                (void)mnl_attr_parse_nested(filter.options, read_option, o);
        walk->ended = walk->found(o, walk->userdata);
        return walk->ended != 0 ? MNL_CB_STOP : MNL_CB_OK;
}

int kern_filters_list(uint32_t ifindex, KernDirection direction, KernOccupantFunc found,
                      void *userdata)
{
        char buffer[KERN_NETLINK_REQUEST_SIZE] = {0};
        struct nlmsghdr *request = mnl_nlmsg_put_header(buffer);
        struct tcmsg *tc = mnl_nlmsg_put_extra_header(request, sizeof(*tc));
        Walk walk = {
                .occupant = {.type = kern_type_find("tc"), .direction = direction},
                .found = found,
                .userdata = userdata,
        };
        int r;

        request->nlmsg_type = RTM_GETTFILTER;
        tc->tcm_ifindex = (int)ifindex;
        tc->tcm_parent =
                TC_H_MAKE(TC_H_CLSACT,
                          direction == KERN_DIRECTION_EGRESS ? TC_H_MIN_EGRESS : TC_H_MIN_INGRESS);
        r = kern_netlink_dump(NETLINK_ROUTE, request, read_filter, &walk);
        /* There is no such queueing discipline, so there are no filters. */
        if (r == -EINVAL || r == -ENOENT)
                r = 0;
        return r < 0 ? r : walk.ended;
}
