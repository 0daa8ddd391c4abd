/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sharing.h"

#include "kern-action.h"
#include "kern-cgroup.h"
#include "kern-holder.h"
#include "kern-xdp-arrange.h"

struct Sharing {
        GHashTable *hooks; /* key → Hook */
};

typedef struct Waiting {
        SharingFunc func;
        void *userdata;
} Waiting;

/* One hook; there while it has links, or somebody has its turn. */
typedef struct Hook {
        Sharing *sharing;
        char *key;
        GPtrArray *links; /* Link, in the order in which they run */
        GPtrArray *held;  /* LinkSpecs, of which some may be links', too */
        bool taken;
        GQueue waiting; /* Waiting */
} Hook;

struct SharingTurn {
        Hook *hook;
};

struct SharingSpecs {
        LinkSpecs specs;
        Hook *hook;
};

static void hook_free(void *p)
{
        Hook *hook = p;

        g_queue_clear_full(&hook->waiting, g_free);
        g_ptr_array_unref(hook->links);
        g_ptr_array_unref(hook->held);
        g_free(hook->key);
        g_free(hook);
}

Sharing *sharing_new(void)
{
        Sharing *s = g_new0(Sharing, 1);

        s->hooks = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, hook_free);
        return s;
}

void sharing_free(Sharing *s)
{
        if (!s)
                return;
        g_hash_table_unref(s->hooks);
        g_free(s);
}

/* NULL where nobody keeps an order. */
static char *key_of(const KernHook *hook, uint64_t cgroup_id, uint64_t netns)
{
        if (!kern_type_takes(hook->type, KERN_PARAM_BIT(KERN_PARAM_PRIORITY)))
                return NULL;
        return g_strdup_printf("%s %s %u %u %" G_GUINT64_FORMAT " %" G_GUINT64_FORMAT,
                               hook->type->name, hook->name, hook->ifindex,
                               (unsigned)hook->direction, cgroup_id, netns);
}

static char *key_of_map(uint32_t map_id)
{
        return g_strdup_printf("map %u", map_id);
}

/* NULL where there is no order, and nobody who could be in the way. */
static char *key_of_turn(const Link *link)
{
        if (kern_is_action(link->hook.type))
                return g_strdup_printf("action %u %" G_GUINT64_FORMAT, link->hook.index,
                                       link->netns.inode);
        switch (kern_holder(&link->hook)) {
        case KERN_HOLDER_DEVICE:
                return g_strdup_printf("device %" G_GUINT64_FORMAT, link->pub.device_number);
        case KERN_HOLDER_MAP_ENTRY:
                return key_of_map(link->hook.map_id);
        case KERN_HOLDER_ROUTE:
                /* Whatever the metric, which may not have been given. */
                return g_strdup_printf("route %s %u %u %" G_GUINT64_FORMAT, link->hook.route,
                                       link->hook.table, link->hook.ifindex, link->netns.inode);
        default:
                return key_of(&link->hook, link->pub.cgroup_id, link->netns.inode);
        }
}

static char *key_of_specs(uint32_t map_id)
{
        return g_strdup_printf("specs %u", map_id);
}

/* Links that have their specs in one map share that, wherever they are. */
static char *key_of_link(const Link *link)
{
        if (link->specs.map_id != 0)
                return key_of_specs(link->specs.map_id);
        return key_of_turn(link);
}

static Hook *get_hook(Sharing *s, char *key)
{
        g_autofree char *owned = key;
        Hook *hook = g_hash_table_lookup(s->hooks, key);

        if (hook)
                return hook;
        hook = g_new0(Hook, 1);
        hook->sharing = s;
        hook->key = g_steal_pointer(&owned);
        hook->links = g_ptr_array_new();
        hook->held = g_ptr_array_new();
        g_queue_init(&hook->waiting);
        g_hash_table_insert(s->hooks, hook->key, hook);
        return hook;
}

static Hook *find_hook(Sharing *s, const Link *link, bool make)
{
        g_autofree char *key = key_of_link(link);

        if (!key)
                return NULL;
        return make ? get_hook(s, g_steal_pointer(&key)) : g_hash_table_lookup(s->hooks, key);
}

