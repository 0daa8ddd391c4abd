/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "recover.h"

#include <unistd.h>

#include "errors.h"
#include "link-change.h"
#include "link-detach.h"
#include "link-device.h"
#include "link-holder.h"
#include "link-netns.h"
#include "ops.h"
#include "sharing.h"
#include "tc-chain.h"

/*
 * What was found. Nothing is given up before all was looked at: only what the kernel says isn't there
 * is gone, and where that can't be told (no memory, no descriptors) the service doesn't start.
 */
typedef struct Recovery {
        Daemon *daemon;
        bool left_load;         /* a load's file makes no sense; its pins are unknown */
        GHashTable *changed;    /* ids of links whose change came to pass */
        GHashTable *left_links; /* ids of links that are left alone */
        GPtrArray *undone;      /* Link: half attached, half detached, or gone */
} Recovery;

typedef enum Found {
        FOUND_ERROR = -1,
        FOUND_GONE,
        FOUND_THERE,
} Found;

static Found unclear(int r, const char *what, uint32_t id, GError **reterr)
{
        g_propagate_error(reterr, error_new(FAILED, "Can't find out about %s %u: %s", what, id,
                                            g_strerror(-r)));
        return FOUND_ERROR;
}

/* Without it the program is all there, and shares no interface. */
static Found recover_extension(Daemon *daemon, Program *program, const StoredProgram *stored,
                               GError **reterr)
{
        KernProgramInfo info;
        int fd, r;

        program->xdp_priority = stored->xdp_priority;
        program->xdp_proceed_on = stored->xdp_proceed_on;
        if (stored->extension_id == 0)
                return FOUND_THERE;
        if (!store_find_pin(daemon->store, BUS_PROGRAM, stored->extension_id, 0, &fd, reterr))
                return FOUND_ERROR;
        if (fd < 0)
                return FOUND_THERE;
        r = kern_program_info(fd, &info);
        close(fd);
        if (r < 0)
                return unclear(r, "program", stored->extension_id, reterr);
        if (info.id == stored->extension_id && info.prog_type == BPF_PROG_TYPE_EXT)
                program->extension_id = info.id;
        return FOUND_THERE;
}

/* A stored program that the kernel still has under its pin, as what it was. */
static Found recover_program(Daemon *daemon, Load *load, const StoredProgram *stored,
                             GError **reterr)
{
        KernProgramInfo info;
        Program *program;
        int fd, r;

        if (!store_find_pin(daemon->store, BUS_PROGRAM, stored->id, 0, &fd, reterr))
                return FOUND_ERROR;
        if (fd < 0)
                return FOUND_GONE;
        r = kern_program_info(fd, &info);
        close(fd);
        if (r < 0)
                return unclear(r, "program", stored->id, reterr);
        if (info.id != stored->id || info.prog_type != stored->type->prog_type)
                return FOUND_GONE;
        if (stored->load_time != 0)
                info.load_time_usec = stored->load_time;
        program = load_add_program(load, stored->type, stored->name, stored->section, &info);
        program->target_id = stored->target_id;
        program->target_function = g_strdup(stored->target_function);
        return recover_extension(daemon, program, stored, reterr);
}

static Found recover_map(Daemon *daemon, Load *load, const StoredMap *stored, GError **reterr)
{
        KernMapInfo info;
        int fd, r;

        if (!store_find_pin(daemon->store, BUS_MAP, stored->id, 0, &fd, reterr))
                return FOUND_ERROR;
        if (fd < 0)
                return FOUND_GONE;
        r = kern_map_info(fd, &info);
        close(fd);
        if (r >= 0 && info.id != stored->id)
                return FOUND_GONE;
        if (r >= 0)
                r = load_add_map(load, stored->name, stored->shared, &info);
        return r < 0 ? unclear(r, "map", stored->id, reterr) : FOUND_THERE;
}

