/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <linux/if_link.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "kern-action.h"
#include "kern-attach-internal.h"
#include "kern-cgroup.h"
#include "kern-compat.h"
#include "kern-hook-list.h"
#include "kern-info.h"
#include "kern-lirc.h"
#include "kern-order.h"
#include "kern-xdp-internal.h"

typedef struct List {
        const KernHookPlace *place;
        uint64_t netns_inode; /* of place->netns_fd */
        KernOccupantFunc found;
        void *userdata;
} List;

static void name_program(KernOccupant *o)
{
        KERN_AUTO_CLOSE int fd = kern_program_open_id(o->prog_id);
        KernProgramInfo info;

        if (fd >= 0 && kern_program_info(fd, &info) >= 0)
                snprintf(o->name, sizeof(o->name), "%s", info.name);
}

static int report(const List *list, KernOccupant *o)
{
        o->position++;
        o->name[0] = '\0';
        name_program(o);
        return list->found(o, list->userdata);
}

/* Links that the kernel doesn't list with the hook */

static bool is_elsewhere(const KernHookPlace *place, uint32_t link_id)
{
        for (size_t i = 0; i < place->elsewhere.n; i++)
                if (place->elsewhere.list[i] == link_id)
                        return true;
        return false;
}

static bool fits(const List *list, const KernOccupant *o, const KernLinkInfo *info)
{
        const KernHookName *hook = o->hook ? kern_type_find_hook(o->type, o->hook) : NULL;

        switch ((int)info->link_type) {
        case BPF_LINK_TYPE_XDP:
                return kern_type_is_xdp(o->type) && info->ifindex == list->place->ifindex;
        case BPF_LINK_TYPE_NETNS:
                return info->netns_inode == list->netns_inode &&
                       (int)info->attach_type == o->type->attach_type;
        case KERN_BPF_LINK_TYPE_NETFILTER:
                return hook && o->family != KERN_FAMILY_NONE &&
                       info->family == kern_family_number(o->family) &&
                       (int)info->hook == hook->number && info->hook_priority == o->hook_priority;
        default:
                return false;
        }
}

/*
 * Of links of XDP and netfilter the kernel doesn't tell the network namespace, and in another one there
 * may be one of the same program on an interface of that index, or on that hook at that priority. Ours
 * there are known as such. Of two others' either might be it, and none is named (0): all that the
 * kernel tells of an interface or a hook is the program.
 */
static uint32_t find_link(const List *list, const KernOccupant *o)
{
        uint32_t id = 0, found = 0;

        while (kern_link_next_id(id, &id) >= 0) {
                KERN_AUTO_CLOSE int fd = kern_link_open_id(id);
                KernLinkInfo info;

                if (fd < 0 || kern_link_info(fd, &info) < 0 || info.prog_id != o->prog_id ||
                    !fits(list, o, &info) || is_elsewhere(list->place, id))
                        continue;
                if (found != 0)
                        return 0;
                found = id;
        }
        return found;
}

/* XDP */

static int list_xdp_program(const List *list, uint32_t id, KernXdpMode mode)
{
        KernOccupant o = {.type = kern_type_find("xdp"), .mode = mode, .prog_id = id};
        KernXdpMembers members;
        int r;

        if (mode == KERN_XDP_MODE_HW || kern_xdp_members(list->place->ifindex, &members) < 0 ||
            members.dispatcher != id) {
                o.link_id = find_link(list, &o);
                return report(list, &o);
        }
        o.member = true;
        for (size_t i = 0; i < members.n; i++) {
                o.prog_id = members.list[i].id;
                o.priority = members.list[i].priority;
                o.proceed_on = members.list[i].proceed_on;
                r = report(list, &o);
                if (r != 0)
                        return r;
        }
        return 0;
}

static int list_xdp(const List *list)
{
        LIBBPF_OPTS(bpf_xdp_query_opts, opts);
        int r;

        r = bpf_xdp_query((int)list->place->ifindex, 0, &opts);
        if (r < 0)
                return r;
        if (opts.hw_prog_id)
                r = list_xdp_program(list, opts.hw_prog_id, KERN_XDP_MODE_HW);
        if (r == 0 && opts.drv_prog_id)
                r = list_xdp_program(list, opts.drv_prog_id, KERN_XDP_MODE_NATIVE);
        if (r == 0 && opts.skb_prog_id)
                r = list_xdp_program(list, opts.skb_prog_id, KERN_XDP_MODE_SKB);
        return r;
}

/* Hooks of which the kernel keeps the order */

static bool take_out(KernChain *chain, uint32_t prog_id)
{
        for (size_t i = 0; i < chain->n; i++)
                if (chain->entries[i].prog_id == prog_id) {
                        chain->entries[i] = chain->entries[--chain->n];
                        return true;
                }
        return false;
}

