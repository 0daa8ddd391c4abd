/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "foreign.h"

#include <unistd.h>

/* What can be told of a kind of object without knowing which. */
typedef struct Kind {
        GHashTable *seen; /* id → Program or Map */
        GArray *came;     /* ids to announce */
        GPtrArray *went;  /* objects to announce as gone, still findable until that is done */
        int (*open_id)(uint32_t id);
        int (*next_id)(uint32_t id, uint32_t *ret);
        gpointer (*make)(int fd);
        uint32_t (*id)(gpointer object);
} Kind;

struct Foreign {
        BusApi *api;
        Kind kinds[2]; /* BUS_PROGRAM, BUS_MAP */
        guint announce_idle;
};

G_STATIC_ASSERT(BUS_PROGRAM == 0 && BUS_MAP == 1);

#define KEY(id) GUINT_TO_POINTER(id)

/* The kernel's names are bytes of whoever loaded the thing; the bus takes UTF-8 only. */
static char *presentable(const char *name)
{
        return g_utf8_make_valid(name, -1);
}

void bus_program_fill(BusProgram *pub, const KernProgramInfo *info)
{
        pub->id = info->id;
        pub->name = presentable(info->name);
        pub->type = g_strdup(kern_prog_type_name(info->prog_type));
        pub->kernel_type = g_strdup(pub->type);
        pub->section = g_strdup("");
        pub->tag = g_strdup(info->tag);
        pub->managed = false;
        pub->owner_uid = info->created_by_uid;
        pub->application = g_strdup("");
        pub->source_digest = g_strdup("");
        pub->load_time = info->load_time_usec;
        pub->gpl_compatible = info->gpl_compatible;
        pub->bytes_xlated = info->bytes_xlated;
        pub->bytes_jited = info->bytes_jited;
        pub->verified_instructions = info->verified_insns;
        pub->btf_id = info->btf_id;
        pub->maps = g_array_new(FALSE, FALSE, sizeof(uint32_t));
        pub->links = g_array_new(FALSE, FALSE, sizeof(uint32_t));
        g_array_append_vals(pub->maps, info->map_ids, (guint)info->n_map_ids);
}

void bus_program_done(BusProgram *pub)
{
        g_free(pub->name);
        g_free(pub->type);
        g_free(pub->kernel_type);
        g_free(pub->section);
        g_free(pub->tag);
        g_free(pub->application);
        g_strfreev(pub->metadata);
        g_free(pub->source_digest);
        g_array_unref(pub->maps);
        g_array_unref(pub->links);
}

void bus_map_fill(BusMap *pub, const KernMapInfo *info, size_t value_size)
{
        pub->id = info->id;
        pub->name = presentable(info->name);
        pub->type = g_strdup(kern_map_type_name(info->map_type));
        pub->key_size = info->key_size;
        pub->value_size = info->value_size;
        pub->max_entries = info->max_entries;
        pub->flags = info->flags;
        pub->managed = false;
        pub->owner_uid = 0;
        pub->application = g_strdup("");
        pub->btf_id = info->btf_id;
        pub->possible_cpus = 1;
        if (kern_map_is_per_cpu(info->map_type) && info->value_size > 0)
                pub->possible_cpus = (uint32_t)(value_size / ((info->value_size + 7U) / 8 * 8));
        pub->programs = g_array_new(FALSE, FALSE, sizeof(uint32_t));
}

void bus_map_done(BusMap *pub)
{
        g_free(pub->name);
        g_free(pub->type);
        g_free(pub->application);
        g_array_unref(pub->programs);
}

static gpointer make_program(int fd)
{
        KernProgramInfo info;
        Program *p;

        if (kern_program_info(fd, &info) < 0)
                return NULL;
        p = g_new0(Program, 1);
        bus_program_fill(&p->pub, &info);
        return p;
}

static gpointer make_map(int fd)
{
        KernMapInfo info;
        size_t value_size;
        Map *m;

        if (kern_map_info(fd, &info) < 0 || kern_map_value_size(&info, &value_size) < 0)
                return NULL;
        m = g_new0(Map, 1);
        m->map_type = info.map_type;
        m->value_size = value_size;
        bus_map_fill(&m->pub, &info, value_size);
        return m;
}

static uint32_t program_id(gpointer object)
{
        return ((Program *)object)->pub.id;
}

static uint32_t map_id(gpointer object)
{
        return ((Map *)object)->pub.id;
}

static void free_program(gpointer object)
{
        Program *p = object;

        bus_program_done(&p->pub);
        g_free(p);
}

static void free_map(gpointer object)
{
        Map *m = object;

        bus_map_done(&m->pub);
        g_free(m);
}

