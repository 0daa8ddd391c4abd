/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "kern-route-table.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <linux/rtnetlink.h>
#include <netlink/attr.h>

#include "kern-attach-internal.h"

/* How often a table may change while it is read. */
#define ATTEMPTS 10

/* What our own attributes take of a message, at most. */
#define ENCAP_SIZE 1024

/* Flags that are somebody's wish; the others tell of the route's state, and the kernel refuses some. */
#define FLAGS_KEPT (RTNH_F_ONLINK | RTNH_F_PERVASIVE)

void kern_routes_done(KernRoutes *routes)
{
        for (size_t i = 0; i < routes->n; i++)
                free(routes->list[i].message);
        routes->n = 0;
}

static const struct rtmsg *header_of(const struct nlmsghdr *message)
{
        return nlmsg_data(message);
}

static const struct nlattr *attribute_of(const struct nlmsghdr *message, int type)
{
        return nlmsg_find_attr((struct nlmsghdr *)message, sizeof(struct rtmsg), type);
}

static uint32_t number_of(const struct nlmsghdr *message, int type)
{
        return kern_netlink_u32(attribute_of(message, type));
}

static bool leads_to(const struct nlmsghdr *message, const KernPrefix *prefix)
{
        const struct rtmsg *rt = header_of(message);
        const struct nlattr *address = attribute_of(message, RTA_DST);
        const size_t size = kern_prefix_size(prefix);

        /* Those for packets from some network only are others, and so are what the kernel remembers of one. */
        if (rt->rtm_family != prefix->family || rt->rtm_dst_len != prefix->length ||
            rt->rtm_src_len != 0 || (rt->rtm_flags & RTM_F_CLONED))
                return false;
        if (!address)
                return prefix->length == 0;
        return (size_t)nla_len(address) == size &&
               memcmp(nla_data(address), prefix->bytes, size) == 0;
}

/* A copy of the message, of which the route is, or one of its next hops. */
static KernRoute *add(KernRoutes *routes, const struct nlmsghdr *message)
{
        KernRoute *route = &routes->list[routes->n];

        *route = (KernRoute){.message = malloc(message->nlmsg_len)};
        if (!route->message)
                return NULL;
        memcpy(route->message, message, message->nlmsg_len);
        route->metric = number_of(message, RTA_PRIORITY);
        routes->n++;
        return route;
}

static int add_hop(KernRoutes *routes, const struct nlmsghdr *message, size_t offset)
{
        KernRoute *route;
        const struct rtnexthop *hop;
        const struct nlattr *first;
        int size;

        if (routes->n == KERN_ROUTES_MAX)
                return -E2BIG;
        route = add(routes, message);
        if (!route)
                return -ENOMEM;
        hop = (const void *)((const char *)route->message + offset);
        first = (const void *)RTNH_DATA(hop);
        size = (int)(hop->rtnh_len - RTNH_LENGTH(0));
        route->ifindex = (uint32_t)hop->rtnh_ifindex;
        route->several = true;
        route->encap_type = nla_find(first, size, RTA_ENCAP_TYPE);
        route->encap = nla_find(first, size, RTA_ENCAP);
        return 0;
}

static int add_hops(KernRoutes *routes, const struct nlmsghdr *message, const struct nlattr *hops)
{
        const struct rtnexthop *hop = nla_data(hops);
        int rest = nla_len(hops), r = 0;

        for (; r >= 0 && rest >= (int)sizeof(*hop) && RTNH_OK(hop, rest); hop = RTNH_NEXT(hop)) {
                r = add_hop(routes, message, (size_t)((const char *)hop - (const char *)message));
                rest -= (int)RTNH_ALIGN(hop->rtnh_len);
        }
        return r;
}

