/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Getting at the object of a Load() or Inspect(), in a worker that can do nothing else. */

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "descriptor.h"
#include "errors.h"
#include "kern-object.h"
#include "load-op.h"

#define SEAL_TIMEOUT_SEC 10
#define INSPECT_TIMEOUT_SEC 10

/* The bytes */

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

static void seal_all(Request *request);

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
        int fd = -1;

        if (error) {
                request_fail(request, error);
                return;
        }
        if (worker_fd_take(reply, &fd) < 0 || fd < 0 || !descriptor_is_sealed(fd)) {
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
        if (descriptor_is_sealed(from)) {
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

        if (seal_one(request, op->args->object_fd, &op->object_fd) &&
            seal_one(request, op->args->btf_fd, &op->btf_fd))
                op->next(request);
}

void load_object_seal(Request *request, void (*next)(Request *request))
{
        ((LoadOp *)request->op)->next = next;
        seal_all(request);
}

/* What is in them */

static int fill_inspect(sd_bus_message *m, void *userdata)
{
        Request *request = userdata;

        return sd_bus_message_append(m, "h", ((LoadOp *)request->op)->object_fd);
}

BusProgramWish *load_find_wish(GArray *programs, const char *name)
{
        for (guint i = 0; i < programs->len; i++) {
                BusProgramWish *wish = &g_array_index(programs, BusProgramWish, i);

                if (g_str_equal(wish->name, name))
                        return wish;
        }
        return NULL;
}

static int complete_wishes(sd_bus_message *reply, GArray *wishes, GError **reterr)
{
        g_autoptr(GHashTable) sections =
                g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
        bool all = wishes->len == 0;
        const char *name, *section, *type;
        g_autoptr(GString) names = g_string_new(NULL);
        int optional, r;

        r = sd_bus_message_enter_container(reply, 'a', "(" WORKER_OUTLINE_PROGRAM ")");
        if (r < 0)
                return r;
        while ((r = sd_bus_message_read(reply, "(" WORKER_OUTLINE_PROGRAM ")", &name, &section,
                                        &type, &optional)) > 0) {
                BusProgramWish *wish = load_find_wish(wishes, name);

                g_hash_table_insert(sections, g_strdup(name), g_strdup(section));
                if (names->len < 1024)
                        g_string_append_printf(names, "%s%s", names->len ? ", " : "", name);
                if (wish && *wish->type == '\0') {
                        g_free(wish->type);
                        wish->type = g_strdup(type);
                } else if (!wish && all && !optional) {
                        BusProgramWish new = {g_strdup(name), g_strdup(type)};

                        g_array_append_val(wishes, new);
                }
        }
        if (r < 0)
                return r;
        if (all && wishes->len == 0 && names->len > 0) {
                g_propagate_error(reterr,
                                  error_new(NO_SUCH_FUNCTION_IN_OBJECT,
                                            "All programs of the object are optional (\"?\" "
                                            "in their sections); name those to load: %s.",
                                            names->str));
                return -ENOENT;
        }
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
                        g_propagate_error(reterr,
                                          error_new(UNKNOWN_SECTION,
                                                    "The section '%s' of program '%s' tells no "
                                                    "type that there is; name one.",
                                                    s, wish->name));
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
                if (!error)
                        error = error_new(WORKER_FAILED, "The worker's answer makes no sense.");
                request_fail(request, error);
                return;
        }
        op->next(request);
}

/* Each part of a worker's answer is of the type that the bus is told: it is that much to be trusted. */

typedef int (*AppendPart)(sd_bus_message *reply, sd_bus_message *answer);

static int append_signature(sd_bus_message *reply, sd_bus_message *answer)
{
        const char *name, *section, *type;
        int optional, r;

        r = sd_bus_message_read(reply, "(" WORKER_OUTLINE_PROGRAM ")", &name, &section, &type,
                                &optional);
        return r <= 0                                                            ? r
               : sd_bus_message_append(answer, "(sss)", name, section, type) < 0 ? -EIO
                                                                                 : 1;
}

static int append_program(sd_bus_message *reply, sd_bus_message *answer)
{
        const char *name, *section, *type;
        int optional, r;

        r = sd_bus_message_read(reply, "(" WORKER_OUTLINE_PROGRAM ")", &name, &section, &type,
                                &optional);
        if (r <= 0)
                return r;
        r = sd_bus_message_append(answer, "a{sv}", 4, "Name", "s", name, "Section", "s", section,
                                  "Type", "s", type, "Optional", "b", optional);
        return r < 0 ? r : 1;
}

static int append_map(sd_bus_message *reply, sd_bus_message *answer)
{
        uint32_t key_size, value_size, max_entries, flags;
        const char *name, *type;
        int shared, r;

        r = sd_bus_message_read(reply, "(" WORKER_OUTLINE_MAP ")", &name, &type, &key_size,
                                &value_size, &max_entries, &flags, &shared);
        if (r <= 0)
                return r;
        r = sd_bus_message_append(answer, "a{sv}", 7, "Name", "s", name, "Type", "s", type,
                                  "KeySize", "u", key_size, "ValueSize", "u", value_size,
                                  "MaxEntries", "u", max_entries, "Flags", "u", flags, "Shared",
                                  "b", shared);
        return r < 0 ? r : 1;
}

