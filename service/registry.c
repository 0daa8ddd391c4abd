/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "registry.h"

#include "foreign.h"
#include "hook-param.h"
#include "kern-cgroup.h"
#include "kern-xdp.h"
#include "sharing.h"

struct Registry {
        Quota *quota;
        BusApi *api;
        CgroupWatch *cgroups; /* or NULL */
        Foreign *foreign;
        GHashTable *loads;      /* id → Load */
        GHashTable *programs;   /* id → Program, the load's */
        GHashTable *maps;       /* id → Map, the load's */
        GHashTable *links;      /* id → Link */
        GHashTable *extensions; /* id → Program that it is of, the load's */
        GHashTable *targets;    /* id → number of programs that were loaded to go into it */
        Sharing *sharing;
        GHashTable *claims; /* set of interface and member, as 64 bits */
};

#define KEY(id) GUINT_TO_POINTER(id)

static GArray *id_array_new(void)
{
        return g_array_new(FALSE, FALSE, sizeof(uint32_t));
}

static void id_array_remove(GArray *ids, uint32_t id)
{
        for (guint i = 0; i < ids->len; i++)
                if (g_array_index(ids, uint32_t, i) == id) {
                        g_array_remove_index(ids, i);
                        return;
                }
}

static void program_free(Program *p)
{
        g_free(p->target_function);
        bus_program_done(&p->pub);
        g_free(p);
}

static void map_free(Map *m)
{
        bus_map_done(&m->pub);
        g_free(m);
}

Load *load_new(uint32_t id, uid_t owner, const char *application, char **metadata,
               const char *digest)
{
        Load *load = g_new0(Load, 1);

        load->id = id;
        load->owner = owner;
        load->application = g_strdup(application);
        load->metadata = g_strdupv(metadata);
        load->digest = g_strdup(digest);
        load->programs = g_ptr_array_new_with_free_func((GDestroyNotify)program_free);
        load->maps = g_ptr_array_new_with_free_func((GDestroyNotify)map_free);
        return load;
}

unsigned load_metadata_size(char *const *metadata)
{
        size_t size = 0;

        for (; metadata && *metadata; metadata++)
                size += strlen(*metadata) + 1;
        return (unsigned)size;
}

void load_free(Load *load)
{
        if (!load)
                return;
        g_ptr_array_unref(load->programs);
        g_ptr_array_unref(load->maps);
        g_free(load->application);
        g_strfreev(load->metadata);
        g_free(load->digest);
        g_free(load);
}

Program *load_add_program(Load *load, const KernType *type, const char *name, const char *section,
                          const KernProgramInfo *info)
{
        Program *p = g_new0(Program, 1);

        p->load = load;
        p->type = type;
        bus_program_fill(&p->pub, info);
        g_free(p->pub.name);
        p->pub.name = g_strdup(name);
        g_free(p->pub.type);
        p->pub.type = g_strdup(type->name);
        g_free(p->pub.section);
        p->pub.section = g_strdup(section);
        g_free(p->pub.application);
        p->pub.application = g_strdup(load->application);
        g_free(p->pub.source_digest);
        p->pub.source_digest = g_strdup(load->digest);
        p->pub.metadata = g_strdupv(load->metadata);
        p->pub.managed = true;
        p->pub.owner_uid = load->owner;
        g_ptr_array_add(load->programs, p);
        return p;
}

int load_add_map(Load *load, const char *name, bool shared, const KernMapInfo *info)
{
        size_t value_size;
        int r;

        r = kern_map_value_size(info, &value_size);
        if (r < 0)
                return r;
        Map *m = g_new0(Map, 1);

        m->load = load;
        m->map_type = info->map_type;
        m->value_size = value_size;
        bus_map_fill(&m->pub, info, value_size);
        g_free(m->pub.name);
        m->pub.name = g_strdup(name);
        g_free(m->pub.application);
        m->pub.application = g_strdup(load->application);
        m->pub.managed = true;
        m->pub.shared = shared;
        m->pub.owner_uid = load->owner;
        g_ptr_array_add(load->maps, m);
        return 0;
}

