/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Load(): from a descriptor of somebody's to programs in the kernel. */

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "errors.h"
#include "kern-object.h"
#include "ops.h"

#define SEAL_TIMEOUT_SEC 10
#define INSPECT_TIMEOUT_SEC 10
#define LOAD_TIMEOUT_SEC 30

/* What is hashed at once; more would make others wait. SHA-256 takes 1 ms for some 300 KiB. */
#define HASH_CHUNK (256 * 1024)

#define SEALS (F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK)

typedef struct LoadOp {
        BusLoadArgs *args;
        int object_fd; /* sealed; owned */
        int btf_fd;    /* sealed; owned; or -1 */
        int *sealing;  /* which of the two is being copied */
        GChecksum *checksum;
        off_t hashed;
        guint hash_idle;
        char *digest;     /* "sha256:…" */
        GPtrArray *types; /* const KernType: those to ask for, each once */
        guint next_type;
        guint next_map;
        GArray *map_fds; /* int; owned */
        bool inspecting_only;
        Quota *quota;
        uid_t uid;
        unsigned n_charged; /* programs held against the limit while this is going on */
} LoadOp;

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
        if (op->n_charged > 0)
                quota_release(op->quota, op->uid, CHARGE_PROGRAMS, op->n_charged);
        g_free(op);
}

static void seal_all(Request *request);
static void inspect(Request *request);
static void hash(Request *request);
static void check_wishes(Request *request);
static void authorize_types(Request *request);
static void authorize_maps(Request *request);
static void load(Request *request);

static LoadOp *load_op_new(BusLoadArgs *args)
{
        LoadOp *op = g_new0(LoadOp, 1);

        op->args = args;
        op->object_fd = op->btf_fd = -1;
        op->types = g_ptr_array_new();
        op->map_fds = g_array_new(FALSE, FALSE, sizeof(int));
        return op;
}