static void drop_if_unused(Hook *hook)
{
        if (hook->links->len == 0 && hook->held->len == 0 && !hook->taken)
                g_hash_table_remove(hook->sharing->hooks, hook->key);
}

bool link_has_priority(const Link *link)
{
        return !kern_cgroup_holds(&link->hook) &&
               !(link->hook.given &
                 (KERN_PARAM_BIT(KERN_PARAM_BEFORE) | KERN_PARAM_BIT(KERN_PARAM_AFTER)));
}

/* Ids grow with every attachment. */
int link_compare(const Link *a, const Link *b)
{
        if (a->hook.priority != b->hook.priority)
                return a->hook.priority < b->hook.priority ? -1 : 1;
        return (a->pub.id > b->pub.id) - (a->pub.id < b->pub.id);
}

static bool runs_before(const Link *a, const Link *b)
{
        return link_compare(a, b) < 0;
}

void sharing_add(Sharing *s, Link *link)
{
        Hook *hook = find_hook(s, link, true);
        guint i = 0;

        if (!hook)
                return;
        while (i < hook->links->len && runs_before(g_ptr_array_index(hook->links, i), link))
                i++;
        g_ptr_array_insert(hook->links, (int)i, link);
}

void sharing_remove(Sharing *s, Link *link)
{
        Hook *hook = find_hook(s, link, false);

        if (!hook)
                return;
        g_ptr_array_remove(hook->links, link);
        drop_if_unused(hook);
}

const GPtrArray *sharing_links(Sharing *s, const KernHook *hook, uint64_t netns)
{
        g_autofree char *key = key_of(hook, 0, netns);
        const Hook *found = key ? g_hash_table_lookup(s->hooks, key) : NULL;

        return found ? found->links : NULL;
}

static void append(GArray *numbers, uint64_t n)
{
        g_array_append_val(numbers, n);
}

const GPtrArray *sharing_links_in_map(Sharing *s, uint32_t map_id)
{
        g_autofree char *key = key_of_map(map_id);
        const Hook *found = g_hash_table_lookup(s->hooks, key);

        return found ? found->links : NULL;
}

GArray *sharing_followers(Sharing *s, const Link *link)
{
        GArray *numbers = g_array_new(FALSE, FALSE, sizeof(uint64_t));
        const Hook *hook = link->specs.map_id == 0 ? find_hook(s, link, false) : NULL;

        for (guint i = 0; hook && i < hook->links->len; i++) {
                const Link *other = g_ptr_array_index(hook->links, i);

                if (other != link && link_has_priority(other) && runs_before(link, other) &&
                    other->pub.kernel_link_ids->len > 0)
                        append(numbers, g_array_index(other->pub.kernel_link_ids, uint32_t, 0));
        }
        return numbers;
}

/* Whether @other, on the same hook, leaves no room there for the program. */
static bool excludes(const Link *other, const Link *link)
{
        switch (kern_holder(&other->hook)) {
        case KERN_HOLDER_NONE:
                return kern_is_action(other->hook.type);
        case KERN_HOLDER_DEVICE:
        case KERN_HOLDER_ROUTE:
                return other->pub.program_id == link->pub.program_id;
        case KERN_HOLDER_MAP_ENTRY:
                return other->hook.key == link->hook.key;
        default:
                return true;
        }
}

Link *sharing_holder(Sharing *s, const Link *link)
{
        const Hook *hook = find_hook(s, link, false);

        for (guint i = 0; hook && i < hook->links->len; i++) {
                Link *other = g_ptr_array_index(hook->links, i);

                if (other != link && excludes(other, link))
                        return other;
        }
        return NULL;
}

KernNumbers sharing_numbers(const GArray *numbers)
{
        return (KernNumbers){(const uint64_t *)(const void *)numbers->data, numbers->len};
}

static uint64_t fellow_of(const Link *link)
{
        return KERN_XDP_FELLOW(link->hook.priority, link->attachment.xdp_member);
}