/* What the hook borrows, as the link's own. */
static void copy_lists(Link *link, const KernHook *hook)
{
        kern_hook_drop_borrowed(&link->hook);
        for (int i = 0; i < _KERN_PARAM_MAX; i++) {
                void *member = kern_hook_member(&link->hook, (KernParam)i);
                const void *from = (const char *)hook + kern_params[i].offset;
                const char *const *texts = from;
                const KernNumbers *numbers = from;

                if (kern_params[i].kind == KERN_KIND_TEXTS && *texts) {
                        char *copy = g_strdup(*texts);

                        g_ptr_array_add(link->lists, copy);
                        *(const char **)member = copy;
                } else if (kern_params[i].kind == KERN_KIND_NUMBERS && numbers->n > 0) {
                        uint64_t *copy = g_memdup2(numbers->list, numbers->n * sizeof(*copy));

                        g_ptr_array_add(link->lists, copy);
                        *(KernNumbers *)member = (KernNumbers){copy, numbers->n};
                }
        }
}

Link *link_new(uint32_t id, uid_t owner, const Program *program, const KernHook *hook)
{
        Link *link = g_new0(Link, 1);
        BusLink *pub = &link->pub;

        link->state = LINK_ATTACHING;
        link->hook = *hook;
        pub->id = id;
        pub->type = g_strdup(hook->type->name);
        pub->program_id = program->pub.id;
        pub->program_name = g_strdup(program->pub.name);
        pub->owner_uid = owner;
        pub->attach_time = (uint64_t)g_get_real_time();
        pub->kernel_link_ids = id_array_new();
        pub->interface = "";
        pub->interface_index = hook->ifindex;
        pub->target_program_id = hook->target_program_id;
        pub->target_map_id = hook->map_id;
        pub->sharing = kern_sharing_to_string(hook->type->sharing);
        link->lists = g_ptr_array_new_with_free_func(g_free);
        copy_lists(link, hook);
        link->netns = NETNS_INIT;
        return link;
}

void link_set_netns(Link *link, const Netns *netns)
{
        link->netns = *netns;
        link->pub.netns_inode = netns->inode;
}

void link_set_device(Link *link, Device *device)
{
        device_unref(link->device);
        link->device = device;
        link->pub.device_number = device_number(device);
}

bool link_has(const Link *link, const KernLinkInfo *info)
{
        if (info->link_type == BPF_LINK_TYPE_STRUCT_OPS)
                return info->map_id != 0 && info->map_id == link->hook.map_id;
        return info->prog_id == link->pub.program_id;
}

void link_set_text(Link *link, KernParam param, const char *text)
{
        g_free(link->texts[param]);
        link->texts[param] = g_strdup(text);
        if (param == KERN_PARAM_INTERFACE)
                link->pub.interface = link->texts[param];
}

void link_param(const Link *link, KernParam param, BusValue *ret)
{
        static const KernHook none = {.cpu = -1};
        const KernType *type = link->hook.type;
        KernHook hook = kern_type_takes(type, KERN_PARAM_BIT(param)) ? link->hook : none;

        if (!link_has_priority(link))
                hook.priority = 0;
        if (kern_type_is_xdp(type)) {
                hook.mode = link->attachment.xdp_mode;
                if (link->attachment.xdp_member == 0)
                        hook.proceed_on = 0;
        }
        if (type->sharing == KERN_SHARING_DISPATCHER && link->attachment.tc_slot == 0)
                hook.proceed_on = 0;
        hook_param_value(&hook, link->texts, param, ret);
        /* The first of the words, too, is one that was meant only where the type takes any. */
        if (kern_params[param].kind == KERN_KIND_WORD &&
            !kern_type_takes(type, KERN_PARAM_BIT(param)))
                ret->s[0] = '\0';
}

void link_publish_attachment(Link *link)
{
        if (kern_type_is_xdp(link->hook.type))
                link->pub.sharing = link->attachment.xdp_member != 0 ? "libxdp" : "exclusive";
        if (kern_cgroup_holds(&link->hook))
                link->pub.sharing = "exclusive";
        if (link->hook.type->sharing == KERN_SHARING_DISPATCHER)
                link->pub.sharing = link->attachment.tc_slot != 0 ? "dispatcher" : "kernel";
}

static gint64 claim_key(const Link *link)
{
        return (gint64)link->hook.ifindex << 32 | link->attachment.xdp_member;
}

bool registry_claim(Registry *r, Link *link)
{
        gint64 key = claim_key(link);

        if (g_hash_table_contains(r->claims, &key))
                return false;
        link->claim = key;
        link->claims = g_hash_table_ref(r->claims);
        g_hash_table_add(r->claims, g_memdup2(&key, sizeof(key)));
        return true;
}

