/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What a worker loaded becomes the service's: checked against the kernel, pinned, written down. */

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include "descriptor.h"
#include "errors.h"
#include "kern-xdp.h"
#include "load-op.h"

/* Workers send the last MiB, and a line that says so. */
#define LOG_SIZE_MAX (1024 * 1024 + 4096)

/* Undoes the pins of a load that doesn't come to be. */
static void unpin_load(Daemon *daemon, const Load *l)
{
        for (guint i = 0; i < l->programs->len; i++) {
                const Program *p = g_ptr_array_index(l->programs, i);

                store_unpin(daemon->store, BUS_PROGRAM, p->pub.id, 0);
                if (p->extension_id != 0)
                        store_unpin(daemon->store, BUS_PROGRAM, p->extension_id, 0);
        }
        for (guint i = 0; i < l->maps->len; i++)
                store_unpin(daemon->store, BUS_MAP, ((Map *)g_ptr_array_index(l->maps, i))->pub.id,
                            0);
}

/* A clock is read twice, here and by the kernel. */
#define CLOCK_SLACK_USEC (100 * 1000)

/*
 * The worker's words aren't taken for more than names: that these are programs, of the types that
 * polkit was asked for, and loaded for this request, the kernel says.
 */
static int take_program(Request *request, Load *l, const char *name, const char *section,
                        const char *type_name, int fd, Program **ret)
{
        const LoadOp *op = request->op;
        const KernType *type = kern_type_find(type_name);
        const BusProgramWish *wish = load_find_wish(op->args->programs, name);
        KernProgramInfo info;
        Program *program;
        int r;

        if (!type || !wish || !g_str_equal(wish->type, type->name) || !kern_is_program(fd))
                return -EBADMSG;
        r = kern_program_info(fd, &info);
        if (r < 0)
                return r;
        if (info.prog_type != type->prog_type ||
            registry_program(request->daemon->registry, info.id) ||
            info.load_time_usec + CLOCK_SLACK_USEC < op->load_start)
                return -EBADMSG;
        r = store_pin(request->daemon->store, BUS_PROGRAM, info.id, 0, fd);
        if (r < 0)
                return r;
        program = load_add_program(l, type, name, section, &info);
        if (type->prog_type == BPF_PROG_TYPE_EXT) {
                program->target_id = op->args->target_program;
                program->target_function = g_strdup(op->args->target_function);
        }
        *ret = program;
        return 0;
}

/* That it has the program's code is what the kernel's digest of it says. */
static int take_extension(Request *request, Program *p, int fd)
{
        KernProgramInfo info;
        int r;

        if (!kern_type_is_xdp(p->type) || p->extension_id != 0 || !kern_is_program(fd))
                return -EBADMSG;
        r = kern_program_info(fd, &info);
        if (r < 0)
                return r;
        if (info.prog_type != BPF_PROG_TYPE_EXT || !g_str_equal(info.tag, p->pub.tag) ||
            info.load_time_usec + CLOCK_SLACK_USEC < ((LoadOp *)request->op)->load_start ||
            registry_extension(request->daemon->registry, info.id))
                return -EBADMSG;
        r = kern_xdp_extension_settle(fd);
        if (r < 0)
                return r;
        r = store_pin(request->daemon->store, BUS_PROGRAM, info.id, 0, fd);
        if (r >= 0)
                p->extension_id = info.id;
        return r;
}

static int take_answer(Request *request, sd_bus_message *reply, Load *l)
{
        const char *name, *section, *type;
        Program *p;
        int fd, r;

        r = sd_bus_message_read(reply, "sssh", &name, &section, &type, &fd);
        if (r < 0)
                return r;
        r = take_program(request, l, name, section, type, fd, &p);
        if (r < 0)
                return r;
        r = sd_bus_message_enter_container(reply, 'a', "h");
        if (r < 0)
                return r;
        while ((r = sd_bus_message_read_basic(reply, 'h', &fd)) > 0) {
                r = take_extension(request, p, fd);
                if (r < 0)
                        return r;
        }
        if (r < 0)
                return r;
        r = sd_bus_message_exit_container(reply);
        if (r < 0)
                return r;
        r = sd_bus_message_read(reply, "uu", &p->xdp_priority, &p->xdp_proceed_on);
        if (r < 0)
                return r;
        return p->xdp_proceed_on & ~KERN_XDP_ACTIONS_ALL ? -EBADMSG : 0;
}

static bool was_given(const LoadOp *op, uint32_t map_id)
{
        for (guint i = 0; i < op->args->maps->len; i++)
                if (g_array_index(op->args->maps, BusMapWish, i).id == map_id)
                        return true;
        return false;
}