/* Of the other links there. */
static GArray *add_programs(GArray *numbers, const Hook *hook, const Link *link)
{
        for (guint i = 0; hook && i < hook->links->len; i++) {
                const Link *other = g_ptr_array_index(hook->links, i);

                if (other != link)
                        append(numbers, other->pub.program_id);
        }
        return numbers;
}

GArray *sharing_fellows(Sharing *s, const Link *link)
{
        GArray *numbers = g_array_new(FALSE, FALSE, sizeof(uint64_t));
        const Hook *hook = find_hook(s, link, false);
        bool placed = false;

        if (kern_holder(&link->hook) == KERN_HOLDER_ROUTE)
                return add_programs(numbers, hook, link);
        for (guint i = 0; hook && i < hook->links->len; i++) {
                const Link *other = g_ptr_array_index(hook->links, i);

                if (other == link || other->attachment.xdp_member == 0)
                        continue;
                if (!placed && runs_before(link, other)) {
                        append(numbers, fellow_of(link));
                        placed = true;
                }
                append(numbers, fellow_of(other));
        }
        if (!placed)
                append(numbers, fellow_of(link));
        return numbers;
}

static uint64_t end_of(const LinkSpecs *specs)
{
        return (uint64_t)specs->first + specs->n;
}

/* One that has numbers from @first to before @end, or NULL. */
static const LinkSpecs *find_taken(const Hook *hook, uint64_t first, uint64_t end)
{
        for (guint i = 0; i < hook->links->len + hook->held->len; i++) {
                const LinkSpecs *other =
                        i < hook->links->len ? &((Link *)g_ptr_array_index(hook->links, i))->specs
                                             : g_ptr_array_index(hook->held, i - hook->links->len);

                if (other->first < end && end_of(other) > first)
                        return other;
        }
        return NULL;
}

SharingSpecs *sharing_hold_specs(Sharing *s, const LinkSpecs *specs)
{
        SharingSpecs *held;

        if (specs->map_id == 0)
                return NULL;
        held = g_new(SharingSpecs, 1);
        *held = (SharingSpecs){*specs, get_hook(s, key_of_specs(specs->map_id))};
        g_ptr_array_add(held->hook->held, &held->specs);
        return held;
}

SharingSpecs *sharing_find_specs(Sharing *s, uint32_t map_id, uint32_t n, LinkSpecs *ret)
{
        const Hook *hook = get_hook(s, key_of_specs(map_id));
        const LinkSpecs *taken;
        uint64_t first = 0;

        while ((taken = find_taken(hook, first, first + n)))
                first = end_of(taken);
        *ret = (LinkSpecs){map_id, (uint32_t)MIN(first, G_MAXUINT32), n};
        return sharing_hold_specs(s, ret);
}

void sharing_release_specs(SharingSpecs *held)
{
        if (!held)
                return;
        g_ptr_array_remove_fast(held->hook->held, &held->specs);
        drop_if_unused(held->hook);
        g_free(held);
}

static void give_turn(Hook *hook, SharingFunc func, void *userdata)
{
        SharingTurn *turn = g_new(SharingTurn, 1);

        turn->hook = hook;
        hook->taken = true;
        func(turn, userdata);
}

void sharing_enter(Sharing *s, const Link *link, SharingFunc func, void *userdata)
{
        char *key = key_of_turn(link);
        Hook *hook = get_hook(s, key ?: g_strdup_printf("link %u", link->pub.id));

        if (!hook->taken) {
                give_turn(hook, func, userdata);
        } else {
                Waiting *w = g_new(Waiting, 1);

                *w = (Waiting){func, userdata};
                g_queue_push_tail(&hook->waiting, w);
        }
}

void sharing_leave(SharingTurn *turn)
{
        g_autofree Waiting *next = NULL;
        Hook *hook;

        if (!turn)
                return;
        hook = turn->hook;
        g_free(turn);
        hook->taken = false;
        next = g_queue_pop_head(&hook->waiting);
        if (next)
                give_turn(hook, next->func, next->userdata);
        else
                drop_if_unused(hook);
}
