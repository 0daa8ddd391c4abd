/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Load(), once it is allowed: what a worker is told, and what comes of its answer. */

#include <errno.h>
#include <unistd.h>

#include "audit.h"
#include "errors.h"
#include "load-op.h"

#define LOAD_TIMEOUT_SEC 30

/* One to ask which maps are shared, one to load, and some for others who share them meanwhile. */
#define ROUNDS_MAX 8

static int append_map_sizes(sd_bus_message *m, const BusLoadArgs *args)
{
        int r;

        r = sd_bus_message_open_container(m, 'a', "(su)");
        for (guint i = 0; r >= 0 && i < args->map_sizes->len; i++) {
                const BusMapSize *size = &g_array_index(args->map_sizes, BusMapSize, i);

                r = sd_bus_message_append(m, "(su)", size->name, size->max_entries);
        }
        return r < 0 ? r : sd_bus_message_close_container(m);
}

static int append_shared(sd_bus_message *m, const LoadOp *op)
{
        int r;

        r = sd_bus_message_open_container(m, 'a', "(sah)");
        for (guint i = 0; r >= 0 && i < op->shared->len; i++) {
                const SharedMap *map = &g_array_index(op->shared, SharedMap, i);

                r = sd_bus_message_open_container(m, 'r', "sah");
                if (r >= 0)
                        r = sd_bus_message_append_basic(m, 's', map->name);
                if (r >= 0)
                        r = worker_fd_append(m, map->fd);
                if (r >= 0)
                        r = sd_bus_message_close_container(m);
        }
        return r < 0 ? r : sd_bus_message_close_container(m);
}

static int fill_load(sd_bus_message *m, void *userdata)
{
        Request *request = userdata;
        LoadOp *op = request->op;
        const BusLoadArgs *args = op->args;
        int r;

        r = sd_bus_message_append(m, "h", op->object_fd);
        if (r < 0)
                return r;
        r = sd_bus_message_open_container(m, 'a', "(ss)");
        for (guint i = 0; r >= 0 && i < args->programs->len; i++) {
                const BusProgramWish *w = &g_array_index(args->programs, BusProgramWish, i);

                r = sd_bus_message_append(m, "(ss)", w->name, w->type);
        }
        if (r >= 0)
                r = sd_bus_message_close_container(m);
        if (r >= 0)
                r = bus_globals_append(args->globals, m);
        if (r >= 0)
                r = sd_bus_message_open_container(m, 'a', "(shb)");
        for (guint i = 0; r >= 0 && i < args->maps->len; i++)
                r = sd_bus_message_append(m, "(shb)", g_array_index(args->maps, BusMapWish, i).name,
                                          g_array_index(op->map_fds, int, i),
                                          (int)g_array_index(args->maps, BusMapWish, i).optional);
        if (r >= 0)
                r = sd_bus_message_close_container(m);
        if (r >= 0)
                r = append_map_sizes(m, args);
        if (r >= 0)
                r = append_shared(m, op);
        if (r >= 0)
                r = worker_fd_append(m, op->btf_fd);
        if (r >= 0)
                r = sd_bus_message_append(m, "ubb", args->log_level,
                                          (int)daemon_has_feature(request->daemon, "freplace"),
                                          (int)daemon_has_feature(request->daemon,
                                                                  "link.uprobe_multi"));
        if (r >= 0)
                r = worker_fds_append(m, op->target_fds, op->n_target_fds);
        if (r >= 0)
                r = sd_bus_message_append(m, "s", args->target_function);
        return r;
}

static void on_loaded(sd_bus_message *reply, GError *error, void *userdata);

static void call_worker(Request *request)
{
        LoadOp *op = request->op;

        op->load_start = (uint64_t)g_get_real_time();
        worker_pool_call(request->daemon->workers, WORKER_ROLE_LOAD, request->uid, "Load",
                         LOAD_TIMEOUT_SEC, fill_load, on_loaded, request, request->cancellable);
}

/* Its BTF too, which takes a privilege that the worker doesn't have; the worker says if there is none. */
static bool open_target(Request *request)
{
        LoadOp *op = request->op;
        const Program *target =
                registry_any_program(request->daemon->registry, op->args->target_program);
        int fd = target ? program_open(request->daemon, target) : -ENOENT;

        if (fd < 0)
                return false;
        op->target_fds[op->n_target_fds++] = fd;
        fd = target->pub.btf_id > 0 ? kern_btf_open_id(target->pub.btf_id) : -1;
        if (fd >= 0)
                op->target_fds[op->n_target_fds++] = fd;
        return true;
}

void load_run(Request *request)
{
        LoadOp *op = request->op;

        for (guint i = 0; i < op->args->maps->len; i++) {
                const BusMapWish *wish = &g_array_index(op->args->maps, BusMapWish, i);
                const Map *map = registry_any_map(request->daemon->registry, wish->id);
                int fd = map ? map_open(request->daemon, map, KERN_ACCESS_READ_WRITE) : -ENOENT;

                if (fd < 0) {
                        request_fail(request, no_such_object(BUS_MAP, wish->id));
                        return;
                }
                g_array_append_val(op->map_fds, fd);
        }
        if (op->args->target_program != 0 && !open_target(request)) {
                request_fail(request, no_such_object(BUS_PROGRAM, op->args->target_program));
                return;
        }
        call_worker(request);
}

