/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Load(): from a descriptor of somebody's to programs in the kernel. */

#include <errno.h>
#include <unistd.h>

#include "errors.h"
#include "load-op.h"

/* What is hashed at once; more would make others wait. SHA-256 takes 1 ms for some 300 KiB. */
#define HASH_CHUNK (256 * 1024)

static void load_op_free(void *p)
{
        LoadOp *op = p;

        bus_load_args_free(op->args);
        if (op->object_fd >= 0)
                close(op->object_fd);
        if (op->btf_fd >= 0)
                close(op->btf_fd);
        if (op->hash_idle)
                g_source_remove(op->hash_idle);
        g_clear_pointer(&op->checksum, g_checksum_free);
        g_free(op->digest);
        g_ptr_array_unref(op->types);
        for (guint i = 0; i < op->map_fds->len; i++)
                close(g_array_index(op->map_fds, int, i));
        g_array_unref(op->map_fds);
        g_array_unref(op->shared);
        for (size_t i = 0; i < op->n_target_fds; i++)
                close(op->target_fds[i]);
        if (op->n_charged > 0)
                quota_release(op->quota, op->uid, CHARGE_PROGRAMS, op->n_charged);
        g_free(op);
}

static void seal(Request *request);
static void hash(Request *request);
static void check_wishes(Request *request);
static void authorize_types(Request *request);
static void authorize_target(Request *request);
static void authorize_maps(Request *request);

static LoadOp *load_op_new(BusLoadArgs *args)
{
        LoadOp *op = g_new0(LoadOp, 1);

        op->args = args;
        op->object_fd = op->btf_fd = -1;
        op->types = g_ptr_array_new();
        op->map_fds = g_array_new(FALSE, FALSE, sizeof(int));
        op->shared = g_array_new(FALSE, TRUE, sizeof(SharedMap));
        g_array_set_clear_func(op->shared, load_clear_shared);
        return op;
}

/* Types are checked for being there at all before anything is asked of anybody. */
static bool check_types(const BusLoadArgs *args, GError **reterr)
{
        for (guint i = 0; i < args->programs->len; i++) {
                const BusProgramWish *wish = &g_array_index(args->programs, BusProgramWish, i);

                if (*wish->type == '\0' || kern_type_find(wish->type))
                        continue;
                g_propagate_error(reterr, error_unknown_type(wish->type));
                return false;
        }
        return true;
}

void op_load(void *service, sd_bus_message *m, BusLoadArgs *args)
{
        g_autoptr(GError) error = NULL;

        if (!check_types(args, &error)) {
                (void)bus_reply_gerror(m, error);
                bus_load_args_free(args);
                return;
        }
        request_start(service, m, load_op_new(args), load_op_free, seal);
}

/* 1. The bytes, and what is in them */

static void sealed(Request *request)
{
        /* Whoever names the types has the object opened only after polkit was asked. */
        if (load_object_is_told(request->op))
                check_wishes(request);
        else
                load_object_complete(request, check_wishes);
}

static void seal(Request *request)
{
        load_object_seal(request, sealed);
}

static void seal_and_inspect(Request *request)
{
        load_object_seal(request, load_object_answer);
}

static void seal_and_describe(Request *request)
{
        load_object_seal(request, load_object_describe);
}

static void look_into(void *service, sd_bus_message *m, int object_fd,
                      void (*run)(Request *request))
{
        BusLoadArgs *args = bus_load_args_new();

        args->object_fd = object_fd;
        request_start(service, m, load_op_new(args), load_op_free, run);
}

void op_inspect(void *service, sd_bus_message *m, int object_fd)
{
        look_into(service, m, object_fd, seal_and_inspect);
}

void op_describe(void *service, sd_bus_message *m, int object_fd)
{
        look_into(service, m, object_fd, seal_and_describe);
}

/* 2. What can be told without the object: limits, and the maps that are to be used. */

static bool has_wish(const GArray *maps, const char *name)
{
        for (guint i = 0; i < maps->len; i++)
                if (g_str_equal(g_array_index(maps, BusMapWish, i).name, name))
                        return true;
        return false;
}