/* Whether the error says that the file is there and makes no sense. */
static bool leave_alone(const GError *error, const char *what, uint32_t id)
{
        if (error->domain == G_FILE_ERROR)
                return false;
        g_warning("The state file of %s %u is left alone, and so is what it may be about: %s", what,
                  id, error->message);
        return true;
}

/* Loads come in the order of their ids: a map is there before the programs of others that use it. */
static bool recover_load(Recovery *recovery, uint32_t id, GError **reterr)
{
        Daemon *daemon = recovery->daemon;
        g_autoptr(StoredLoad) stored = NULL;
        g_autoptr(GError) error = NULL;
        bool complete = true;
        Found found;
        Load *load;

        stored = store_read_load(daemon->store, id, &error);
        if (!stored) {
                recovery->left_load = true;
                if (leave_alone(error, "load", id))
                        return true;
                g_propagate_error(reterr, g_steal_pointer(&error));
                return false;
        }
        load = stored->load;
        for (guint i = 0; i < stored->maps->len; i++) {
                found = recover_map(daemon, load, &g_array_index(stored->maps, StoredMap, i),
                                    reterr);
                if (found == FOUND_ERROR)
                        return false;
                complete &= found == FOUND_THERE;
        }
        for (guint i = 0; i < stored->programs->len; i++) {
                found = recover_program(daemon, load,
                                        &g_array_index(stored->programs, StoredProgram, i), reterr);
                if (found == FOUND_ERROR)
                        return false;
                complete &= found == FOUND_THERE;
        }
        if (load->programs->len == 0 && load->maps->len == 0) {
                store_remove_load(daemon->store, id);
                return true;
        }
        if (!complete) {
                g_warning("Load %u: the kernel no longer has all of it.", id);
                if (!store_write_load(daemon->store, load, &error))
                        g_warning("Load %u: %s", id, error->message);
        }
        registry_add_load(daemon->registry, g_steal_pointer(&stored->load));
        return true;
}

static Found find_kernel_link(Daemon *daemon, const Link *link, unsigned part, uint32_t *ret_id,
                              GError **reterr)
{
        KernLinkInfo info;
        int fd, r;

        if (!store_find_pin(daemon->store, BUS_LINK, link->pub.id, part, &fd, reterr))
                return FOUND_ERROR;
        if (fd < 0)
                return FOUND_GONE;
        r = kern_link_info(fd, &info);
        close(fd);
        if (r < 0)
                return unclear(r, "link", link->pub.id, reterr);
        if ((!link_has(link, &info) && !link->stand_in) ||
            (link->kernel_link != 0 && info.id != link->kernel_link))
                return FOUND_GONE;
        /* What it was attached to is gone; the kernel keeps the empty link. */
        if (!kern_link_is_alive(&info))
                return FOUND_GONE;
        *ret_id = info.id;
        return FOUND_THERE;
}

/* All kernel links of an attached link, still of this program; @ids gets theirs. */
static Found find_attachment(Daemon *daemon, Link *link, GArray *ids, GError **reterr)
{
        Found found = FOUND_THERE;
        uint32_t id;
        int r;

        for (unsigned i = 0; found == FOUND_THERE && i < link->attachment.n_links; i++) {
                found = find_kernel_link(daemon, link, i, &id, reterr);
                if (found == FOUND_THERE)
                        g_array_append_val(ids, id);
        }
        if (link->attachment.n_links > 0)
                return found;
        if (link->attachment.tc_slot != 0) {
                g_autoptr(GError) error = NULL;

                if (tc_chain_has(daemon, link, &error))
                        return FOUND_THERE;
                if (!error)
                        return FOUND_GONE;
                g_propagate_error(reterr, g_steal_pointer(&error));
                return FOUND_ERROR;
        }
        r = link_is_attached(link, -1);
        if (r < 0)
                return unclear(r, "link", link->pub.id, reterr);
        return r > 0 ? FOUND_THERE : FOUND_GONE;
}

