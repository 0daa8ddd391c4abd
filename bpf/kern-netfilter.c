/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>

#include <linux/netfilter.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_hook.h>

#include "kern-compat.h"
#include "kern-hook-list.h"
#include "kern-netlink.h"

#define HOOK_GET (NFNL_SUBSYS_HOOK << 8 | NFNL_MSG_HOOK_GET)

typedef struct Walk {
        KernOccupant occupant;
        KernOccupantFunc found;
        void *userdata;
        int ended; /* what @found returned */
} Walk;

/* nft's base chains are called by their tables and themselves, as "filter input". */
typedef struct Chain {
        char table[32];
        char name[32];
} Chain;

static int read_chain(const struct nlattr *attribute, void *userdata)
{
        Chain *chain = userdata;

        if (mnl_attr_get_type(attribute) == NFNLA_CHAIN_TABLE)
                kern_netlink_text(attribute, chain->table, sizeof(chain->table));
        else if (mnl_attr_get_type(attribute) == NFNLA_CHAIN_NAME)
                kern_netlink_text(attribute, chain->name, sizeof(chain->name));
        return MNL_CB_OK;
}

static int read_program(const struct nlattr *attribute, void *userdata)
{
        KernOccupant *o = userdata;

        if (mnl_attr_get_type(attribute) == KERN_NFNLA_HOOK_BPF_ID)
                o->prog_id = ntohl(kern_netlink_u32(attribute));
        return MNL_CB_OK;
}

/* What it is, of what has more to say than the function that is called */
typedef struct Info {
        uint32_t type;
        const struct nlattr *description;
} Info;

static int read_info(const struct nlattr *attribute, void *userdata)
{
        Info *info = userdata;

        if (mnl_attr_get_type(attribute) == NFNLA_HOOK_INFO_TYPE)
                info->type = ntohl(kern_netlink_u32(attribute));
        else if (mnl_attr_get_type(attribute) == NFNLA_HOOK_INFO_DESC)
                info->description = attribute;
        return MNL_CB_OK;
}

static void describe(const struct nlattr *attribute, KernOccupant *o)
{
        Info info = {0};
        Chain chain = {0};

        (void)mnl_attr_parse_nested(attribute, read_info, &info);
        if (!info.description)
                return;
        if (info.type == KERN_NFNL_HOOK_TYPE_BPF)
                (void)mnl_attr_parse_nested(info.description, read_program, o);
        if (info.type != NFNL_HOOK_TYPE_NFTABLES)
                return;
        (void)mnl_attr_parse_nested(info.description, read_chain, &chain);
        if (*chain.name)
                snprintf(o->name, sizeof(o->name), "%s %s", chain.table, chain.name);
}

typedef struct Hook {
        int32_t priority;
        const struct nlattr *function, *info;
} Hook;

static int read_attribute(const struct nlattr *attribute, void *userdata)
{
        Hook *hook = userdata;

        if (mnl_attr_get_type(attribute) == NFNLA_HOOK_PRIORITY)
                hook->priority = (int32_t)ntohl(kern_netlink_u32(attribute));
        else if (mnl_attr_get_type(attribute) == NFNLA_HOOK_FUNCTION_NAME)
                hook->function = attribute;
        else if (mnl_attr_get_type(attribute) == NFNLA_HOOK_CHAIN_INFO)
                hook->info = attribute;
        return MNL_CB_OK;
}

static int read_hook(const struct nlmsghdr *message, void *userdata)
{
        Walk *walk = userdata;
        KernOccupant *o = &walk->occupant;
        Hook hook = {0};

        if (message->nlmsg_type != HOOK_GET)
                return MNL_CB_OK;
        (void)mnl_attr_parse(message, sizeof(struct nfgenmsg), read_attribute, &hook);
        o->position++;
        o->prog_id = 0;
        o->hook_priority = hook.priority;
        o->name[0] = '\0';
        if (hook.function)
                kern_netlink_text(hook.function, o->name, sizeof(o->name));
        if (hook.info)
                describe(hook.info, o);
        walk->ended = walk->found(o, walk->userdata);
        return walk->ended != 0 ? MNL_CB_STOP : MNL_CB_OK;
}

int kern_netfilter_list(KernFamily family, const KernHookName *hook, KernOccupantFunc found,
                        void *userdata)
{
        char buffer[KERN_NETLINK_REQUEST_SIZE] = {0};
        struct nlmsghdr *request = mnl_nlmsg_put_header(buffer);
        struct nfgenmsg *what = mnl_nlmsg_put_extra_header(request, sizeof(*what));
        Walk walk = {
                .occupant = {.type = kern_type_find("netfilter"),
                             .hook = hook->name,
                             .family = family},
                .found = found,
                .userdata = userdata,
        };
        int r;

        request->nlmsg_type = HOOK_GET;
        what->nfgen_family = kern_family_number(family);
        what->version = NFNETLINK_V0;
        mnl_attr_put_u32(request, NFNLA_HOOK_HOOKNUM, htonl((uint32_t)hook->number));
        r = kern_netlink_dump(NETLINK_NETFILTER, request, read_hook, &walk);
        /* The kernel knows none of these messages, or nothing of netfilter. */
        if (r == -EINVAL || r == -EPROTONOSUPPORT)
                return -EOPNOTSUPP;
        return r < 0 ? r : walk.ended;
}