void link_free(Link *link)
{
        if (!link)
                return;
        if (link->claims) {
                g_hash_table_remove(link->claims, &link->claim);
                g_hash_table_unref(link->claims);
        }
        g_free(link->pub.type);
        g_free(link->pub.program_name);
        g_array_unref(link->pub.kernel_link_ids);
        g_ptr_array_unref(link->lists);
        device_unref(link->device);
        for (int i = 0; i < _KERN_PARAM_MAX; i++)
                g_free(link->texts[i]);
        g_free(link);
}

Registry *registry_new(Quota *quota)
{
        Registry *r = g_new0(Registry, 1);

        r->quota = quota;
        r->foreign = foreign_new();
        r->sharing = sharing_new();
        r->loads = g_hash_table_new_full(NULL, NULL, NULL, (GDestroyNotify)load_free);
        r->programs = g_hash_table_new(NULL, NULL);
        r->maps = g_hash_table_new(NULL, NULL);
        r->links = g_hash_table_new_full(NULL, NULL, NULL, (GDestroyNotify)link_free);
        r->extensions = g_hash_table_new(NULL, NULL);
        r->targets = g_hash_table_new(NULL, NULL);
        r->claims = g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, NULL);
        return r;
}

void registry_free(Registry *r)
{
        if (!r)
                return;
        foreign_free(r->foreign);
        sharing_free(r->sharing);
        g_hash_table_unref(r->links);
        g_hash_table_unref(r->claims);
        g_hash_table_unref(r->extensions);
        g_hash_table_unref(r->targets);
        g_hash_table_unref(r->programs);
        g_hash_table_unref(r->maps);
        g_hash_table_unref(r->loads);
        g_free(r);
}

void registry_set_api(Registry *r, BusApi *api)
{
        r->api = api;
        foreign_set_api(r->foreign, api);
}

void registry_set_cgroup_watch(Registry *r, CgroupWatch *watch)
{
        r->cgroups = watch;
}

Program *registry_program(Registry *r, uint32_t id)
{
        return g_hash_table_lookup(r->programs, KEY(id));
}

Map *registry_map(Registry *r, uint32_t id)
{
        return g_hash_table_lookup(r->maps, KEY(id));
}

Link *registry_link(Registry *r, uint32_t id)
{
        return g_hash_table_lookup(r->links, KEY(id));
}

Load *registry_load(Registry *r, uint32_t id)
{
        return g_hash_table_lookup(r->loads, KEY(id));
}

Program *registry_extension(Registry *r, uint32_t id)
{
        return g_hash_table_lookup(r->extensions, KEY(id));
}

bool registry_is_target(Registry *r, uint32_t id)
{
        return g_hash_table_contains(r->targets, KEY(id));
}

/* One more or one less that goes into that program. */
static void count_target(Registry *r, uint32_t id, int change)
{
        int n = GPOINTER_TO_INT(g_hash_table_lookup(r->targets, KEY(id))) + change;

        if (id != 0 && n > 0)
                g_hash_table_insert(r->targets, KEY(id), GINT_TO_POINTER(n));
        else
                g_hash_table_remove(r->targets, KEY(id));
}

Program *registry_any_program(Registry *r, uint32_t id)
{
        Program *p = registry_program(r, id);

        if (p || registry_extension(r, id))
                return p;
        return foreign_program(r->foreign, id);
}

Map *registry_any_map(Registry *r, uint32_t id)
{
        return registry_map(r, id) ?: foreign_map(r->foreign, id);
}

Map *registry_shared_map(Registry *r, uid_t owner, const char *name)
{
        GHashTableIter i;
        gpointer value;

        g_hash_table_iter_init(&i, r->maps);
        while (g_hash_table_iter_next(&i, NULL, &value)) {
                Map *m = value;

                if (m->pub.shared && m->load->owner == owner && g_str_equal(m->pub.name, name))
                        return m;
        }
        return NULL;
}

GHashTable *registry_loads(Registry *r)
{
        return r->loads;
}

GHashTable *registry_links(Registry *r)
{
        return r->links;
}

Sharing *registry_sharing(Registry *r)
{
        return r->sharing;
}

bool registry_is_empty(Registry *r)
{
        return g_hash_table_size(r->loads) == 0 && g_hash_table_size(r->links) == 0;
}

static int compare_ids(gconstpointer a, gconstpointer b)
{
        uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

        return (x > y) - (x < y);
}

void registry_sort_ids(GArray *ids)
{
        g_array_sort(ids, compare_ids);
}