/* A member is once on an interface: a file that says so a second time is about what was there before. */
static bool claim(Daemon *daemon, Link *link)
{
        if (link->attachment.xdp_member == 0 || registry_claim(daemon->registry, link))
                return true;
        store_remove_link(daemon->store, link->pub.id);
        return false;
}

/* Kernel links that are to be a link's: in its places or, by the parts that @beside gets, beside these. */
static Found find_new_links(Daemon *daemon, const Link *link, GArray *beside, GError **reterr)
{
        Found found = FOUND_THERE;
        uint32_t id;

        for (unsigned i = 0; found == FOUND_THERE && i < link->attachment.n_links; i++) {
                found = find_kernel_link(daemon, link, i, &id, reterr);
                if (found != FOUND_GONE)
                        continue;
                found = find_kernel_link(daemon, link, LINK_PIN_NEXT + i, &id, reterr);
                g_array_append_val(beside, i);
        }
        return found;
}

/* All that a changed link is to have; of kernel links each comes into its place. */
static Found find_changed(Daemon *daemon, Link *link, GError **reterr)
{
        g_autoptr(GArray) beside = g_array_new(FALSE, FALSE, sizeof(unsigned));
        Found found;

        if (link->attachment.n_links == 0)
                return find_attachment(daemon, link, beside, reterr);
        found = find_new_links(daemon, link, beside, reterr);
        for (guint i = 0; found == FOUND_THERE && i < beside->len; i++) {
                const unsigned part = g_array_index(beside, unsigned, i);
                int r = store_move_pin(daemon->store, link->pub.id, LINK_PIN_NEXT + part, part);

                if (r < 0)
                        return unclear(r, "link", link->pub.id, reterr);
        }
        return found;
}

/*
 * A link that was being changed: by what the kernel has it is the new one, or the old one. false: that
 * can't be told. Several kernel links can't take the places of others at once, so that one which has all of
 * the new ones is the new one.
 */
static bool recover_change(Recovery *recovery, uint32_t id, GError **reterr)
{
        Daemon *daemon = recovery->daemon;
        g_autoptr(Link) link = store_read_change(daemon->store, id, NULL);
        Found found = FOUND_GONE;

        if (link && registry_program(daemon->registry, link->pub.program_id))
                found = find_changed(daemon, link, reterr);
        if (found == FOUND_THERE) {
                store_commit_change(daemon->store, id);
                g_hash_table_add(recovery->changed, GUINT_TO_POINTER(id));
        } else if (found == FOUND_GONE) {
                store_drop_change(daemon->store, id);
        }
        return found != FOUND_ERROR;
}

/*
 * What is told apart by none but a worker goes first, and has its turn before what is undone on the same hook: that
 * would take a program off which nobody knows any more, while the change looks for it.
 */
static void resume_changes(Recovery *recovery, bool by_worker)
{
        GHashTableIter iter;
        gpointer id, link;

        g_hash_table_iter_init(&iter, registry_links(recovery->daemon->registry));
        while (g_hash_table_iter_next(&iter, &id, &link))
                if (link_asks_worker(link) == by_worker &&
                    (g_hash_table_contains(recovery->changed, id) || ((Link *)link)->stand_in ||
                     ((Link *)link)->attachment.tc_old_priority != 0))
                        link_change_resume(recovery->daemon, link);
}