Foreign *foreign_new(void)
{
        Foreign *f = g_new0(Foreign, 1);

        f->kinds[BUS_PROGRAM] = (Kind){
                .seen = g_hash_table_new_full(NULL, NULL, NULL, free_program),
                .went = g_ptr_array_new_with_free_func(free_program),
                .open_id = kern_program_open_id,
                .next_id = kern_program_next_id,
                .make = make_program,
                .id = program_id,
        };
        f->kinds[BUS_MAP] = (Kind){
                .seen = g_hash_table_new_full(NULL, NULL, NULL, free_map),
                .went = g_ptr_array_new_with_free_func(free_map),
                .open_id = kern_map_open_id,
                .next_id = kern_map_next_id,
                .make = make_map,
                .id = map_id,
        };
        for (int i = 0; i < 2; i++)
                f->kinds[i].came = g_array_new(FALSE, FALSE, sizeof(uint32_t));
        return f;
}

void foreign_free(Foreign *f)
{
        if (!f)
                return;
        for (int i = 0; i < 2; i++) {
                g_hash_table_unref(f->kinds[i].seen);
                g_ptr_array_unref(f->kinds[i].went);
                g_array_unref(f->kinds[i].came);
        }
        if (f->announce_idle)
                g_source_remove(f->announce_idle);
        g_free(f);
}

void foreign_set_api(Foreign *f, BusApi *api)
{
        f->api = api;
}

static gboolean announce(gpointer userdata)
{
        Foreign *f = userdata;

        f->announce_idle = 0;
        for (int kind = 0; kind < 2; kind++) {
                Kind *k = &f->kinds[kind];

                for (guint i = 0; f->api && i < k->went->len; i++)
                        bus_api_emit_removed(f->api, (BusKind)kind,
                                             k->id(g_ptr_array_index(k->went, i)));
                g_ptr_array_set_size(k->went, 0);
                for (guint i = 0; f->api && i < k->came->len; i++)
                        bus_api_emit_added(f->api, (BusKind)kind,
                                           g_array_index(k->came, uint32_t, i));
                g_array_set_size(k->came, 0);
        }
        return G_SOURCE_REMOVE;
}

/* Not from within a look-up: sd-bus is in the middle of walking the objects then. */
static void announce_later(Foreign *f)
{
        if (f->api && !f->announce_idle)
                f->announce_idle = g_idle_add_full(G_PRIORITY_DEFAULT, announce, f, NULL);
}

static void lose(Foreign *f, Kind *k, uint32_t id)
{
        gpointer object = NULL;

        if (!g_hash_table_steal_extended(k->seen, KEY(id), NULL, &object))
                return;
        g_ptr_array_add(k->went, object);
        announce_later(f);
}

static gpointer look(Foreign *f, Kind *k, uint32_t id)
{
        gpointer object = g_hash_table_lookup(k->seen, KEY(id));
        int fd;

        /* Ids come round again only after 2^31 others, so the same id is the same thing. */
        fd = k->open_id(id);
        if (fd < 0) {
                lose(f, k, id);
                return NULL;
        }
        if (!object) {
                object = k->make(fd);
                if (object) {
                        g_hash_table_insert(k->seen, KEY(id), object);
                        g_array_append_val(k->came, id);
                        announce_later(f);
                }
        }
        close(fd);
        return object;
}

static gpointer find(Foreign *f, BusKind kind, uint32_t id)
{
        Kind *k = &f->kinds[kind];

        for (guint i = 0; i < k->went->len; i++)
                if (k->id(g_ptr_array_index(k->went, i)) == id)
                        return g_ptr_array_index(k->went, i);
        return look(f, k, id);
}

Program *foreign_program(Foreign *f, uint32_t id)
{
        return find(f, BUS_PROGRAM, id);
}

Map *foreign_map(Foreign *f, uint32_t id)
{
        return find(f, BUS_MAP, id);
}

void foreign_append_ids(Foreign *f, BusKind kind, GHashTable *own, GHashTable *hidden, GArray *ids)
{
        g_autoptr(GHashTable) present = g_hash_table_new(NULL, NULL);
        Kind *k = &f->kinds[kind];
        g_autoptr(GList) seen = NULL;
        uint32_t id = 0;

        while (k->next_id(id, &id) == 0) {
                if (g_hash_table_contains(own, KEY(id)) ||
                    (hidden && g_hash_table_contains(hidden, KEY(id))))
                        continue;
                if (!g_hash_table_contains(k->seen, KEY(id)) && !look(f, k, id))
                        continue;
                g_hash_table_add(present, KEY(id));
                g_array_append_val(ids, id);
        }
        seen = g_hash_table_get_keys(k->seen);
        for (GList *l = seen; l; l = l->next)
                if (!g_hash_table_contains(present, l->data))
                        lose(f, k, GPOINTER_TO_UINT(l->data));
}

void foreign_forget(Foreign *f, BusKind kind, uint32_t id)
{
        Kind *k = &f->kinds[kind];

        for (guint i = 0; i < k->came->len; i++)
                if (g_array_index(k->came, uint32_t, i) == id) {
                        /* Nobody has heard of it yet. */
                        g_array_remove_index(k->came, i);
                        g_hash_table_remove(k->seen, KEY(id));
                        return;
                }
        if (!g_hash_table_contains(k->seen, KEY(id)))
                return;
        if (f->api)
                bus_api_emit_removed(f->api, kind, id);
        g_hash_table_remove(k->seen, KEY(id));
}