/* What the old version has, as far as the new one can use it. */
static GError *carry_maps_over(Request *request)
{
        BusLoadArgs *args = ((LoadOp *)request->op)->args;
        Registry *registry = request->daemon->registry;
        const Program *old = registry_any_program(registry, args->replaces);

        if (!old)
                return no_such_object(BUS_PROGRAM, args->replaces);
        if (!old->load)
                return error_new(NOT_MANAGED, "Program %u was not loaded by this service.",
                                 args->replaces);
        for (guint i = 0; i < old->pub.maps->len; i++) {
                const Map *map = registry_map(registry, g_array_index(old->pub.maps, uint32_t, i));
                BusMapWish wish = {.optional = true};

                if (!map || has_wish(args->maps, map->pub.name))
                        continue;
                wish.name = g_strdup(map->pub.name);
                wish.id = map->pub.id;
                g_array_append_val(args->maps, wish);
        }
        return NULL;
}

static void check_wishes(Request *request)
{
        LoadOp *op = request->op;
        GArray *programs = op->args->programs;
        GError *error = NULL;

        if (op->args->replaces != 0)
                error = carry_maps_over(request);
        if (error) {
                request_fail(request, error);
                return;
        }
        if (op->args->maps->len > KERN_MAPS_MAX) {
                request_fail(request, error_new(LIMIT_EXCEEDED,
                                                "%u maps are to be used; an object has at most %d.",
                                                op->args->maps->len, KERN_MAPS_MAX));
                return;
        }
        if (op->args->map_sizes->len > KERN_MAPS_MAX) {
                request_fail(request, error_new(LIMIT_EXCEEDED,
                                                "Sizes of %u maps are given; an object has at most "
                                                "%d.",
                                                op->args->map_sizes->len, KERN_MAPS_MAX));
                return;
        }
        if (!quota_charge(request->daemon->quota, request->uid, CHARGE_PROGRAMS, programs->len,
                          &error)) {
                request_fail(request, error);
                return;
        }
        op->quota = request->daemon->quota;
        op->uid = request->uid;
        op->n_charged = programs->len;
        for (guint i = 0; i < programs->len; i++) {
                const KernType *type =
                        kern_type_find(g_array_index(programs, BusProgramWish, i).type);

                if (!g_ptr_array_find(op->types, type, NULL))
                        g_ptr_array_add(op->types, (gpointer)type);
        }
        if ((op->args->target_program != 0 || *op->args->target_function) &&
            !g_ptr_array_find(op->types, kern_type_find("freplace"), NULL)) {
                request_fail(request, error_new(INVALID_ARGUMENT,
                                                "A target is given, and no program is of type "
                                                "freplace, which goes into one."));
                return;
        }
        for (guint i = 0; i < op->args->maps->len; i++) {
                const BusMapWish *wish = &g_array_index(op->args->maps, BusMapWish, i);

                if (registry_any_map(request->daemon->registry, wish->id))
                        continue;
                request_fail(request,
                             error_new(NO_SUCH_MAP,
                                       "Map '%s' is to be the one with the id %u, and there is "
                                       "none.",
                                       wish->name, wish->id));
                return;
        }
        op->checksum = g_checksum_new(G_CHECKSUM_SHA256);
        hash(request);
}

/* 3. The digest, by the daemon itself: it is what an administrator decides on. */

static gboolean hash_more(gpointer userdata)
{
        Request *request = userdata;

        ((LoadOp *)request->op)->hash_idle = 0;
        hash(request);
        return G_SOURCE_REMOVE;
}

static void hash(Request *request)
{
        static guchar buffer[HASH_CHUNK];
        LoadOp *op = request->op;
        ssize_t n;

        /* read(2), not mmap(2): a page that can't be had is an error here and a SIGBUS there. */
        n = pread(op->object_fd, buffer, sizeof(buffer), op->hashed);
        if (n < 0) {
                request_fail(request, error_new(INVALID_ARGUMENT, "The object can't be read: %s.",
                                                g_strerror(errno)));
                return;
        }
        g_checksum_update(op->checksum, buffer, n);
        op->hashed += n;
        if (n == (ssize_t)sizeof(buffer)) {
                op->hash_idle = g_idle_add_full(G_PRIORITY_DEFAULT, hash_more, request, NULL);
                return;
        }
        op->digest = g_strconcat("sha256:", g_checksum_get_string(op->checksum), NULL);
        authorize_types(request);
}

