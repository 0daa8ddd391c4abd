/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* GetHook(): what is on the hooks of an interface and the like, whoever put it there. */

#include "attach-op.h"
#include "errors.h"
#include "hook-look.h"
#include "hook-param.h"
#include "kern-cgroup.h"
#include "kern-route.h"
#include "link-device.h"

static void attach_args_op_free(void *p)
{
        attach_op_done(p);
        g_free(p);
}

/* Whether a link of ours is what is there; the rest was compared before. */
static bool is_it(const Link *link, const KernOccupant *o)
{
        const GArray *ids = link->pub.kernel_link_ids;

        /* Which the kernel has but one of in a network namespace. */
        if (o->family != KERN_FAMILY_NONE)
                return link->hook.family == o->family &&
                       link->hook.hook_priority == o->hook_priority &&
                       g_strcmp0(link->hook.name, o->hook) == 0;
        if (kern_type_is_xdp(link->hook.type))
                return link->attachment.xdp_member == (o->member ? o->prog_id : 0);
        if (o->index != 0)
                return link->attachment.tc_handle == o->tc_handle && link->hook.index == o->index;
        if (o->tc_handle != 0)
                return link->attachment.tc_handle == o->tc_handle &&
                       link->attachment.tc_priority == o->priority;
        if (kern_cgroup_holds(&link->hook))
                return o->attach_flags == link->hook.attach_flags &&
                       o->cgroup_id == link->pub.cgroup_id &&
                       o->direction == link->hook.direction &&
                       g_str_equal(o->hook ?: "", link->hook.name);
        if (kern_is_on_route(link->hook.type))
                return link->hook.table == o->table && g_str_equal(link->hook.route, o->route) &&
                       (!(link->hook.given & KERN_PARAM_BIT(KERN_PARAM_METRIC)) ||
                        link->hook.metric == o->metric);
        /* Where the program is but once; which device it is was compared before. */
        if (link_is_on_device(link))
                return true;
        return o->link_id != 0 && ids->len > 0 && g_array_index(ids, uint32_t, 0) == o->link_id;
}

static const Link *find_link(Registry *registry, uint32_t program_id, const AttachOp *op,
                             const KernOccupant *o)
{
        const Program *program = registry_program(registry, program_id);

        for (guint i = 0; program && i < program->pub.links->len; i++) {
                const Link *link =
                        registry_link(registry, g_array_index(program->pub.links, uint32_t, i));

                if (link && link->hook.type == o->type && link->hook.ifindex == op->hook.ifindex &&
                    link->netns.inode == op->netns.inode &&
                    link->pub.device_number == op->device_number && is_it(link, o))
                        return link;
        }
        return NULL;
}

static void clear_occupant(void *p)
{
        BusOccupant *o = p;

        g_free(o->name);
        g_free(o->route);
        g_strfreev(o->proceed_on);
}

/* Its id is what its name says, which counts where a link of ours is there. */
static bool is_claim(const KernOccupant *o)
{
        return *o->route && o->type->prog_type != BPF_PROG_TYPE_LWT_SEG6LOCAL;
}

static void fill(BusOccupant *ret, const AttachOp *op, Daemon *daemon, const KernOccupant *o)
{
        Registry *registry = daemon->registry;
        const Program *owner = o->member ? registry_extension(registry, o->prog_id) : NULL;
        const Program *program = NULL;
        const Link *link = NULL;

        *ret = (BusOccupant){
                .type = o->type->name,
                .direction = kern_direction_to_string(o->direction),
                .hook = o->hook ?: "",
                .position = o->position,
                .kernel_link_id = o->link_id,
                .priority = o->priority,
                .family = kern_word(kern_params[KERN_PARAM_FAMILY].words, o->family),
                .hook_priority = o->hook_priority,
                .mode = kern_type_is_xdp(o->type) ? kern_xdp_mode_to_string(o->mode) : "",
                /* An action's is for us alone. */
                .handle = o->index == 0 ? o->tc_handle : 0,
                .index = o->index,
                .inherited = o->inherited,
                .attach_flags = kern_type_takes(o->type, KERN_PARAM_BIT(KERN_PARAM_ATTACH_FLAGS))
                                        ? kern_attach_flags_to_string(o->attach_flags)
                                        : "",
                .route = g_strdup(o->route),
                .table = o->table,
                .metric = o->metric,
                .program_id = owner ? owner->pub.id : o->prog_id,
        };
        link = find_link(registry, ret->program_id, op, o);
        if (!link && is_claim(o))
                ret->program_id = 0;
        if (ret->program_id != 0)
                program = registry_any_program(registry, ret->program_id);
        ret->owner_uid = program ? program->pub.owner_uid : 0;
        /* What isn't a program is called what kind of filter it is. */
        ret->name = g_strdup(program && *program->pub.name ? program->pub.name : o->name);
        if (o->member) {
                const KernHook hook = {.type = o->type, .proceed_on = o->proceed_on};

                ret->proceed_on = hook_param_words(&hook, KERN_PARAM_PROCEED_ON);
        }
        if (!link)
                return;
        ret->link_id = link->pub.id;
        if (link->pub.kernel_link_ids->len > 0)
                ret->kernel_link_id = g_array_index(link->pub.kernel_link_ids, uint32_t, 0);
        ret->owner_uid = link->pub.owner_uid;
        /* What it was told: in the dispatcher it may have been moved behind an equal. */
        ret->priority =
                link_has_priority(link) && kern_type_takes(link->hook.type,
                                                           KERN_PARAM_BIT(KERN_PARAM_PRIORITY))
                        ? link->hook.priority
                        : 0;
}