static int append_global(sd_bus_message *reply, sd_bus_message *answer)
{
        const char *name, *map, *type, *value;
        uint64_t size;
        int r;

        r = sd_bus_message_read(reply, "(" WORKER_OUTLINE_GLOBAL ")", &name, &map, &type, &size,
                                &value);
        if (r <= 0)
                return r;
        r = sd_bus_message_append(answer, "a{sv}", 5, "Name", "s", name, "Map", "s", map, "Type",
                                  "s", type, "Size", "t", size, "Value", "s", value);
        return r < 0 ? r : 1;
}

static int append_parts(sd_bus_message *reply, const char *from, sd_bus_message *answer,
                        const char *to, AppendPart append)
{
        int r;

        r = sd_bus_message_enter_container(reply, 'a', from);
        if (r >= 0)
                r = sd_bus_message_open_container(answer, 'a', to);
        if (r < 0)
                return r;
        while ((r = append(reply, answer)) > 0)
                ;
        if (r >= 0)
                r = sd_bus_message_close_container(answer);
        return r < 0 ? r : sd_bus_message_exit_container(reply);
}

static int append_key(sd_bus_message *answer, const char *key, const char *type)
{
        int r;

        r = sd_bus_message_open_container(answer, 'e', "sv");
        if (r >= 0)
                r = sd_bus_message_append_basic(answer, 's', key);
        return r < 0 ? r : sd_bus_message_open_container(answer, 'v', type);
}

static int append_entry(sd_bus_message *reply, const char *from, sd_bus_message *answer,
                        const char *key, AppendPart append)
{
        int r;

        r = append_key(answer, key, "aa{sv}");
        if (r >= 0)
                r = append_parts(reply, from, answer, "a{sv}", append);
        if (r >= 0)
                r = sd_bus_message_close_container(answer);
        return r < 0 ? r : sd_bus_message_close_container(answer);
}

static int append_description(sd_bus_message *reply, sd_bus_message *answer)
{
        const char *license;
        int r;

        r = sd_bus_message_open_container(answer, 'a', "{sv}");
        if (r >= 0)
                r = append_entry(reply, "(" WORKER_OUTLINE_PROGRAM ")", answer, "Programs",
                                 append_program);
        if (r >= 0)
                r = sd_bus_message_read_basic(reply, 's', &license);
        if (r >= 0)
                r = sd_bus_message_append(answer, "{sv}", "License", "s", license);
        if (r >= 0)
                r = append_entry(reply, "(" WORKER_OUTLINE_MAP ")", answer, "Maps", append_map);
        if (r >= 0)
                r = append_entry(reply, "(" WORKER_OUTLINE_GLOBAL ")", answer, "Globals",
                                 append_global);
        return r < 0 ? r : sd_bus_message_close_container(answer);
}

static int append_signatures(sd_bus_message *reply, sd_bus_message *answer)
{
        return append_parts(reply, "(" WORKER_OUTLINE_PROGRAM ")", answer, "(sss)",
                            append_signature);
}

static void answer_by(Request *request, sd_bus_message *reply, GError *error,
                      int (*append)(sd_bus_message *reply, sd_bus_message *answer))
{
        sd_bus_message *answer = NULL;

        if (error) {
                request_fail(request, error);
                return;
        }
        if (sd_bus_message_new_method_return(request->m, &answer) < 0 ||
            append(reply, answer) < 0 || sd_bus_send(NULL, answer, NULL) < 0) {
                sd_bus_message_unref(answer);
                request_fail(request,
                             error_new(WORKER_FAILED, "The worker's answer makes no sense."));
                return;
        }
        sd_bus_message_unref(answer);
        request_done(request);
}

static void on_inspected_for_caller(sd_bus_message *reply, GError *error, void *userdata)
{
        answer_by(userdata, reply, error, append_signatures);
}

static void on_described(sd_bus_message *reply, GError *error, void *userdata)
{
        answer_by(userdata, reply, error, append_description);
}

static void inspect(Request *request, WorkerDone done)
{
        worker_pool_call(request->daemon->workers, WORKER_ROLE_INSPECT, request->uid, "Inspect",
                         INSPECT_TIMEOUT_SEC, fill_inspect, done, request, request->cancellable);
}

bool load_object_is_told(const LoadOp *op)
{
        const GArray *programs = op->args->programs;

        for (guint i = 0; i < programs->len; i++)
                if (*g_array_index(programs, BusProgramWish, i).type == '\0')
                        return false;
        return programs->len > 0;
}

void load_object_complete(Request *request, void (*next)(Request *request))
{
        ((LoadOp *)request->op)->next = next;
        inspect(request, on_inspected);
}

void load_object_answer(Request *request)
{
        inspect(request, on_inspected_for_caller);
}

void load_object_describe(Request *request)
{
        inspect(request, on_described);
}
