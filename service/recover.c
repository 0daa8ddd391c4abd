/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "recover.h"

#include <unistd.h>

#include "ops.h"

/* What was found while recovering. */
typedef struct Recovery {
        Daemon *daemon;
        bool unreadable_load;
        GHashTable *unreadable_links; /* ids */
} Recovery;

/* A stored program that the kernel still has under its pin, as what it was. */
static bool recover_program(Daemon *daemon, Load *load, const StoredProgram *stored)
{
        KernProgramInfo info;
        int fd, r;

        fd = store_open_pin(daemon->store, BUS_PROGRAM, stored->id, 0);
        if (fd < 0)
                return false;
        r = kern_program_info(fd, &info);
        close(fd);
        if (r < 0 || info.id != stored->id || info.prog_type != stored->type->prog_type)
                return false;
        if (stored->load_time != 0)
                info.load_time_usec = stored->load_time;
        load_add_program(load, stored->type, stored->name, stored->section, &info);
        return true;
}

static bool recover_map(Daemon *daemon, Load *load, const StoredMap *stored)
{
        KernMapInfo info;
        int fd, r;

        fd = store_open_pin(daemon->store, BUS_MAP, stored->id, 0);
        if (fd < 0)
                return false;
        r = kern_map_info(fd, &info);
        close(fd);
        return r >= 0 && info.id == stored->id && load_add_map(load, stored->name, &info) >= 0;
}

/* Loads come in the order of their ids: a map is there before the programs of others that use it. */
static void recover_load(Recovery *recovery, uint32_t id)
{
        Daemon *daemon = recovery->daemon;
        g_autoptr(StoredLoad) stored = NULL;
        g_autoptr(GError) error = NULL;
        bool complete = true;
        Load *load;

        stored = store_read_load(daemon->store, id, &error);
        if (!stored) {
                g_warning("The state file of load %u is left alone: %s", id, error->message);
                recovery->unreadable_load = true;
                return;
        }
        load = stored->load;
        for (guint i = 0; i < stored->maps->len; i++)
                complete &= recover_map(daemon, load, &g_array_index(stored->maps, StoredMap, i));
        for (guint i = 0; i < stored->programs->len; i++)
                complete &= recover_program(daemon, load,
                                            &g_array_index(stored->programs, StoredProgram, i));
        if (load->programs->len == 0 && load->maps->len == 0) {
                store_remove_load(daemon->store, id);
                return;
        }
        if (!complete) {
                g_warning("Load %u: the kernel no longer has all of it.", id);
                (void)store_write_load(daemon->store, load, NULL);
        }
        registry_add_load(daemon->registry, g_steal_pointer(&stored->load));
}

/* All kernel links of an attached link, still of this program. */
static bool recover_kernel_links(Daemon *daemon, Link *link)
{
        for (unsigned i = 0; i < link->attachment.n_links; i++) {
                KernLinkInfo info;
                int fd, r;

                fd = store_open_pin(daemon->store, BUS_LINK, link->pub.id, i);
                if (fd < 0)
                        return false;
                r = kern_link_info(fd, &info);
                close(fd);
                if (r < 0 || info.prog_id != link->pub.program_id)
                        return false;
                /* What it was attached to is gone; the kernel keeps the empty link. */
                if ((info.link_type == BPF_LINK_TYPE_CGROUP && info.cgroup_id == 0) ||
                    (link->pub.interface_index != 0 && info.ifindex == 0))
                        return false;
                g_array_append_val(link->pub.kernel_link_ids, info.id);
        }
        return link->attachment.n_links > 0 ||
               kern_is_attached(link->pub.program_id, &link->hook, &link->attachment) == 1;
}

static void on_undone(GError *error, void *userdata)
{
        (void)userdata;
        if (error) {
                g_warning("A link that was left half done can't be detached: %s", error->message);
                g_error_free(error);
        }
}

static void recover_link(Recovery *recovery, uint32_t id)
{
        Daemon *daemon = recovery->daemon;
        g_autoptr(GError) error = NULL;
        Link *link = store_read_link(daemon->store, id, &error);

        if (!link) {
                g_warning("The state file of link %u is left alone: %s", id, error->message);
                g_hash_table_add(recovery->unreadable_links, GUINT_TO_POINTER(id));
                return;
        }
        if (link->state == LINK_ATTACHED &&
            registry_program(daemon->registry, link->pub.program_id) &&
            recover_kernel_links(daemon, link)) {
                registry_add_link(daemon->registry, link);
                return;
        }
        /* Half attached, half detached, or gone: all of it goes. */
        link_detach(daemon, link, false, 0, on_undone, NULL);
}

/* Loads of which only maps are left, and nobody uses these. */
static void drop_unused_loads(Daemon *daemon)
{
        g_autoptr(GList) loads = g_hash_table_get_values(registry_loads(daemon->registry));

        for (GList *l = loads; l; l = l->next) {
                const Load *load = l->data;
                bool used = load->programs->len > 0;

                for (guint i = 0; i < load->maps->len; i++)
                        used |= ((Map *)g_ptr_array_index(load->maps, i))->pub.programs->len > 0;
                if (used)
                        continue;
                store_remove_load(daemon->store, load->id);
                registry_drop_load(daemon->registry, load->id);
        }
}

/* What may belong to a file that can't be read, one of a later version, is left alone as well. */
static bool keep_pin(BusKind kind, uint32_t id, unsigned part, void *userdata)
{
        const Recovery *recovery = userdata;
        Daemon *daemon = recovery->daemon;
        const Link *link;

        switch (kind) {
        case BUS_PROGRAM:
                return recovery->unreadable_load || registry_program(daemon->registry, id);
        case BUS_MAP:
                return recovery->unreadable_load || registry_map(daemon->registry, id);
        default:
                if (g_hash_table_contains(recovery->unreadable_links, GUINT_TO_POINTER(id)))
                        return true;
                link = registry_link(daemon->registry, id);
                return link && part < link->attachment.n_links;
        }
}

void recover(Daemon *daemon)
{
        g_autoptr(GArray) loads = store_load_ids(daemon->store);
        g_autoptr(GArray) links = store_link_ids(daemon->store);
        g_autoptr(GHashTable) unreadable_links = g_hash_table_new(NULL, NULL);
        Recovery recovery = {.daemon = daemon, .unreadable_links = unreadable_links};

        for (guint i = 0; i < loads->len; i++)
                recover_load(&recovery, g_array_index(loads, uint32_t, i));
        for (guint i = 0; i < links->len; i++)
                recover_link(&recovery, g_array_index(links, uint32_t, i));
        drop_unused_loads(daemon);
        store_sweep_pins(daemon->store, keep_pin, &recovery);
}