static uint64_t cgroup_id(int fd)
{
        struct stat st;

        return fstat(fd, &st) < 0 ? 0 : st.st_ino;
}

/* Which of the cgroups above it is on, the nearest one first: of what runs the kernel doesn't tell. */
static void find_above(const KernPoint *point, KernOccupant *o)
{
        KERN_AUTO_CLOSE int fd = kern_cgroup_above(point->target);

        o->cgroup_id = 0;
        o->attach_flags = KERN_ATTACH_FLAGS_UNKNOWN;
        while (fd >= 0) {
                const KernPoint above = {point->attach_type, fd, true};
                KernChain chain;
                int next;

                if (kern_chain_query(&above, false, &chain) < 0)
                        return;
                if (kern_chain_has(&chain, o->prog_id)) {
                        o->cgroup_id = cgroup_id(fd);
                        o->attach_flags = chain.attach_flags;
                        return;
                }
                next = kern_cgroup_above(fd);
                kern_closep(&fd);
                fd = next;
        }
}

/* What is on the cgroups above and runs in this one as well: all that does but its own. */
static int list_inherited(const List *list, const KernPoint *point, KernChain *own, KernOccupant *o)
{
        uint32_t programs[KERN_CHAIN_MAX * 8];
        LIBBPF_OPTS(bpf_prog_query_opts, opts, .prog_ids = programs,
                    .count = KERN_ELEMENTSOF(programs), .query_flags = BPF_F_QUERY_EFFECTIVE);
        int r;

        if (bpf_prog_query_opts(point->target, (enum bpf_attach_type)point->attach_type, &opts) < 0)
                return errno == EINVAL ? 0 : -errno;
        o->inherited = true;
        o->link_id = 0;
        for (uint32_t i = 0; i < opts.count && i < KERN_ELEMENTSOF(programs); i++) {
                if (take_out(own, programs[i]))
                        continue;
                o->prog_id = programs[i];
                find_above(point, o);
                r = report(list, o);
                if (r != 0)
                        return r;
        }
        return 0;
}

static int list_chain(const List *list, const KernPoint *point, KernOccupant *o)
{
        KernChain chain;
        int r;

        r = kern_chain_query(point, true, &chain);
        /* A kernel that knows no such hook, or an interface that can't have it, has nothing there. */
        if (r == -EINVAL || r == -EOPNOTSUPP || r == -ENXIO || r == -EACCES)
                return 0;
        if (r < 0)
                return r;
        if (point->is_cgroup) {
                o->cgroup_id = cgroup_id(point->target);
                o->attach_flags = chain.attach_flags;
        }
        for (size_t i = 0; i < chain.n; i++) {
                o->prog_id = chain.entries[i].prog_id;
                o->link_id = chain.entries[i].link_id;
                r = report(list, o);
                if (r != 0)
                        return r;
        }
        return point->is_cgroup ? list_inherited(list, point, &chain, o) : 0;
}

static int list_point(const List *list, KernHook *hook, const char *name)
{
        KernOccupant o = {.type = hook->type, .direction = hook->direction, .hook = name};
        KernPoint point;

        snprintf(hook->name, sizeof(hook->name), "%s", name ? name : "");
        return kern_point_of(hook, &point) >= 0 ? list_chain(list, &point, &o) : 0;
}

/* A type's hooks, one after the other. */
static int list_type(const List *list, const KernType *type)
{
        KernHook hook = KERN_HOOK_INIT;
        int r = 0;

        hook.type = type;
        hook.ifindex = list->place->ifindex;
        hook.cgroup_fd = list->place->cgroup_fd;
        if (type->hooks) {
                for (const KernHookName *h = type->hooks; r == 0 && h->name; h++)
                        r = list_point(list, &hook, h->name);
                return r;
        }
        if (!kern_type_takes(type, KERN_PARAM_BIT(KERN_PARAM_DIRECTION)))
                return list_point(list, &hook, NULL);
        for (int d = KERN_DIRECTION_INGRESS; r == 0 && d <= KERN_DIRECTION_EGRESS; d++) {
                hook.direction = (KernDirection)d;
                r = list_point(list, &hook, NULL);
        }
        return r;
}

static int list_interface(const List *list)
{
        int r;

        r = list_xdp(list);
        for (const KernType *t = kern_types; r == 0 && t->name; t++)
                if (kern_type_takes(t, KERN_PARAM_BIT(KERN_PARAM_INTERFACE)))
                        r = list_type(list, t);
        for (int d = KERN_DIRECTION_INGRESS; r == 0 && d <= KERN_DIRECTION_EGRESS; d++)
                r = kern_filters_list(list->place->ifindex, (KernDirection)d, list->found,
                                      list->userdata);
        if (r == 0)
                r = kern_routes_list(list->place->ifindex, list->found, list->userdata);
        return r;
}