/* 4. polkit, once for each type and once for maps of somebody else */

static void authorize_types(Request *request)
{
        LoadOp *op = request->op;
        g_autoptr(GString) names = g_string_new(NULL);
        char suffix[32], action[64], count[16], target_id[16] = "", target_owner[16] = "";
        const Program *target = NULL;
        const KernType *type;
        guint n = 0;

        if (op->next_type == op->types->len) {
                authorize_target(request);
                return;
        }
        type = g_ptr_array_index(op->types, op->next_type++);
        for (guint i = 0; i < op->args->programs->len; i++) {
                const BusProgramWish *wish = &g_array_index(op->args->programs, BusProgramWish, i);

                if (!g_str_equal(wish->type, type->name))
                        continue;
                g_string_append_printf(names, "%s%s", names->len ? " " : "", wish->name);
                n++;
        }
        kern_type_action_suffix(type, suffix, sizeof(suffix));
        g_snprintf(action, sizeof(action), "org.bpfkeeper1.load.%s", suffix);
        g_snprintf(count, sizeof(count), "%u", n);
        if (type->prog_type == BPF_PROG_TYPE_EXT && op->args->target_program != 0) {
                target = registry_any_program(request->daemon->registry, op->args->target_program);
                if (!target) {
                        request_fail(request,
                                     no_such_object(BUS_PROGRAM, op->args->target_program));
                        return;
                }
                g_snprintf(target_id, sizeof(target_id), "%u", target->pub.id);
                g_snprintf(target_owner, sizeof(target_owner), "%u", target->pub.owner_uid);
        }
        /* The list ends at the first key that isn't there. */
        request_authorize(request, action,
                          (AuthzDetail[]){{"type", type->name},
                                          {"program", names->str},
                                          {"n_programs", count},
                                          {"application", op->args->name},
                                          {"digest", op->digest},
                                          {target ? "target_program" : NULL,
                                           target ? target->pub.name : NULL},
                                          {"target_program_id", target_id},
                                          {"target_program_owner", target_owner},
                                          {}},
                          authorize_types);
}

/* What goes into somebody's program is something done with it. */
static void authorize_target(Request *request)
{
        const LoadOp *op = request->op;

        if (op->args->target_program != 0)
                request_authorize_use(request, op->args->target_program, authorize_maps);
        else
                authorize_maps(request);
}

/* Each map that isn't the caller's is asked for twice: next_map counts halves. */
static void authorize_maps(Request *request)
{
        LoadOp *op = request->op;

        for (; op->next_map < 2 * op->args->maps->len; op->next_map++) {
                const BusMapWish *wish =
                        &g_array_index(op->args->maps, BusMapWish, op->next_map / 2);
                const Map *map = registry_any_map(request->daemon->registry, wish->id);

                if (!map) {
                        request_fail(request, no_such_object(BUS_MAP, wish->id));
                        return;
                }
                if (map->pub.managed && map->pub.owner_uid == request->uid)
                        continue;
                request_authorize_others(request,
                                         op->next_map++ % 2 ? "org.bpfkeeper1.map.write"
                                                            : "org.bpfkeeper1.map.read",
                                         &(Belonging){wish->id, map->pub.name, map->pub.type,
                                                      map->pub.owner_uid},
                                         authorize_maps);
                return;
        }
        load_run(request);
}

/* GetLog() of the manager */
static void run_last_log(Request *request)
{
        int fd = request_last_log(request);

        if (fd < 0) {
                request_fail(request,
                             error_new(NO_LOG, "There is no log of a Load() on this connection."));
                return;
        }
        request_finish(request, bus_reply_fd(request->m, fd));
}

void op_last_log(void *service, sd_bus_message *m)
{
        request_start(service, m, NULL, NULL, run_last_log);
}