/* Members of a chain of ours are one filter to the kernel. */
static bool is_chain(const Link *link, const KernOccupant *o)
{
        return link->attachment.tc_slot != 0 && link->hook.type == o->type &&
               link->attachment.tc_handle == o->tc_handle &&
               link->attachment.tc_priority == o->priority;
}

typedef struct Listing {
        const AttachOp *op;
        Daemon *daemon;
        GArray *list; /* BusOccupant */
        uint32_t position;
        const KernOccupant *last; /* of the same hook, or NULL */
} Listing;

static void list_one(Listing *l, const KernOccupant *o)
{
        const bool same = l->last && l->last->type == o->type &&
                          l->last->direction == o->direction && l->last->hook == o->hook &&
                          l->last->family == o->family && l->last->index == o->index && !*o->route;
        BusOccupant *new;

        g_array_set_size(l->list, l->list->len + 1);
        new = &g_array_index(l->list, BusOccupant, l->list->len - 1);
        fill(new, l->op, l->daemon, o);
        new->position = l->position = same ? l->position + 1 : 1;
        l->last = o;
}

static void list_link(Listing *l, const KernOccupant *o, const Link *link)
{
        KernOccupant member = *o;
        BusOccupant *new;

        member.prog_id = link->pub.program_id;
        list_one(l, &member);
        l->last = o;
        new = &g_array_index(l->list, BusOccupant, l->list->len - 1);
        new->link_id = link->pub.id;
        new->owner_uid = link->pub.owner_uid;
        new->priority = link->hook.priority;
        new->proceed_on = hook_param_words(&link->hook, KERN_PARAM_PROCEED_ON);
}

/* A dispatcher of ours isn't worth a word: what it runs is. */
static void list_occupant(Listing *l, const KernOccupant *o)
{
        KernHook hook = KERN_HOOK_INIT;
        const GPtrArray *links;
        bool chain = false;

        hook.type = o->type;
        hook.ifindex = l->op->hook.ifindex;
        hook.direction = o->direction;
        links = o->tc_handle != 0 ? sharing_links(registry_sharing(l->daemon->registry), &hook,
                                                  l->op->netns.inode)
                                  : NULL;
        for (guint i = 0; links && i < links->len; i++) {
                const Link *link = g_ptr_array_index(links, i);

                if (!is_chain(link, o))
                        continue;
                list_link(l, o, link);
                chain = true;
        }
        if (!chain)
                list_one(l, o);
}

/* By hooks as the kernel's list has them, and on each in the order in which they run. */
static int compare_netfilter(const void *a, const void *b)
{
        const KernOccupant *x = a, *y = b;
        const KernHookName *of_x = kern_type_find_hook(x->type, x->hook);
        const KernHookName *of_y = kern_type_find_hook(y->type, y->hook);

        if (x->family != y->family)
                return x->family < y->family ? -1 : 1;
        if (of_x->number != of_y->number)
                return of_x->number < of_y->number ? -1 : 1;
        return (x->hook_priority > y->hook_priority) - (x->hook_priority < y->hook_priority);
}

/* Where the kernel doesn't tell what is on netfilter's hooks of the namespace, at least what is ours. */
static void list_own_netfilter(Listing *l)
{
        g_autoptr(GArray) own = g_array_new(FALSE, TRUE, sizeof(KernOccupant));
        const KernType *type = kern_type_find("netfilter");
        GHashTableIter iter;
        const Link *link;

        if (l->last && l->last->type == type)
                return;
        g_hash_table_iter_init(&iter, registry_links(l->daemon->registry));
        while (g_hash_table_iter_next(&iter, NULL, (gpointer *)&link)) {
                const KernHookName *hook = kern_type_find_hook(type, link->hook.name);
                KernOccupant o = {.type = type,
                                  .hook = hook ? hook->name : NULL,
                                  .family = link->hook.family,
                                  .hook_priority = link->hook.hook_priority,
                                  .prog_id = link->pub.program_id};

                if (link->hook.type == type && hook && netns_is(&link->netns, &l->op->netns))
                        g_array_append_val(own, o);
        }
        g_array_sort(own, compare_netfilter);
        for (guint i = 0; i < own->len; i++)
                list_one(l, &g_array_index(own, KernOccupant, i));
        l->last = NULL;
}