static int list_cgroup(const List *list)
{
        int r = 0;

        for (const KernType *t = kern_types; r == 0 && t->name; t++)
                if (kern_type_takes(t, KERN_PARAM_BIT(KERN_PARAM_CGROUP)))
                        r = list_type(list, t);
        return r;
}

static int list_device(const List *list)
{
        KernOccupant o = {.type = kern_type_find("lirc_mode2")};
        KernChain chain;
        int r = kern_lirc_query(list->place->device_fd, &chain);

        for (size_t i = 0; r == 0 && i < chain.n; i++) {
                o.prog_id = chain.entries[i].prog_id;
                r = report(list, &o);
        }
        return r;
}

/* Network namespaces */

static int list_netns_type(const List *list, const KernType *type)
{
        KernOccupant o = {.type = type};
        uint32_t programs[KERN_CHAIN_MAX], n = KERN_ELEMENTSOF(programs);
        int r = 0;

        if (bpf_prog_query(list->place->netns_fd, (enum bpf_attach_type)type->attach_type, 0, NULL,
                           programs, &n) < 0)
                return errno == EINVAL ? 0 : -errno;
        for (uint32_t i = 0; r == 0 && i < n && i < KERN_ELEMENTSOF(programs); i++) {
                o.prog_id = programs[i];
                o.link_id = find_link(list, &o);
                r = report(list, &o);
        }
        return r;
}

static int report_action(const KernOccupant *found, void *userdata)
{
        const List *list = userdata;
        KernOccupant o = *found;

        if (o.prog_id != 0)
                name_program(&o);
        return list->found(&o, list->userdata);
}

static int report_netfilter(const KernOccupant *found, void *userdata)
{
        const List *list = userdata;
        KernOccupant o = *found;

        if (o.prog_id != 0) {
                o.link_id = find_link(list, &o);
                name_program(&o);
        }
        return list->found(&o, list->userdata);
}

static int list_netfilter(List *list)
{
        const KernType *type = kern_type_find("netfilter");
        const KernHookPlace *place = list->place;
        int r = 0;

        for (int f = KERN_FAMILY_IPV4; f <= KERN_FAMILY_IPV6; f++)
                for (const KernHookName *h = type->hooks; r == 0 && h->name; h++)
                        if ((place->family == KERN_FAMILY_NONE || (int)place->family == f) &&
                            (!*place->hook || strcmp(place->hook, h->name) == 0))
                                r = kern_netfilter_list((KernFamily)f, h, report_netfilter, list);
        return r;
}

static int list_netns(List *list)
{
        struct stat st;
        int r = 0;

        if (fstat(list->place->netns_fd, &st) < 0)
                return -errno;
        list->netns_inode = st.st_ino;
        if (list->place->family != KERN_FAMILY_NONE)
                return list_netfilter(list);
        for (const KernType *t = kern_types; r == 0 && t->name; t++)
                if (kern_type_takes(t, KERN_PARAM_BIT(KERN_PARAM_NETNS)) && !t->hooks &&
                    !kern_type_takes(t, KERN_PARAM_BIT(KERN_PARAM_INTERFACE)))
                        r = kern_is_action(t) ? kern_actions_list(report_action, list)
                                              : list_netns_type(list, t);
        if (r == 0)
                r = list_netfilter(list);
        return r == -EOPNOTSUPP ? 0 : r;
}

int kern_hook_list(const KernHookPlace *place, KernOccupantFunc found, void *userdata,
                   KernDiag *diag)
{
        List list = {.place = place, .found = found, .userdata = userdata};
        int r;

        r = place->ifindex != 0     ? list_interface(&list)
            : place->cgroup_fd >= 0 ? list_cgroup(&list)
            : place->device_fd >= 0 ? list_device(&list)
                                    : list_netns(&list);
        if (r >= 0)
                return 0;
        if (place->device_fd >= 0)
                return kern_lirc_explain(r, diag);
        if (place->ifindex != 0 && kern_interface_is_gone(place->ifindex))
                return kern_no_such_interface(place->ifindex, diag);
        if (r == -EOPNOTSUPP && place->family != KERN_FAMILY_NONE)
                return kern_fail(diag, r, KERN_ERROR_NOT_SUPPORTED,
                                 "This kernel doesn't tell what is on netfilter's hooks (it needs "
                                 "Linux 5.14, CONFIG_NETFILTER_NETLINK_HOOK)");
        return kern_fail(diag, r, KERN_ERROR_FAILED, "The kernel doesn't tell what is there: %s",
                         strerror(-r));
}