/* Whether it is one of those that were to be made and shared, and the first that is called so. */
static bool is_shared(const LoadOp *op, const Load *l, const char *name)
{
        bool wanted = false;

        for (guint i = 0; i < op->shared->len; i++) {
                const SharedMap *map = &g_array_index(op->shared, SharedMap, i);

                wanted |= map->id == 0 && g_str_equal(map->name, name);
        }
        for (guint i = 0; i < l->maps->len; i++) {
                const Map *map = g_ptr_array_index(l->maps, i);

                wanted &= !map->pub.shared || !g_str_equal(map->pub.name, name);
        }
        return wanted;
}

static int take_map(Request *request, Load *l, const char *name, bool shared, int fd)
{
        KernMapInfo info;
        int r;

        if (!kern_is_map(fd))
                return -EBADMSG;
        r = kern_map_info(fd, &info);
        if (r < 0)
                return r;
        /* One that was given stays whose it is, whatever the worker calls it. */
        if (registry_map(request->daemon->registry, info.id) || was_given(request->op, info.id))
                return 0;
        r = store_pin(request->daemon->store, BUS_MAP, info.id, 0, fd);
        if (r < 0)
                return r;
        r = load_add_map(l, name, shared && is_shared(request->op, l, name), &info);
        if (r < 0)
                store_unpin(request->daemon->store, BUS_MAP, info.id, 0);
        return r;
}

static int take_results(Request *request, sd_bus_message *reply, Load *l)
{
        const char *name;
        int fd, reused, shared, r;

        r = sd_bus_message_enter_container(reply, 'a', "(" WORKER_LOADED_PROGRAM ")");
        if (r < 0)
                return r;
        while ((r = sd_bus_message_enter_container(reply, 'r', WORKER_LOADED_PROGRAM)) > 0) {
                r = take_answer(request, reply, l);
                if (r < 0)
                        return r;
                r = sd_bus_message_exit_container(reply);
                if (r < 0)
                        return r;
        }
        if (r < 0)
                return r;
        r = sd_bus_message_exit_container(reply);
        if (r < 0)
                return r;
        r = sd_bus_message_enter_container(reply, 'a', "(" WORKER_LOADED_MAP ")");
        if (r < 0)
                return r;
        while ((r = sd_bus_message_read(reply, "(" WORKER_LOADED_MAP ")", &name, &fd, &reused,
                                        &shared)) > 0) {
                if (reused)
                        continue;
                r = take_map(request, l, name, shared, fd);
                if (r < 0)
                        return r;
        }
        if (r < 0)
                return r;
        r = sd_bus_message_exit_container(reply);
        if (r < 0)
                return r;
        return l->programs->len == ((LoadOp *)request->op)->args->programs->len ? 0 : -EBADMSG;
}

/* A sealed memfd, and no larger than a worker makes it: it is copied and handed out. */
static bool is_log(int fd, unsigned *ret_kib)
{
        struct stat st;

        if (!descriptor_is_sealed(fd) || fstat(fd, &st) < 0 || st.st_size > LOG_SIZE_MAX)
                return false;
        *ret_kib = (unsigned)((st.st_size + 1023) / 1024);
        return true;
}

void load_keep_log(Request *request, sd_bus_message *reply, Load *l)
{
        Daemon *daemon = request->daemon;
        unsigned kib = 0;
        int fd = -1;

        if (worker_fd_take(reply, &fd) >= 0 && fd >= 0 && !is_log(fd, &kib)) {
                close(fd);
                fd = -1;
        }
        request_keep_log(request, fd);
        if (fd < 0)
                return;
        /* Who has enough logs has this one on his connection only. */
        if (l && quota_allows(daemon->quota, l->owner, CHARGE_LOGS, kib, NULL) &&
            store_write_log(daemon->store, l->id, fd) == 0)
                l->log_kib = kib;
        close(fd);
}

static bool take_all(Request *request, sd_bus_message *reply, Load *l, GError **reterr)
{
        Daemon *daemon = request->daemon;
        int r;

        r = take_results(request, reply, l);
        if (r < 0) {
                g_propagate_error(reterr, error_from_errno(r, "keep what was loaded"));
                return false;
        }
        if (!quota_allows(daemon->quota, l->owner, CHARGE_MAPS, l->maps->len, reterr) ||
            !quota_allows(daemon->quota, l->owner, CHARGE_METADATA, load_metadata_size(l->metadata),
                          reterr))
                return false;
        load_keep_log(request, reply, l);
        return store_write_load(daemon->store, l, reterr);
}

bool load_commit(Request *request, sd_bus_message *reply, Load *l, GError **reterr)
{
        Daemon *daemon = request->daemon;

        if (take_all(request, reply, l, reterr))
                return true;
        unpin_load(daemon, l);
        store_remove_load(daemon->store, l->id);
        return false;
}