/* An older kernel gives all tables, whichever was asked for. */
static int read_route(struct nlmsghdr *message, void *userdata)
{
        KernRoutes *routes = userdata;
        const struct nlattr *hops;
        KernRoute *route;

        if (message->nlmsg_type != RTM_NEWROUTE ||
            !nlmsg_valid_hdr(message, sizeof(struct rtmsg)) ||
            number_of(message, RTA_TABLE) != routes->hook->table ||
            !leads_to(message, &routes->prefix))
                return 0;
        hops = attribute_of(message, RTA_MULTIPATH);
        if (hops)
                return add_hops(routes, message, hops);
        if (routes->n == KERN_ROUTES_MAX)
                return -E2BIG;
        route = add(routes, message);
        if (!route)
                return -ENOMEM;
        route->ifindex = number_of(message, RTA_OIF);
        route->encap_type = attribute_of(route->message, RTA_ENCAP_TYPE);
        route->encap = attribute_of(route->message, RTA_ENCAP);
        return 0;
}

static int read_all(KernRoutes *routes)
{
        const uint32_t table = routes->hook->table;
        struct rtmsg *rt;
        KERN_AUTO_NETLINK struct nl_msg *request =
                kern_netlink_new(RTM_GETROUTE, 0, sizeof(*rt), &rt);
        int r = -EINTR;

        if (!request)
                return -ENOMEM;
        rt->rtm_family = (uint8_t)routes->prefix.family;
        rt->rtm_table = table < 256 ? (uint8_t)table : RT_TABLE_COMPAT;
        if (nla_put_u32(request, RTA_TABLE, table) < 0)
                return -EMSGSIZE;
        for (int i = 0; r == -EINTR && i < ATTEMPTS; i++) {
                kern_routes_done(routes);
                r = kern_netlink_walk(NETLINK_ROUTE, request, read_route, routes);
        }
        return r;
}

int kern_routes_read(const KernHook *hook, KernRoutes *ret, KernDiag *diag)
{
        int r;

        ret->hook = hook;
        ret->n = 0;
        r = kern_prefix_parse(hook->route, &ret->prefix, diag);
        if (r < 0)
                return r;
        r = read_all(ret);
        switch (-r) {
        case 0:
        case ENOENT: /* There is no such table. */
                return 0;
        case E2BIG:
                return kern_fail(diag, r, KERN_ERROR_LIMIT_EXCEEDED,
                                 "Table %u has more than %d routes to %s; that many are looked "
                                 "through",
                                 hook->table, KERN_ROUTES_MAX, hook->route);
        case EINTR:
                return kern_fail(diag, -EBUSY, KERN_ERROR_HOOK_BUSY,
                                 "Table %u is changed by others all the time; try again",
                                 hook->table);
        default:
                return kern_fail(diag, r, KERN_ERROR_FAILED,
                                 "Can't read the routes of table %u: %s", hook->table,
                                 strerror(-r));
        }
}

bool kern_route_is_wished(const KernRoute *route, const KernHook *hook)
{
        return route->ifindex == hook->ifindex &&
               (!(hook->given & KERN_PARAM_BIT(KERN_PARAM_METRIC)) ||
                route->metric == hook->metric);
}

/* Routes as people know them */

static const char *type_name(const KernRoute *route)
{
        static const char *const names[] = {
                [RTN_LOCAL] = "local",
                [RTN_BROADCAST] = "broadcast",
                [RTN_ANYCAST] = "anycast",
                [RTN_MULTICAST] = "multicast",
                [RTN_BLACKHOLE] = "blackhole",
                [RTN_UNREACHABLE] = "unreachable",
                [RTN_PROHIBIT] = "prohibit",
                [RTN_THROW] = "throw",
                [RTN_NAT] = "nat",
        };
        const uint8_t type = header_of(route->message)->rtm_type;
        const char *name = type < KERN_ELEMENTSOF(names) ? names[type] : NULL;

        return name ?: "special";
}

static bool is_unicast(const KernRoute *route)
{
        return header_of(route->message)->rtm_type == RTN_UNICAST;
}

