/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <linux/netfilter.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_hook.h>

#include "kern-compat.h"
#include "kern-hook-list.h"
#include "kern-netlink.h"

typedef struct Walk {
        KernOccupant occupant;
        KernOccupantFunc found;
        void *userdata;
} Walk;

/* Attributes of netfilter's, in the byte order of networks, and with flags in their types. */
typedef struct Attributes {
        const struct nlattr *at;
        size_t left;
} Attributes;

static const struct nlattr *next(Attributes *a, const void **ret, size_t *ret_size)
{
        const struct nlattr *at = a->at;
        size_t whole;

        if (a->left < sizeof(*at) || at->nla_len < sizeof(*at) || at->nla_len > a->left)
                return NULL;
        *ret = at + 1;
        *ret_size = at->nla_len - sizeof(*at);
        whole = NLA_ALIGN((size_t)at->nla_len);
        a->left = whole < a->left ? a->left - whole : 0;
        a->at = (const struct nlattr *)(const void *)((const char *)at + whole);
        return at;
}

static unsigned type_of(const struct nlattr *attribute)
{
        return attribute->nla_type & NLA_TYPE_MASK;
}

static uint32_t number(const void *data, size_t size)
{
        uint32_t n = 0;

        if (size >= sizeof(n))
                memcpy(&n, data, sizeof(n));
        return ntohl(n);
}

/* nft's base chains are called by their tables and themselves, as "filter input". */
static void read_chain(Attributes *attributes, KernOccupant *o)
{
        const struct nlattr *a;
        char table[32] = "", chain[32] = "";
        const void *data;
        size_t size;

        while ((a = next(attributes, &data, &size)))
                if (type_of(a) == NFNLA_CHAIN_TABLE)
                        snprintf(table, sizeof(table), "%.*s", (int)size, (const char *)data);
                else if (type_of(a) == NFNLA_CHAIN_NAME)
                        snprintf(chain, sizeof(chain), "%.*s", (int)size, (const char *)data);
        if (*chain)
                snprintf(o->name, sizeof(o->name), "%s %s", table, chain);
}

static void read_program(Attributes *attributes, KernOccupant *o)
{
        const struct nlattr *a;
        const void *data;
        size_t size;

        while ((a = next(attributes, &data, &size)))
                if (type_of(a) == KERN_NFNLA_HOOK_BPF_ID)
                        o->prog_id = number(data, size);
}

static void read_info(const void *info, size_t info_size, KernOccupant *o)
{
        Attributes attributes = {info, info_size}, description = {0};
        const struct nlattr *a;
        uint32_t kind = 0;
        const void *data;
        size_t size;

        while ((a = next(&attributes, &data, &size)))
                if (type_of(a) == NFNLA_HOOK_INFO_TYPE)
                        kind = number(data, size);
                else if (type_of(a) == NFNLA_HOOK_INFO_DESC)
                        description = (Attributes){data, size};
        if (kind == NFNL_HOOK_TYPE_NFTABLES)
                read_chain(&description, o);
        else if (kind == KERN_NFNL_HOOK_TYPE_BPF)
                read_program(&description, o);
}

static int read_hook(const struct nlmsghdr *message, void *userdata)
{
        const size_t head = NLMSG_LENGTH(NLMSG_ALIGN(sizeof(struct nfgenmsg)));
        Walk *walk = userdata;
        KernOccupant *o = &walk->occupant;
        const struct nlattr *a;
        Attributes attributes;
        const void *data, *info = NULL;
        size_t size, info_size = 0;

        if (message->nlmsg_len < head)
                return -EBADMSG;
        attributes = (Attributes){(const void *)((const char *)message + head),
                                  message->nlmsg_len - head};
        o->prog_id = 0;
        o->hook_priority = 0;
        o->name[0] = '\0';
        while ((a = next(&attributes, &data, &size)))
                switch (type_of(a)) {
                case NFNLA_HOOK_PRIORITY:
                        o->hook_priority = (int32_t)number(data, size);
                        break;
                case NFNLA_HOOK_FUNCTION_NAME:
                        snprintf(o->name, sizeof(o->name), "%.*s", (int)size, (const char *)data);
                        break;
                case NFNLA_HOOK_CHAIN_INFO:
                        info = data;
                        info_size = size;
                        break;
                default:
                        break;
                }
        if (info)
                read_info(info, info_size, o);
        o->position++;
        return walk->found(o, walk->userdata);
}

uint8_t kern_family_number(KernFamily family)
{
        return family == KERN_FAMILY_IPV6 ? NFPROTO_IPV6 : NFPROTO_IPV4;
}

int kern_netfilter_list(KernFamily family, const KernHookName *hook, KernOccupantFunc found,
                        void *userdata)
{
        const uint16_t type = NFNL_SUBSYS_HOOK << 8 | NFNL_MSG_HOOK_GET;
        struct {
                struct nlmsghdr header;
                struct nfgenmsg what;
                struct nlattr attribute;
                uint32_t hook;
        } request = {
                .header = {.nlmsg_len = sizeof(request),
                           .nlmsg_type = type,
                           .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP},
                .what = {.nfgen_family = kern_family_number(family), .version = NFNETLINK_V0},
                .attribute = {.nla_len = NLA_HDRLEN + sizeof(uint32_t),
                              .nla_type = NFNLA_HOOK_HOOKNUM},
                .hook = htonl((uint32_t)hook->number),
        };
        Walk walk = {
                .occupant = {.type = kern_type_find("netfilter"),
                             .hook = hook->name,
                             .family = family},
                .found = found,
                .userdata = userdata,
        };
        int r = kern_netlink_dump(NETLINK_NETFILTER, &request.header, type, read_hook, &walk);

        /* The kernel knows none of these messages, or nothing of netfilter. */
        return r == -EINVAL || r == -EPROTONOSUPPORT ? -EOPNOTSUPP : r;
}
