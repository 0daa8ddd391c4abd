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
} Walk;

/* nft's base chains are called by their tables and themselves, as "filter input". */
static void name_chain(struct nlattr *description, KernOccupant *o)
{
        struct nlattr *attributes[__NFNLA_CHAIN_MAX] = {0};
        char table[32];

        (void)nla_parse_nested(attributes, NFNLA_CHAIN_MAX, description, NULL);
        kern_netlink_text(attributes[NFNLA_CHAIN_TABLE], table, sizeof(table));
        if (attributes[NFNLA_CHAIN_NAME] && nla_len(attributes[NFNLA_CHAIN_NAME]) > 0)
                snprintf(o->name, sizeof(o->name), "%s %.*s", table,
                         nla_len(attributes[NFNLA_CHAIN_NAME]),
                         (const char *)nla_data(attributes[NFNLA_CHAIN_NAME]));
}

/* What it is, of what has more to say than the function that is called */
static void describe(struct nlattr *attribute, KernOccupant *o)
{
        struct nlattr *info[__NFNLA_HOOK_INFO_MAX] = {0};
        struct nlattr *program[KERN_NFNLA_HOOK_BPF_ID + 1] = {0};
        uint32_t type;

        (void)nla_parse_nested(info, NFNLA_HOOK_INFO_MAX, attribute, NULL);
        if (!info[NFNLA_HOOK_INFO_DESC])
                return;
        type = ntohl(kern_netlink_u32(info[NFNLA_HOOK_INFO_TYPE]));
        if (type == KERN_NFNL_HOOK_TYPE_BPF) {
                (void)nla_parse_nested(program, KERN_NFNLA_HOOK_BPF_ID, info[NFNLA_HOOK_INFO_DESC],
                                       NULL);
                o->prog_id = ntohl(kern_netlink_u32(program[KERN_NFNLA_HOOK_BPF_ID]));
        } else if (type == NFNL_HOOK_TYPE_NFTABLES) {
                name_chain(info[NFNLA_HOOK_INFO_DESC], o);
        }
}

static int read_hook(struct nlmsghdr *message, void *userdata)
{
        struct nlattr *attributes[__NFNLA_HOOK_MAX] = {0};
        Walk *walk = userdata;
        KernOccupant *o = &walk->occupant;

        if (message->nlmsg_type != HOOK_GET ||
            nlmsg_parse(message, sizeof(struct nfgenmsg), attributes, NFNLA_HOOK_MAX, NULL) < 0)
                return 0;
        o->position++;
        o->prog_id = 0;
        o->hook_priority = (int32_t)ntohl(kern_netlink_u32(attributes[NFNLA_HOOK_PRIORITY]));
        kern_netlink_text(attributes[NFNLA_HOOK_FUNCTION_NAME], o->name, sizeof(o->name));
        if (attributes[NFNLA_HOOK_CHAIN_INFO])
                describe(attributes[NFNLA_HOOK_CHAIN_INFO], o);
        return walk->found(o, walk->userdata);
}

int kern_netfilter_list(KernFamily family, const KernHookName *hook, KernOccupantFunc found,
                        void *userdata)
{
        struct nfgenmsg *what;
        KERN_AUTO_NETLINK struct nl_msg *request =
                kern_netlink_new(HOOK_GET, 0, sizeof(*what), &what);
        Walk walk = {
                .occupant = {.type = kern_type_find("netfilter"),
                             .hook = hook->name,
                             .family = family},
                .found = found,
                .userdata = userdata,
        };
        int r;

        if (!request)
                return -ENOMEM;
        what->nfgen_family = kern_family_number(family);
        what->version = NFNETLINK_V0;
        if (nla_put_u32(request, NFNLA_HOOK_HOOKNUM, htonl((uint32_t)hook->number)) < 0)
                return -ENOMEM;
        r = kern_netlink_dump(NETLINK_NETFILTER, request, read_hook, &walk);
        /* The kernel knows none of these messages, or nothing of netfilter. */
        return r == -EINVAL || r == -EPROTONOSUPPORT ? -EOPNOTSUPP : r;
}