static size_t describe(const KernRoute *route, char *ret, size_t size)
{
        char buffer[IF_NAMESIZE];
        const char *name = route->ifindex ? kern_interface_name(route->ifindex, buffer) : NULL;
        int n;

        if (name)
                n = snprintf(ret, size, "interface %s%s with metric %u", name,
                             route->several ? ", one of several next hops," : "", route->metric);
        else
                n = snprintf(ret, size, "none, being a %s route, with metric %u", type_name(route),
                             route->metric);
        return n < 0 ? 0 : (size_t)n;
}

static void list_routes(const KernRoutes *routes, char *ret, size_t size)
{
        size_t n = 0;

        ret[0] = '\0';
        for (size_t i = 0; i < routes->n && n < size; i++) {
                if (i > 0)
                        n += (size_t)snprintf(ret + n, size - n, "; ");
                if (n < size)
                        n += describe(&routes->list[i], ret + n, size - n);
        }
}

static int fail_none(const KernRoutes *routes, KernDiag *diag)
{
        const KernHook *hook = routes->hook;
        char buffer[IF_NAMESIZE], all[1024], metric[32] = "";
        const char *name = kern_interface_name(hook->ifindex, buffer);

        if (!name)
                return kern_no_such_interface(hook->ifindex, diag);
        if (hook->given & KERN_PARAM_BIT(KERN_PARAM_METRIC))
                snprintf(metric, sizeof(metric), " with metric %u", hook->metric);
        if (routes->n == 0)
                return kern_fail(diag, -ENOENT, KERN_ERROR_NO_SUCH_TARGET,
                                 "There is no route to %s in table %u; a program goes on a route "
                                 "that is there already",
                                 hook->route, hook->table);
        list_routes(routes, all, sizeof(all));
        return kern_fail(diag, -ENOENT, KERN_ERROR_NO_SUCH_TARGET,
                         "There is no route to %s by interface %s%s in table %u; what is there is "
                         "by %s",
                         hook->route, name, metric, hook->table, all);
}

static int fail_several(const KernRoutes *routes, KernDiag *diag)
{
        const KernHook *hook = routes->hook;
        char all[1024];

        list_routes(routes, all, sizeof(all));
        if (hook->given & KERN_PARAM_BIT(KERN_PARAM_METRIC))
                return kern_fail(diag, -EEXIST, KERN_ERROR_INVALID_ARGUMENT,
                                 "There are several routes to %s with metric %u by that interface, "
                                 "which differ in something else; give each a metric of its own",
                                 hook->route, hook->metric);
        return kern_fail(diag, -EEXIST, KERN_ERROR_INVALID_ARGUMENT,
                         "There are several routes to %s by that interface in table %u; say by "
                         "option \"metric\" which is meant: by %s",
                         hook->route, hook->table, all);
}

/* The kernel puts what replaces a route in the place of the first one with that prefix and metric. */
int kern_routes_check(const KernRoutes *routes, const KernRoute *route, KernDiag *diag)
{
        const struct rtmsg *rt = header_of(route->message);
        const KernRoute *first = routes->list;
        char text[128];

        if (route->several)
                return kern_fail(diag, -EOPNOTSUPP, KERN_ERROR_NOT_SUPPORTED,
                                 "The route to %s has several next hops, which the kernel changes "
                                 "but all at once; a program goes on, and is taken off, a route "
                                 "with one: give each next hop a route with a metric of its own",
                                 routes->hook->route);

        while (first->metric != route->metric || header_of(first->message)->rtm_tos != rt->rtm_tos)
                first++;
        if (first == route)
                return 0;
        describe(first, text, sizeof(text));
        return kern_fail(
                diag, -EEXIST, KERN_ERROR_HOOK_BUSY,
                "Before the route to %s is another one in table %u, by %s, and that is the "
                "one which the kernel would replace; give one of them another metric",
                routes->hook->route, routes->hook->table, text);
}