static bool recover_link(Recovery *recovery, uint32_t id, GError **reterr)
{
        Daemon *daemon = recovery->daemon;
        g_autoptr(GError) error = NULL;
        g_autoptr(Link) link = store_read_link(daemon->store, id, &error);
        Found found = FOUND_GONE;

        if (!link) {
                g_hash_table_add(recovery->left_links, GUINT_TO_POINTER(id));
                if (leave_alone(error, "link", id))
                        return true;
                g_propagate_error(reterr, g_steal_pointer(&error));
                return false;
        }
        if (link_is_on_device(link))
                link_set_device(link, devices_get(daemon->devices, link->pub.device_number));
        if (link->state == LINK_ATTACHED) {
                if (registry_program(daemon->registry, link->pub.program_id))
                        found = find_attachment(daemon, link, link->pub.kernel_link_ids, reterr);
                else if (recovery->left_load) {
                        g_warning("Link %u is left alone: its program may be of a load that is.",
                                  id);
                        g_hash_table_add(recovery->left_links, GUINT_TO_POINTER(id));
                        return true;
                }
        }
        if (found == FOUND_THERE && link->attachment.tc_slot != 0 && !tc_chain_adopt(daemon, link))
                found = FOUND_GONE;
        if (found == FOUND_THERE && claim(daemon, link))
                registry_add_link(daemon->registry, g_steal_pointer(&link));
        else if (found == FOUND_GONE)
                g_ptr_array_add(recovery->undone, g_steal_pointer(&link));
        return found != FOUND_ERROR;
}

static void on_undone(GError *error, void *userdata)
{
        (void)userdata;
        if (error) {
                g_warning("A link that was left half done can't be detached: %s", error->message);
                g_error_free(error);
        }
}

typedef struct Undoing {
        Daemon *daemon;
        Link *link; /* owned, until its turn */
        SharingTurn *turn;
} Undoing;

static void on_undone_in_turn(GError *error, void *userdata)
{
        g_autofree Undoing *u = userdata;

        sharing_leave(u->turn);
        on_undone(error, NULL);
}

static void undo_in_turn(SharingTurn *turn, void *userdata)
{
        Undoing *u = userdata;
        const Link *holder = sharing_holder(registry_sharing(u->daemon->registry), u->link);

        u->turn = turn;
        /* What was tried in vain may have come to be attached again since. */
        if (holder && holder->pub.program_id == u->link->pub.program_id) {
                store_remove_link(u->daemon->store, u->link->pub.id);
                link_free(u->link);
                on_undone_in_turn(NULL, u);
                return;
        }
        link_detach(u->daemon, g_steal_pointer(&u->link), false, -1, 0, on_undone_in_turn, u);
}

/*
 * What is held is known by its program alone: who attaches the same one there waits until it is
 * gone, lest a second attempt to detach it be made after that.
 */
static void undo_held(Daemon *daemon, Link *link)
{
        Undoing *u = g_new(Undoing, 1);

        *u = (Undoing){daemon, link, NULL};
        sharing_enter(registry_sharing(daemon->registry), link, undo_in_turn, u);
}

void recover_on_device(Daemon *daemon, Device *device, uint32_t link_id)
{
        g_autoptr(GError) error = NULL;
        Link *link = store_read_link(daemon->store, link_id, &error);

        if (!link) {
                g_warning("A link that was left half done can't be detached: %s", error->message);
                return;
        }
        link_set_device(link, device_ref(device));
        undo_held(daemon, link);
}