GArray *registry_ids(Registry *r, BusKind kind)
{
        GHashTable *own = kind == BUS_PROGRAM ? r->programs : kind == BUS_MAP ? r->maps : r->links;
        GArray *ids = id_array_new();
        GHashTableIter i;
        gpointer key;

        g_hash_table_iter_init(&i, own);
        while (g_hash_table_iter_next(&i, &key, NULL)) {
                uint32_t id = GPOINTER_TO_UINT(key);

                g_array_append_val(ids, id);
        }
        if (kind != BUS_LINK)
                foreign_append_ids(r->foreign, kind, own,
                                   kind == BUS_PROGRAM ? r->extensions : NULL, ids);
        registry_sort_ids(ids);
        return ids;
}

static void announce(Registry *r, BusKind kind, uint32_t id, const char *property)
{
        if (!r->api)
                return;
        if (property)
                bus_api_emit_changed(r->api, kind, id, property);
        else
                bus_api_emit_added(r->api, kind, id);
}

/* The maps that @p uses learn of it; those of other loads announce that. */
static void connect_maps(Registry *r, Program *p)
{
        for (guint i = 0; i < p->pub.maps->len; i++) {
                Map *m = registry_map(r, g_array_index(p->pub.maps, uint32_t, i));

                if (!m)
                        continue;
                g_array_append_val(m->pub.programs, p->pub.id);
                if (m->load != p->load)
                        announce(r, BUS_MAP, m->pub.id, "Programs");
        }
}

void registry_add_load(Registry *r, Load *load)
{
        g_hash_table_insert(r->loads, KEY(load->id), load);
        quota_charge_existing(r->quota, load->owner, CHARGE_PROGRAMS, load->programs->len);
        quota_charge_existing(r->quota, load->owner, CHARGE_MAPS, load->maps->len);
        quota_charge_existing(r->quota, load->owner, CHARGE_LOGS, load->log_kib);
        quota_charge_existing(r->quota, load->owner, CHARGE_METADATA,
                              load_metadata_size(load->metadata));
        for (guint i = 0; i < load->maps->len; i++) {
                Map *m = g_ptr_array_index(load->maps, i);

                foreign_forget(r->foreign, BUS_MAP, m->pub.id);
                g_hash_table_insert(r->maps, KEY(m->pub.id), m);
        }
        for (guint i = 0; i < load->programs->len; i++) {
                Program *p = g_ptr_array_index(load->programs, i);

                foreign_forget(r->foreign, BUS_PROGRAM, p->pub.id);
                g_hash_table_insert(r->programs, KEY(p->pub.id), p);
                if (p->extension_id != 0) {
                        foreign_forget(r->foreign, BUS_PROGRAM, p->extension_id);
                        g_hash_table_insert(r->extensions, KEY(p->extension_id), p);
                }
                count_target(r, p->target_id, 1);
                connect_maps(r, p);
        }
        for (guint i = 0; i < load->maps->len; i++)
                announce(r, BUS_MAP, ((Map *)g_ptr_array_index(load->maps, i))->pub.id, NULL);
        for (guint i = 0; i < load->programs->len; i++)
                announce(r, BUS_PROGRAM, ((Program *)g_ptr_array_index(load->programs, i))->pub.id,
                         NULL);
}

void registry_add_link(Registry *r, Link *link)
{
        Program *p = registry_program(r, link->pub.program_id);

        g_hash_table_insert(r->links, KEY(link->pub.id), link);
        sharing_add(r->sharing, link);
        quota_charge_existing(r->quota, link->pub.owner_uid, CHARGE_LINKS, 1);
        if (r->cgroups && link->texts[KERN_PARAM_CGROUP])
                cgroup_watch_add(r->cgroups, link->texts[KERN_PARAM_CGROUP]);
        announce(r, BUS_LINK, link->pub.id, NULL);
        if (p) {
                g_array_append_val(p->pub.links, link->pub.id);
                announce(r, BUS_PROGRAM, p->pub.id, "Links");
        }
}

static void swap_programs(Registry *r, const Link *link, uint32_t old_id)
{
        Program *old = registry_program(r, old_id),
                *new = registry_program(r, link->pub.program_id);

        if (old) {
                id_array_remove(old->pub.links, link->pub.id);
                announce(r, BUS_PROGRAM, old_id, "Links");
        }
        if (new) {
                g_array_append_val(new->pub.links, link->pub.id);
                announce(r, BUS_PROGRAM, new->pub.id, "Links");
        }
}

void registry_change_link(Registry *r, Link *link, void (*change)(Link *link, void *userdata),
                          void *userdata)
{
        const uint32_t program = link->pub.program_id;

        sharing_remove(r->sharing, link);
        change(link, userdata);
        sharing_add(r->sharing, link);
        if (link->claims) {
                g_hash_table_remove(r->claims, &link->claim);
                link->claim = claim_key(link);
                g_hash_table_add(r->claims, g_memdup2(&link->claim, sizeof(link->claim)));
        }
        if (link->pub.program_id != program)
                swap_programs(r, link, program);
}