static int check_kind(const KernRoutes *routes, const KernRoute *route, KernDiag *diag)
{
        const char *text = routes->hook->route;
        const struct rtmsg *rt = header_of(route->message);
        const struct nlattr *cache = attribute_of(route->message, RTA_CACHEINFO);

        if (!is_unicast(route))
                return kern_fail(diag, -EOPNOTSUPP, KERN_ERROR_INVALID_ARGUMENT,
                                 "The route to %s is of type %s, which is kept along with "
                                 "something else or leads nowhere; a program goes on a unicast "
                                 "route",
                                 text, type_name(route));
        if (attribute_of(route->message, RTA_NH_ID))
                return kern_fail(diag, -EOPNOTSUPP, KERN_ERROR_NOT_SUPPORTED,
                                 "The route to %s goes by nexthop object %u, which may be other "
                                 "routes', too; a program goes on a route that names its next hop "
                                 "itself",
                                 text, number_of(route->message, RTA_NH_ID));
        if (rt->rtm_protocol == RTPROT_RA || rt->rtm_protocol == RTPROT_REDIRECT ||
            (cache && (size_t)nla_len(cache) >= sizeof(struct rta_cacheinfo) &&
             ((const struct rta_cacheinfo *)nla_data(cache))->rta_expires != 0))
                return kern_fail(diag, -EOPNOTSUPP, KERN_ERROR_NOT_SUPPORTED,
                                 "The route to %s is temporary: the kernel itself has it from "
                                 "the network, or it expires, and nothing would tell when it is "
                                 "made anew; a program goes on a route that stays",
                                 text);
        return 0;
}

/* The one that a program is to go on. */
int kern_routes_choose(const KernRoutes *routes, const KernRoute **ret, KernDiag *diag)
{
        const KernRoute *found = NULL;
        int r;

        for (size_t i = 0; i < routes->n; i++) {
                if (!kern_route_is_wished(&routes->list[i], routes->hook))
                        continue;
                if (found)
                        return fail_several(routes, diag);
                found = &routes->list[i];
        }
        if (!found)
                return fail_none(routes, diag);
        r = check_kind(routes, found, diag);
        if (r >= 0)
                r = kern_routes_check(routes, found, diag);
        if (r >= 0)
                *ret = found;
        return r;
}

static bool is_kept(const struct nlattr *attribute)
{
        switch (nla_type(attribute)) {
        case RTA_CACHEINFO:
        case RTA_ENCAP_TYPE:
        case RTA_ENCAP:
                return false;
        default:
                return true;
        }
}

static int copy_route(const struct nlmsghdr *route, struct nl_msg *message)
{
        struct rtmsg rt = *header_of(route);
        const struct nlattr *a = nlmsg_attrdata(route, sizeof(rt));
        int rest = nlmsg_attrlen(route, sizeof(rt));

        rt.rtm_flags &= FLAGS_KEPT;
        if (nlmsg_append(message, &rt, sizeof(rt), NLMSG_ALIGNTO) < 0)
                return -EMSGSIZE;
        for (; nla_ok(a, rest); a = nla_next(a, &rest))
                if (is_kept(a) && nla_put(message, nla_type(a), nla_len(a), nla_data(a)) < 0)
                        return -EMSGSIZE;
        return 0;
}

int kern_route_put(const KernRoute *route, const KernSlots *slots, char *ret_reason, size_t size)
{
        KERN_AUTO_NETLINK struct nl_msg *message =
                nlmsg_alloc_size(route->message->nlmsg_len + ENCAP_SIZE);
        int r;

        ret_reason[0] = '\0';
        if (!message ||
            !nlmsg_put(message, NL_AUTO_PORT, NL_AUTO_SEQ, RTM_NEWROUTE, 0, NLM_F_REPLACE))
                return -ENOMEM;
        r = copy_route(route->message, message);
        if (r >= 0)
                r = kern_encap_put(message, slots);
        return r < 0 ? r : kern_netlink_tell(NETLINK_ROUTE, message, ret_reason, size);
}