/* Types are checked for being there at all before anything is asked of anybody. */
static bool check_types(const BusLoadArgs *args, GError **reterr)
{
        for (guint i = 0; i < args->programs->len; i++) {
                const BusProgramWish *wish = &g_array_index(args->programs, BusProgramWish, i);
                g_autoptr(GString) names = NULL;

                if (*wish->type == '\0' || kern_type_find(wish->type))
                        continue;
                names = g_string_new(NULL);
                for (const KernType *t = kern_types; t->name; t++)
                        g_string_append_printf(names, "%s%s", names->len ? ", " : "", t->name);
                g_propagate_error(reterr, error_new(UNKNOWN_TYPE,
                                                    "There is no program type '%s'; there are: %s.",
                                                    wish->type, names->str));
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
        request_start(service, m, load_op_new(args), load_op_free, seal_all);
}

/* 1. The bytes: sealed, so that they can't change once they were looked at. */

static bool is_sealed(int fd)
{
        int seals = fcntl(fd, F_GET_SEALS);

        return seals >= 0 && (seals & SEALS) == SEALS;
}

/* What it takes to be used: sealed and not too large. */
static bool take_sealed(int fd, int *dest, GError **reterr)
{
        struct stat st;

        if (fstat(fd, &st) < 0 || st.st_size > KERN_OBJECT_SIZE_MAX) {
                g_propagate_error(reterr, error_new(LIMIT_EXCEEDED,
                                                    "The file has %jd bytes; it may have %u.",
                                                    (intmax_t)st.st_size, KERN_OBJECT_SIZE_MAX));
                return false;
        }
        *dest = fcntl(fd, F_DUPFD_CLOEXEC, 3);
        if (*dest < 0) {
                g_propagate_error(reterr, error_from_errno(-errno, "keep the descriptor"));
                return false;
        }
        return true;
}

static int fill_seal(sd_bus_message *m, void *userdata)
{
        Request *request = userdata;
        LoadOp *op = request->op;
        int fd = op->sealing == &op->object_fd ? op->args->object_fd : op->args->btf_fd;

        return sd_bus_message_append(m, "h", fd);
}

static void on_copied(sd_bus_message *reply, GError *error, void *userdata)
{
        Request *request = userdata;
        LoadOp *op = request->op;
        size_t n;
        int fd = -1;

        if (error) {
                request_fail(request, error);
                return;
        }
        if (worker_fds_take(reply, &fd, 1, &n) < 0 || n != 1 || !is_sealed(fd)) {
                if (fd >= 0)
                        close(fd);
                request_fail(request,
                             error_new(WORKER_FAILED, "The worker's answer makes no sense."));
                return;
        }
        *op->sealing = fd;
        seal_all(request);
}

static bool seal_one(Request *request, int from, int *to)
{
        LoadOp *op = request->op;
        GError *error = NULL;

        if (from < 0 || *to >= 0)
                return true;
        if (is_sealed(from)) {
                if (take_sealed(from, to, &error))
                        return true;
                request_fail(request, error);
                return false;
        }
        /* Reading a file of the caller's may take for ever (a pipe, a FUSE file): not here. */
        op->sealing = to;
        worker_pool_call(request->daemon->workers, WORKER_ROLE_INSPECT, request->uid, "Seal",
                         SEAL_TIMEOUT_SEC, fill_seal, on_copied, request, request->cancellable);
        return false;
}

static void seal_all(Request *request)
{
        LoadOp *op = request->op;
        bool complete = op->args->programs->len > 0;

        if (!seal_one(request, op->args->object_fd, &op->object_fd) ||
            !seal_one(request, op->args->btf_fd, &op->btf_fd))
                return;
        for (guint i = 0; i < op->args->programs->len; i++)
                complete = complete && *g_array_index(op->args->programs, BusProgramWish, i).type;
        /* Whoever names the types has the object opened only after polkit was asked. */
        if (complete && !op->inspecting_only)
                check_wishes(request);
        else
                inspect(request);
}

/* 2. Which programs of which types, where the caller left that to the section names. */

static int fill_inspect(sd_bus_message *m, void *userdata)
{
        Request *request = userdata;

        return sd_bus_message_append(m, "h", ((LoadOp *)request->op)->object_fd);
}

static BusProgramWish *find_wish(GArray *programs, const char *name)
{
        for (guint i = 0; i < programs->len; i++) {
                BusProgramWish *wish = &g_array_index(programs, BusProgramWish, i);

                if (g_str_equal(wish->name, name))
                        return wish;
        }
        return NULL;
}

static GError *untyped(const BusProgramWish *wish, const char *section)
{
        if (section)
                return error_new(
                        UNKNOWN_SECTION,
                        "The section '%s' of program '%s' tells no type that there is; name "
                        "one.",
                        section, wish->name);
        return error_new(NO_SUCH_FUNCTION_IN_OBJECT, "The object has no program '%s'.", wish->name);
}

static int complete_wishes(sd_bus_message *reply, GArray *wishes, GError **reterr)
{
        g_autoptr(GHashTable) sections =
                g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
        bool all = wishes->len == 0;
        const char *name, *section, *type;
        g_autoptr(GString) names = g_string_new(NULL);
        int r;

        r = sd_bus_message_enter_container(reply, 'a', "(sss)");
        if (r < 0)
                return r;
        while ((r = sd_bus_message_read(reply, "(sss)", &name, &section, &type)) > 0) {
                BusProgramWish *wish = find_wish(wishes, name);

                g_hash_table_insert(sections, g_strdup(name), g_strdup(section));
                if (names->len < 1024)
                        g_string_append_printf(names, "%s%s", names->len ? ", " : "", name);
                if (wish && *wish->type == '\0') {
                        g_free(wish->type);
                        wish->type = g_strdup(type);
                } else if (!wish && all) {
                        BusProgramWish new = {g_strdup(name), g_strdup(type)};

                        g_array_append_val(wishes, new);
                }
        }
        if (r < 0)
                return r;
        for (guint i = 0; i < wishes->len; i++) {
                const BusProgramWish *wish = &g_array_index(wishes, BusProgramWish, i);
                const char *s = g_hash_table_lookup(sections, wish->name);

                if (!s) {
                        g_propagate_error(reterr,
                                          error_new(NO_SUCH_FUNCTION_IN_OBJECT,
                                                    "The object has no program '%s'; it has: %s.",
                                                    wish->name, names->str));
                        return -ENOENT;
                }
                if (!kern_type_find(wish->type)) {
                        g_propagate_error(reterr, untyped(wish, s));
                        return -EINVAL;
                }
        }
        return 0;
}

static void on_inspected(sd_bus_message *reply, GError *error, void *userdata)
{
        Request *request = userdata;
        LoadOp *op = request->op;
        int r;

        if (error) {
                request_fail(request, error);
                return;
        }
        r = complete_wishes(reply, op->args->programs, &error);
        if (r < 0) {
                request_fail(request, error
                                              ?: error_new(WORKER_FAILED,
                                                           "The worker's answer makes no sense."));
                return;
        }
        check_wishes(request);
}

/* The answer is passed on as it is: three strings each, which is all that the bus needs to be true. */
static void on_inspected_only(sd_bus_message *reply, GError *error, void *userdata)
{
        sd_bus_message *answer = NULL;
        Request *request = userdata;

        if (error) {
                request_fail(request, error);
                return;
        }
        if (sd_bus_message_new_method_return(request->m, &answer) < 0 ||
            sd_bus_message_copy(answer, reply, 1) < 0 ||
            sd_bus_send(request->daemon->bus, answer, NULL) < 0) {
                sd_bus_message_unref(answer);
                request_fail(request,
                             error_new(WORKER_FAILED, "The worker's answer makes no sense."));
                return;
        }
        sd_bus_message_unref(answer);
        request_done(request);
}

static void inspect(Request *request)
{
        LoadOp *op = request->op;

        worker_pool_call(request->daemon->workers, WORKER_ROLE_INSPECT, request->uid, "Inspect",
                         INSPECT_TIMEOUT_SEC, fill_inspect,
                         op->inspecting_only ? on_inspected_only : on_inspected, request,
                         request->cancellable);
}

void op_inspect(void *service, sd_bus_message *m, int object_fd)
{
        BusLoadArgs *args = g_new0(BusLoadArgs, 1);
        LoadOp *op;

        args->programs = g_array_new(FALSE, TRUE, sizeof(BusProgramWish));
        args->globals = g_array_new(FALSE, TRUE, sizeof(BusGlobal));
        args->maps = g_array_new(FALSE, TRUE, sizeof(BusMapWish));
        args->object_fd = object_fd;
        args->btf_fd = -1;
        op = load_op_new(args);
        op->inspecting_only = true;
        request_start(service, m, op, load_op_free, seal_all);
}

/* 3. What can be told without the object: limits, and the maps that are to be used. */

static void check_wishes(Request *request)
{
        LoadOp *op = request->op;
        GArray *programs = op->args->programs;
        GError *error = NULL;

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

/* 4. The digest, by the daemon itself: it is what an administrator decides on. */

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

/* 5. polkit, once for each type and once for maps of somebody else */

static void authorize_types(Request *request)
{
        LoadOp *op = request->op;
        g_autoptr(GString) names = g_string_new(NULL);
        char suffix[32], action[64], count[16];
        const KernType *type;
        guint n = 0;

        if (op->next_type == op->types->len) {
                authorize_maps(request);
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
        request_authorize(request, action,
                          (AuthzDetail[]){{"type", type->name},
                                          {"program", names->str},
                                          {"n_programs", count},
                                          {"application", op->args->name},
                                          {"digest", op->digest},
                                          {}},
                          authorize_types);
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
        load(request);
}

/* 6. The worker */

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
                r = sd_bus_message_open_container(m, 'a', "(say)");
        for (guint i = 0; r >= 0 && i < args->globals->len; i++) {
                const BusGlobal *g = &g_array_index(args->globals, BusGlobal, i);

                r = sd_bus_message_open_container(m, 'r', "say");
                if (r >= 0)
                        r = sd_bus_message_append_basic(m, 's', g->name);
                if (r >= 0)
                        r = sd_bus_message_append_array(m, 'y', g->data, g->size);
                if (r >= 0)
                        r = sd_bus_message_close_container(m);
        }
        if (r >= 0)
                r = sd_bus_message_close_container(m);
        if (r >= 0)
                r = sd_bus_message_open_container(m, 'a', "(sh)");
        for (guint i = 0; r >= 0 && i < args->maps->len; i++)
                r = sd_bus_message_append(m, "(sh)", g_array_index(args->maps, BusMapWish, i).name,
                                          g_array_index(op->map_fds, int, i));
        if (r >= 0)
                r = sd_bus_message_close_container(m);
        if (r >= 0)
                r = worker_fds_append(m, &op->btf_fd, op->btf_fd >= 0 ? 1 : 0);
        if (r >= 0)
                r = sd_bus_message_append(m, "u", args->log_level);
        return r;
}

static void on_loaded(sd_bus_message *reply, GError *error, void *userdata);

static void load(Request *request)
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
        worker_pool_call(request->daemon->workers, WORKER_ROLE_LOAD, request->uid, "Load",
                         LOAD_TIMEOUT_SEC, fill_load, on_loaded, request, request->cancellable);
}

/* 7. What came of it: checked against the kernel, pinned, written down, announced, answered */

/* Undoes the pins of a load that doesn't come to be. */
static void unpin_load(Daemon *daemon, const Load *l)
{
        for (guint i = 0; i < l->programs->len; i++)
                store_unpin(daemon->store, BUS_PROGRAM,
                            ((Program *)g_ptr_array_index(l->programs, i))->pub.id, 0);
        for (guint i = 0; i < l->maps->len; i++)
                store_unpin(daemon->store, BUS_MAP, ((Map *)g_ptr_array_index(l->maps, i))->pub.id,
                            0);
}

/*
 * The worker's words aren't taken for more than names: that these are programs, of the types that
 * polkit was asked for, the kernel says.
 */
static int take_program(Request *request, Load *l, const char *name, const char *section,
                        const char *type_name, int fd)
{
        const LoadOp *op = request->op;
        const KernType *type = kern_type_find(type_name);
        const BusProgramWish *wish = find_wish(op->args->programs, name);
        KernProgramInfo info;
        int r;

        if (!type || !wish || !g_str_equal(wish->type, type->name))
                return -EBADMSG;
        r = kern_program_info(fd, &info);
        if (r < 0)
                return r;
        if (info.prog_type != type->prog_type ||
            registry_program(request->daemon->registry, info.id))
                return -EBADMSG;
        r = store_pin(request->daemon->store, BUS_PROGRAM, info.id, 0, fd);
        if (r < 0)
                return r;
        load_add_program(l, type, name, section, &info);
        return 0;
}

static int take_map(Request *request, Load *l, const char *name, int fd)
{
        KernMapInfo info;
        int r;

        r = kern_map_info(fd, &info);
        if (r < 0)
                return r;
        /* One that was given: it stays where it is. */
        if (registry_map(request->daemon->registry, info.id))
                return 0;
        r = store_pin(request->daemon->store, BUS_MAP, info.id, 0, fd);
        if (r < 0)
                return r;
        r = load_add_map(l, name, &info);
        if (r < 0)
                store_unpin(request->daemon->store, BUS_MAP, info.id, 0);
        return r;
}

static int take_results(Request *request, sd_bus_message *reply, Load *l)
{
        const char *name, *section, *type;
        int fd, reused, r;

        r = sd_bus_message_enter_container(reply, 'a', "(sssh)");
        if (r < 0)
                return r;
        while ((r = sd_bus_message_read(reply, "(sssh)", &name, &section, &type, &fd)) > 0) {
                r = take_program(request, l, name, section, type, fd);
                if (r < 0)
                        return r;
        }
        if (r < 0)
                return r;
        r = sd_bus_message_exit_container(reply);
        if (r < 0)
                return r;
        r = sd_bus_message_enter_container(reply, 'a', "(shb)");
        if (r < 0)
                return r;
        while ((r = sd_bus_message_read(reply, "(shb)", &name, &fd, &reused)) > 0) {
                if (reused)
                        continue;
                r = take_map(request, l, name, fd);
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

/* The log is there after a refusal as well: with the error comes an answer without programs. */
static int take_log(Request *request, sd_bus_message *reply)
{
        size_t n = 0;
        int fd = -1;

        if (worker_fds_take(reply, &fd, 1, &n) < 0)
                fd = -1;
        request_keep_log(request, fd);
        return fd;
}

static bool commit(Request *request, sd_bus_message *reply, Load *l, GError **reterr)
{
        Daemon *daemon = request->daemon;
        int log_fd, r;

        r = take_results(request, reply, l);
        if (r < 0) {
                g_propagate_error(reterr, error_from_errno(r, "keep what was loaded"));
                return false;
        }
        if (!quota_charge(daemon->quota, request->uid, CHARGE_MAPS, l->maps->len, reterr))
                return false;
        quota_release(daemon->quota, request->uid, CHARGE_MAPS, l->maps->len);
        log_fd = take_log(request, reply);
        if (log_fd >= 0) {
                (void)store_write_log(daemon->store, l->id, log_fd);
                close(log_fd);
        }
        return store_write_load(daemon->store, l, reterr);
}

/* In the order of the request; the worker has that of the object. */
static void reply_programs(Request *request, const Load *l)
{
        const GArray *wishes = ((LoadOp *)request->op)->args->programs;
        g_autoptr(GArray) ids = g_array_new(FALSE, FALSE, sizeof(uint32_t));

        for (guint i = 0; i < wishes->len; i++)
                for (guint j = 0; j < l->programs->len; j++) {
                        const Program *p = g_ptr_array_index(l->programs, j);

                        if (g_str_equal(p->pub.name, g_array_index(wishes, BusProgramWish, i).name))
                                g_array_append_val(ids, p->pub.id);
                }
        (void)bus_reply_paths(request->m, BUS_PROGRAM, (uint32_t *)ids->data, ids->len);
}

static void on_loaded(sd_bus_message *reply, GError *error, void *userdata)
{
        Request *request = userdata;
        Daemon *daemon = request->daemon;
        LoadOp *op = request->op;
        g_autoptr(Load) l = NULL;
        Load *registered;
        uint32_t id;

        if (error) {
                if (reply && sd_bus_message_skip(reply, "a(sssh)a(shb)") >= 0) {
                        int fd = take_log(request, reply);

                        if (fd >= 0)
                                close(fd);
                }
                request_fail(request, error);
                return;
        }
        if (!store_next_id(daemon->store, &id, &error)) {
                request_fail(request, error);
                return;
        }
        l = load_new(id, request->uid, op->args->name, op->args->metadata, op->digest);
        if (!commit(request, reply, l, &error)) {
                unpin_load(daemon, l);
                store_remove_load(daemon->store, id);
                request_fail(request, error);
                return;
        }
        registered = l;
        registry_add_load(daemon->registry, g_steal_pointer(&l));
        reply_programs(request, registered);
        request_done(request);
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
        (void)bus_reply_fd(request->m, fd);
        request_done(request);
}

void op_last_log(void *service, sd_bus_message *m)
{
        request_start(service, m, NULL, NULL, run_last_log);
}