bool registry_is_claimed(Registry *r, uint32_t ifindex, uint32_t member)
{
        const gint64 key = (gint64)ifindex << 32 | member;

        return g_hash_table_contains(r->claims, &key);
}

void registry_remove_link(Registry *r, Link *link)
{
        Program *p = registry_program(r, link->pub.program_id);

        if (r->api)
                bus_api_emit_removed(r->api, BUS_LINK, link->pub.id);
        if (p) {
                id_array_remove(p->pub.links, link->pub.id);
                announce(r, BUS_PROGRAM, p->pub.id, "Links");
        }
        if (r->cgroups && link->texts[KERN_PARAM_CGROUP])
                cgroup_watch_remove(r->cgroups, link->texts[KERN_PARAM_CGROUP]);
        quota_release(r->quota, link->pub.owner_uid, CHARGE_LINKS, 1);
        sharing_remove(r->sharing, link);
        g_hash_table_remove(r->links, KEY(link->pub.id));
}

/*
 * A map stays while its load has programs or a program of another load uses it; so do maps that no
 * program's code names (outer maps, maps for user space), which live as long as their load.
 */
static bool map_is_needed(const Map *m)
{
        return m->load->programs->len > 0 || m->pub.programs->len > 0;
}

static void note(GArray *ids, uint32_t id)
{
        id_array_remove(ids, id);
        g_array_append_val(ids, id);
}

static void prune_load(Registry *r, Load *load, GArray *maps_gone, GArray *changed, GArray *gone)
{
        for (guint i = load->maps->len; i > 0; i--) {
                Map *m = g_ptr_array_index(load->maps, i - 1);

                if (map_is_needed(m))
                        continue;
                if (r->api)
                        bus_api_emit_removed(r->api, BUS_MAP, m->pub.id);
                g_array_append_val(maps_gone, m->pub.id);
                g_hash_table_remove(r->maps, KEY(m->pub.id));
                quota_release(r->quota, load->owner, CHARGE_MAPS, 1);
                g_ptr_array_remove_index(load->maps, i - 1);
        }
        if (load->programs->len > 0 || load->maps->len > 0) {
                note(changed, load->id);
                return;
        }
        note(gone, load->id);
        quota_release(r->quota, load->owner, CHARGE_LOGS, load->log_kib);
        quota_release(r->quota, load->owner, CHARGE_METADATA, load_metadata_size(load->metadata));
        g_hash_table_remove(r->loads, KEY(load->id));
}

void registry_drop_load(Registry *r, uint32_t id)
{
        g_autoptr(GArray) maps = id_array_new(), changed = id_array_new(), gone = id_array_new();
        Load *load = registry_load(r, id);

        g_assert(load->programs->len == 0);
        prune_load(r, load, maps, changed, gone);
}

void registry_remove_program(Registry *r, Program *p, GArray *maps_gone, GArray *loads_changed,
                             GArray *loads_gone)
{
        g_autoptr(GHashTable) loads = g_hash_table_new(NULL, NULL);
        Load *load = p->load;
        GHashTableIter iter;
        gpointer other;

        if (r->api)
                bus_api_emit_removed(r->api, BUS_PROGRAM, p->pub.id);
        for (guint i = 0; i < p->pub.maps->len; i++) {
                Map *m = registry_map(r, g_array_index(p->pub.maps, uint32_t, i));

                if (!m)
                        continue;
                id_array_remove(m->pub.programs, p->pub.id);
                if (m->load != load && map_is_needed(m))
                        announce(r, BUS_MAP, m->pub.id, "Programs");
                else if (m->load != load)
                        g_hash_table_add(loads, m->load);
                else if (load->programs->len > 1)
                        announce(r, BUS_MAP, m->pub.id, "Programs");
        }
        quota_release(r->quota, load->owner, CHARGE_PROGRAMS, 1);
        g_hash_table_remove(r->programs, KEY(p->pub.id));
        g_hash_table_remove(r->extensions, KEY(p->extension_id));
        count_target(r, p->target_id, -1);
        g_ptr_array_remove(load->programs, p);
        g_hash_table_add(loads, load);
        g_hash_table_iter_init(&iter, loads);
        while (g_hash_table_iter_next(&iter, &other, NULL))
                prune_load(r, other, maps_gone, loads_changed, loads_gone);
}
