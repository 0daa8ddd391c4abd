/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>

#include <linux/if_link.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "kern-attach-internal.h"
#include "kern-compat.h"
#include "kern-hook-list.h"
#include "kern-info.h"
#include "kern-order.h"
#include "kern-xdp-internal.h"

typedef struct List {
        uint32_t ifindex;
        int cgroup_fd;
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

/* XDP */

/* 0 where there are two: indexes are the same in other network namespaces, which links don't tell. */
static uint32_t find_xdp_link(uint32_t ifindex, uint32_t prog_id)
{
        uint32_t id = 0, found = 0;

        while (kern_link_next_id(id, &id) >= 0) {
                KERN_AUTO_CLOSE int fd = kern_link_open_id(id);
                KernLinkInfo info;

                if (fd >= 0 && kern_link_info(fd, &info) >= 0 &&
                    info.link_type == BPF_LINK_TYPE_XDP && info.ifindex == ifindex &&
                    info.prog_id == prog_id) {
                        if (found != 0)
                                return 0;
                        found = id;
                }
        }
        return found;
}

static int list_xdp_program(const List *list, uint32_t id, KernXdpMode mode)
{
        KernOccupant o = {.type = kern_type_find("xdp"), .mode = mode, .prog_id = id};
        KernXdpMembers members;
        int r;

        if (mode == KERN_XDP_MODE_HW || kern_xdp_members(list->ifindex, &members) < 0 ||
            members.dispatcher != id) {
                o.link_id = find_xdp_link(list->ifindex, id);
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

        r = bpf_xdp_query((int)list->ifindex, 0, &opts);
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
        hook.ifindex = list->ifindex;
        hook.cgroup_fd = list->cgroup_fd;
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
                r = kern_filters_list(list->ifindex, (KernDirection)d, list->found, list->userdata);
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

int kern_hook_list(uint32_t ifindex, int cgroup_fd, KernOccupantFunc found, void *userdata,
                   KernDiag *diag)
{
        const List list = {ifindex, cgroup_fd, found, userdata};
        int r;

        r = ifindex != 0 ? list_interface(&list) : list_cgroup(&list);
        if (r >= 0)
                return 0;
        if (ifindex != 0 && kern_interface_is_gone(ifindex))
                return kern_no_such_interface(ifindex, diag);
        return kern_fail(diag, r, KERN_ERROR_FAILED, "The kernel doesn't tell what is there: %s",
                         strerror(-r));
}