/* What came of it: announced, answered */

static void audit_programs(Request *request, const Load *l)
{
        for (guint i = 0; i < l->programs->len; i++) {
                const Program *p = g_ptr_array_index(l->programs, i);

                audit_program(request, p);
                audit_done(request, BUS_PROGRAM, p->pub.id, "loaded %s (%s) as program %u, from %s",
                           p->pub.name, p->pub.type, p->pub.id, l->digest);
        }
}

/* In the order of the request; the worker has that of the object. */
static int reply_programs(Request *request, const Load *l)
{
        const GArray *wishes = ((LoadOp *)request->op)->args->programs;
        g_autoptr(GArray) ids = g_array_new(FALSE, FALSE, sizeof(uint32_t));

        for (guint i = 0; i < wishes->len; i++)
                for (guint j = 0; j < l->programs->len; j++) {
                        const Program *p = g_ptr_array_index(l->programs, j);

                        if (g_str_equal(p->pub.name, g_array_index(wishes, BusProgramWish, i).name))
                                g_array_append_val(ids, p->pub.id);
                }
        return bus_reply_paths(request->m, BUS_PROGRAM, (uint32_t *)ids->data, ids->len);
}

/*
 * Maps that are shared by their names. Which names an object has only the worker sees, and which maps
 * there are only we do, so that the first answer may be a question. What is there changes while a
 * worker works: two loads that make a map of the same name are noticed by who comes second.
 */

void load_clear_shared(void *p)
{
        SharedMap *map = p;

        g_free(map->name);
        if (map->fd >= 0)
                close(map->fd);
}

static const Map *find_shared(Request *request, const SharedMap *map)
{
        return registry_shared_map(request->daemon->registry, request->uid, map->name);
}

/* Whether all of them are still what the worker was told. */
static bool shared_are_true(Request *request)
{
        const GArray *shared = ((LoadOp *)request->op)->shared;

        for (guint i = 0; i < shared->len; i++) {
                const SharedMap *map = &g_array_index(shared, SharedMap, i);
                const Map *now = find_shared(request, map);

                if (map->id != (now ? now->pub.id : 0))
                        return false;
        }
        return true;
}

static int add_unknown(sd_bus_message *reply, GArray *shared)
{
        const char *name;
        int r;

        r = sd_bus_message_enter_container(reply, 'a', "s");
        if (r < 0)
                return r;
        while ((r = sd_bus_message_read_basic(reply, 's', &name)) > 0) {
                SharedMap map = {.fd = -1};

                if (shared->len == KERN_MAPS_MAX)
                        return -E2BIG;
                map.name = g_strdup(name);
                g_array_append_val(shared, map);
        }
        return r < 0 ? r : sd_bus_message_exit_container(reply);
}

static bool load_again(Request *request, GError **reterr)
{
        LoadOp *op = request->op;

        if (++op->n_rounds > ROUNDS_MAX) {
                g_propagate_error(reterr,
                                  error_new(FAILED,
                                            "Other programs that share its maps come and go "
                                            "all the time. Try again."));
                return false;
        }
        for (guint i = 0; i < op->shared->len; i++) {
                SharedMap *map = &g_array_index(op->shared, SharedMap, i);
                const Map *now = find_shared(request, map);

                if (map->fd >= 0)
                        close(map->fd);
                map->fd = now ? map_open(request->daemon, now, KERN_ACCESS_READ_WRITE) : -1;
                map->id = now ? now->pub.id : 0;
                if (now && map->fd < 0) {
                        g_propagate_error(reterr, no_such_object(BUS_MAP, now->pub.id));
                        return false;
                }
        }
        call_worker(request);
        return true;
}

static void on_loaded(sd_bus_message *reply, GError *error, void *userdata)
{
        guint n_shared;

        Request *request = userdata;
        Daemon *daemon = request->daemon;
        LoadOp *op = request->op;
        g_autoptr(Load) l = NULL;
        Load *registered;
        uint32_t id;

        if (error) {
                /* The log of a refusal comes with it, behind no programs and no maps. */
                if (reply && sd_bus_message_skip(reply, WORKER_LOADED) >= 0)
                        load_keep_log(request, reply, NULL);
                request_fail(request, error);
                return;
        }
        n_shared = op->shared->len;
        if (add_unknown(reply, op->shared) < 0) {
                request_fail(request,
                             error_new(WORKER_FAILED, "The worker's answer makes no sense."));
                return;
        }
        if (!request_is_cancelled(request) &&
            (op->shared->len > n_shared || !shared_are_true(request))) {
                if (!load_again(request, &error))
                        request_fail(request, error);
                return;
        }
        /* Nobody is waiting: what the worker loaded goes with its answer. */
        if (request_is_cancelled(request))
                error = error_new(CANCELLED, "The caller left the bus.");
        else
                store_next_id(daemon->store, &id, &error);
        if (error) {
                request_fail(request, error);
                return;
        }
        l = load_new(id, request->uid, op->args->name, op->args->metadata, op->digest);
        if (!load_commit(request, reply, l, &error)) {
                request_fail(request, error);
                return;
        }
        registered = l;
        registry_add_load(daemon->registry, g_steal_pointer(&l));
        audit_programs(request, registered);
        request_finish(request, reply_programs(request, registered));
}