/* Kernel links of ours in other network namespaces, of which the kernel may not tell that. */
static GArray *find_elsewhere(Daemon *daemon, const AttachOp *op)
{
        GArray *ids = g_array_new(FALSE, FALSE, sizeof(uint64_t));
        GHashTableIter iter;
        const Link *link;

        g_hash_table_iter_init(&iter, registry_links(daemon->registry));
        while (g_hash_table_iter_next(&iter, NULL, (gpointer *)&link)) {
                const GArray *own = link->pub.kernel_link_ids;

                if (!kern_type_takes(link->hook.type, KERN_PARAM_BIT(KERN_PARAM_NETNS)) ||
                    netns_is(&link->netns, &op->netns))
                        continue;
                for (guint i = 0; i < own->len; i++) {
                        uint64_t id = g_array_index(own, uint32_t, i);

                        g_array_append_val(ids, id);
                }
        }
        return ids;
}

/*
 * Of a cgroup the kernel tells programs and no links. A program that is there more than once has its links
 * in the order in which we had them put there.
 */
static void settle_twins(const Listing *l, GArray *occupants)
{
        for (guint i = 0; i < occupants->len; i++)
                for (guint j = i + 1; j < occupants->len; j++) {
                        KernOccupant *a = &g_array_index(occupants, KernOccupant, i);
                        KernOccupant *b = &g_array_index(occupants, KernOccupant, j);
                        const Link *first, *second;
                        uint32_t id = a->link_id;

                        if (a->prog_id != b->prog_id || a->type != b->type ||
                            a->direction != b->direction || a->hook != b->hook)
                                continue;
                        first = find_link(l->daemon->registry, a->prog_id, l->op, a);
                        second = find_link(l->daemon->registry, b->prog_id, l->op, b);
                        if (!first || !second || !link_has_priority(first) ||
                            !link_has_priority(second) || link_compare(first, second) <= 0)
                                continue;
                        a->link_id = b->link_id;
                        b->link_id = id;
                }
}

static void on_looked(GArray *occupants, GError *error, void *userdata)
{
        Request *request = userdata;
        g_autoptr(GArray) list = NULL;
        Listing l = {.op = request->op, .daemon = request->daemon};

        if (error) {
                request_fail(request, error);
                return;
        }
        list = l.list = g_array_sized_new(FALSE, TRUE, sizeof(BusOccupant), occupants->len);
        g_array_set_clear_func(list, clear_occupant);
        /* Each with each: of others' filters there may be many, of a cgroup's programs the kernel has few. */
        if (l.op->hook.cgroup_fd >= 0)
                settle_twins(&l, occupants);
        for (guint i = 0; i < occupants->len; i++)
                list_occupant(&l, &g_array_index(occupants, KernOccupant, i));
        if (l.op->hook.ifindex == 0 && l.op->hook.cgroup_fd < 0 && l.op->hook.device_fd < 0 &&
            l.op->hook.family == KERN_FAMILY_NONE)
                list_own_netfilter(&l);
        request_finish(request,
                       bus_reply_hook(request->m, (const BusOccupant *)(const void *)list->data,
                                      list->len));
}

static void prepare(Request *request)
{
        AttachOp *op = request->op;
        GError *error = attach_hook_set_place(op, request->uid);
        KernHookPlace place = KERN_HOOK_PLACE_INIT;
        g_autoptr(GArray) elsewhere = NULL;

        if (error) {
                request_fail(request, error);
                return;
        }
        elsewhere = find_elsewhere(request->daemon, op);
        place.ifindex = op->hook.ifindex;
        place.cgroup_fd = op->hook.cgroup_fd;
        place.device_fd = op->hook.device_fd;
        place.netns_fd = op->files[KERN_PARAM_NETNS];
        place.family = op->hook.family;
        place.hook = op->hook.name;
        place.elsewhere = sharing_numbers(elsewhere);
        hook_look(request->daemon, request->uid, &place, on_looked, request, request->cancellable);
}

void op_get_hook(void *service, sd_bus_message *m, BusAttachArgs *args)
{
        request_start(service, m, attach_op_new(args), attach_args_op_free, prepare);
}