/* Undoes what is half done, but for what would be undone of another link. */
static void undo_all(Daemon *daemon, GPtrArray *undone)
{
        while (undone->len > 0) {
                g_autoptr(Link) link = g_ptr_array_steal_index_fast(undone, undone->len - 1);

                if (link_is_held(link))
                        undo_held(daemon, g_steal_pointer(&link));
                else if (claim(daemon, link))
                        link_detach(daemon, g_steal_pointer(&link), false, -1, 0, on_undone, NULL);
        }
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

static bool keep_pin(BusKind kind, uint32_t id, unsigned part, void *userdata)
{
        const Recovery *recovery = userdata;
        Daemon *daemon = recovery->daemon;
        const Link *link;

        switch (kind) {
        case BUS_PROGRAM:
                return recovery->left_load || registry_program(daemon->registry, id) ||
                       registry_extension(daemon->registry, id);
        case BUS_MAP:
                return recovery->left_load || registry_map(daemon->registry, id);
        default:
                if (g_hash_table_contains(recovery->left_links, GUINT_TO_POINTER(id)))
                        return true;
                link = registry_link(daemon->registry, id);
                return link &&
                       (part < link_n_pins(link) || (part == LINK_PIN_TABLE && link->stand_in));
        }
}

static bool recover_all(Recovery *recovery, GError **reterr)
{
        Daemon *daemon = recovery->daemon;
        g_autoptr(GArray) loads = NULL, links = NULL, changes = NULL;

        loads = store_load_ids(daemon->store, reterr);
        if (!loads)
                return false;
        links = store_link_ids(daemon->store, reterr);
        if (!links)
                return false;
        changes = store_change_ids(daemon->store, reterr);
        if (!changes)
                return false;
        for (guint i = 0; i < loads->len; i++)
                if (!recover_load(recovery, g_array_index(loads, uint32_t, i), reterr))
                        return false;
        for (guint i = 0; i < changes->len; i++)
                if (!recover_change(recovery, g_array_index(changes, uint32_t, i), reterr))
                        return false;
        for (guint i = 0; i < links->len; i++)
                if (!recover_link(recovery, g_array_index(links, uint32_t, i), reterr))
                        return false;
        return true;
}

bool recover(Daemon *daemon, GError **reterr)
{
        g_autoptr(GHashTable) left_links = g_hash_table_new(NULL, NULL);
        g_autoptr(GPtrArray) undone = g_ptr_array_new_with_free_func((GDestroyNotify)link_free);
        g_autoptr(GHashTable) changed = g_hash_table_new(NULL, NULL);
        Recovery recovery = {.daemon = daemon,
                             .changed = changed,
                             .left_links = left_links,
                             .undone = undone};

        if (!recover_all(&recovery, reterr))
                return false;
        tc_chain_settle(daemon);
        resume_changes(&recovery, true);
        undo_all(daemon, undone);
        /* What is left alone may be on any. */
        if (g_hash_table_size(left_links) == 0)
                devices_settle(daemon->devices);
        /* Their maps may be used by programs that are left alone. */
        if (!recovery.left_load)
                drop_unused_loads(daemon);
        store_sweep_pins(daemon->store, keep_pin, &recovery);
        resume_changes(&recovery, false);
        return true;
}

static void reconcile_link(Daemon *daemon, Link *link)
{
        g_autoptr(GArray) ids = g_array_new(FALSE, FALSE, sizeof(uint32_t));
        g_autoptr(GError) error = NULL;

        if (link->state != LINK_ATTACHED)
                return;
        switch (find_attachment(daemon, link, ids, &error)) {
        case FOUND_ERROR:
                g_warning("%s", error->message);
                break;
        case FOUND_GONE:
                g_message("Link %u: the kernel no longer has it.", link->pub.id);
                link_forget(daemon, link);
                break;
        default:
                break;
        }
}

/* A program whose pin is gone, and that isn't attached, is gone or about to be. */
static void reconcile_program(Daemon *daemon, Program *program)
{
        g_autoptr(GError) error = NULL;
        int fd;

        if (program->unloading || program->pub.links->len > 0)
                return;
        if (!store_find_pin(daemon->store, BUS_PROGRAM, program->pub.id, 0, &fd, &error)) {
                g_warning("%s", error->message);
        } else if (fd >= 0) {
                close(fd);
        } else {
                g_message("Program %u: the kernel no longer has it.", program->pub.id);
                program_forget(daemon, program);
        }
}

void reconcile(Daemon *daemon)
{
        g_autoptr(GList) links = g_hash_table_get_values(registry_links(daemon->registry));
        g_autoptr(GArray) programs = registry_ids(daemon->registry, BUS_PROGRAM);

        for (GList *l = links; l; l = l->next)
                reconcile_link(daemon, l->data);
        for (guint i = 0; i < programs->len; i++) {
                Program *program =
                        registry_program(daemon->registry, g_array_index(programs, uint32_t, i));

                if (program)
                        reconcile_program(daemon, program);
        }
        /* As programs of others were noticed when these were listed. */
        g_array_unref(registry_ids(daemon->registry, BUS_MAP));
}
