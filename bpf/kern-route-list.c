/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <linux/rtnetlink.h>

#include "kern-hook-list.h"
#include "kern-netlink.h"
#include "kern-route-encap.h"
#include "kern-util.h"

/* How often the routes may change while they are read. */
#define ATTEMPTS 10

/* Those that have programs, which are few, where routes may be many. */
typedef struct List {
        uint32_t ifindex;
        int family;         /* that is being asked for */
        KernOccupant *list; /* owned */
        size_t n;
} List;

static void list_done(List *list)
{
        free(list->list);
        *list = (List){.ifindex = list->ifindex};
}

static int add(List *list, const KernOccupant *o)
{
        KernOccupant *longer = realloc(list->list, (list->n + 1) * sizeof(*longer));

        if (!longer)
                return -ENOMEM;
        longer[list->n++] = *o;
        list->list = longer;
        return 0;
}

/* Each program of the route @o. */
static int add_programs(List *list, KernOccupant *o, const KernEncap *encap)
{
        int r = 0;

        for (int slot = 0; r >= 0 && slot < _KERN_SLOT_MAX; slot++) {
                if (!encap->names[slot][0])
                        continue;
                o->type = kern_type_find(kern_slot_type((KernSlot)slot));
                o->position = 1;
                o->prog_id = slot == KERN_SLOT_SEGMENT ? encap->program_id
                                                       : kern_encap_id(encap, (KernSlot)slot);
                snprintf(o->name, sizeof(o->name), "%s", encap->names[slot]);
                r = add(list, o);
        }
        return r;
}

static void read_network(struct nlmsghdr *message, KernOccupant *ret)
{
        const struct rtmsg *rt = nlmsg_data(message);
        const struct nlattr *address = nlmsg_find_attr(message, sizeof(*rt), RTA_DST);
        KernPrefix prefix = {.family = rt->rtm_family, .length = rt->rtm_dst_len};

        if (address && nla_len(address) == (int)kern_prefix_size(&prefix))
                memcpy(prefix.bytes, nla_data(address), kern_prefix_size(&prefix));
        (void)kern_prefix_to_string(&prefix, ret->route);
        ret->table = kern_netlink_u32(nlmsg_find_attr(message, sizeof(*rt), RTA_TABLE));
        ret->metric = kern_netlink_u32(nlmsg_find_attr(message, sizeof(*rt), RTA_PRIORITY));
}

/* An older kernel gives those by other interfaces, too. */
static int read_route(struct nlmsghdr *message, void *userdata)
{
        List *list = userdata;
        const struct nlattr *encap, *oif;
        KernOccupant o = {0};
        KernEncap found;

        if (message->nlmsg_type != RTM_NEWROUTE || !nlmsg_valid_hdr(message, sizeof(struct rtmsg)))
                return 0;
        /* It gives those of the other family, too, where it has none of this one. */
        if (((const struct rtmsg *)nlmsg_data(message))->rtm_family != list->family)
                return 0;
        encap = nlmsg_find_attr(message, sizeof(struct rtmsg), RTA_ENCAP);
        oif = nlmsg_find_attr(message, sizeof(struct rtmsg), RTA_OIF);
        if (!encap || kern_netlink_u32(oif) != list->ifindex)
                return 0;
        kern_encap_read(nlmsg_find_attr(message, sizeof(struct rtmsg), RTA_ENCAP_TYPE), encap,
                        &found);
        if (!found.programs)
                return 0;
        read_network(message, &o);
        return add_programs(list, &o, &found);
}

static int read_family(List *list, int family)
{
        struct rtmsg *rt;
        KERN_AUTO_NETLINK struct nl_msg *request =
                kern_netlink_new(RTM_GETROUTE, 0, sizeof(*rt), &rt);

        if (!request)
                return -ENOMEM;
        list->family = family;
        rt->rtm_family = (uint8_t)family;
        if (nla_put_u32(request, RTA_OIF, list->ifindex) < 0)
                return -EMSGSIZE;
        return kern_netlink_walk(NETLINK_ROUTE, request, read_route, list);
}

int kern_routes_list(uint32_t ifindex, KernOccupantFunc found, void *userdata)
{
        KERN_CLEANUP(list_done) List list = {.ifindex = ifindex};
        int r = -EINTR;

        for (int i = 0; r == -EINTR && i < ATTEMPTS; i++) {
                list_done(&list);
                r = read_family(&list, AF_INET);
                if (r >= 0)
                        r = read_family(&list, AF_INET6);
        }
        /* A kernel without one of the two */
        if (r == -EAFNOSUPPORT || r == -EOPNOTSUPP)
                r = 0;
        for (size_t i = 0; r == 0 && i < list.n; i++)
                r = found(&list.list[i], userdata);
        return r;
}
