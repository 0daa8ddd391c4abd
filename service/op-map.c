/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The contents of maps, element by element, and their descriptors. */

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "errors.h"
#include "ops.h"

#define ENTRIES_MAX 4096
/* An answer of this size goes out before the limit is reached. */
#define ENTRIES_SIZE_MAX (4 * 1024 * 1024)
/* The bus takes no message of more than 32 MiB, and closes the connection of who sends one. */
#define VALUE_SIZE_MAX (1024U * 1024)

typedef struct MapOp {
        uint32_t id;
        KernAccess access;
        void (*go)(Request *request, const Map *map, int fd);
        const void *key, *value; /* the message's */
        size_t key_size, value_size;
        uint32_t limit;
        bool write_asked;
} MapOp;

int map_open(Daemon *daemon, const Map *map, KernAccess access)
{
        if (map->load && access == KERN_ACCESS_READ_WRITE)
                return store_open_pin(daemon->store, BUS_MAP, map->pub.id, 0);
        return kern_map_open_id_access(map->pub.id, access);
}

static void allowed(Request *request)
{
        MapOp *op = request->op;
        const Map *map = registry_any_map(request->daemon->registry, op->id);
        int fd;

        if (!map) {
                request_fail(request, no_such_object(BUS_MAP, op->id));
                return;
        }
        fd = map_open(request->daemon, map, op->access);
        if (fd == -EPERM) {
                request_fail(request,
                             error_new(READ_ONLY,
                                       "The kernel doesn't let anybody open map %u (%s) in this "
                                       "way.",
                                       op->id, map->pub.name));
                return;
        }
        if (fd < 0) {
                request_fail(request, no_such_object(BUS_MAP, op->id));
                return;
        }
        op->go(request, map, fd);
        close(fd);
}

static void authorize(Request *request, const Map *map, const char *action,
                      void (*next)(Request *request))
{
        request_authorize_others(request, action,
                                 &(Belonging){map->pub.id, map->pub.name, map->pub.type,
                                              map->pub.owner_uid},
                                 next);
}

/* Reading and writing are two permissions; who wants both is asked for both. */
static void run(Request *request)
{
        MapOp *op = request->op;
        const Map *map = registry_any_map(request->daemon->registry, op->id);

        if (!map) {
                request_fail(request, no_such_object(BUS_MAP, op->id));
                return;
        }
        if (map->load && map->pub.owner_uid == request->uid)
                allowed(request);
        else if (op->access != KERN_ACCESS_READ && !op->write_asked) {
                op->write_asked = true;
                authorize(request, map, "org.bpfkeeper1.map.write",
                          op->access == KERN_ACCESS_WRITE ? allowed : run);
        } else
                authorize(request, map, "org.bpfkeeper1.map.read", allowed);
}

static MapOp *map_op_new(uint32_t id, KernAccess access, void (*go)(Request *, const Map *, int))
{
        MapOp *op = g_new0(MapOp, 1);

        op->id = id;
        op->access = access;
        op->go = go;
        return op;
}

static GError *check_elements(const MapOp *op, const Map *map)
{
        if (!kern_map_has_elements(map->map_type) || !kern_map_takes_plain_keys(map->map_type))
                return error_new(
                        NOT_SUPPORTED,
                        "A map of type %s can't be used through the service; use OpenFd().",
                        map->pub.type);
        if (map->value_size > VALUE_SIZE_MAX)
                return error_new(
                        LIMIT_EXCEEDED,
                        "Values of map %u (%s) have %zu bytes; through the service they may "
                        "have %u. Use OpenFd().",
                        op->id, map->pub.name, map->value_size, VALUE_SIZE_MAX);
        return NULL;
}

static GError *check_key(const MapOp *op, const Map *map)
{
        GError *error = check_elements(op, map);

        if (error)
                return error;
        if (op->key_size != map->pub.key_size)
                return error_new(INVALID_ARGUMENT,
                                 "The key has %zu bytes; keys of map %u (%s) have %u.",
                                 op->key_size, op->id, map->pub.name, map->pub.key_size);
        return NULL;
}

static GError *no_such_key(const MapOp *op, const Map *map)
{
        g_autoptr(GString) hex = g_string_new(NULL);

        for (size_t i = 0; i < op->key_size && i < 32; i++)
                g_string_append_printf(hex, "%s%02x", i ? " " : "", ((const uint8_t *)op->key)[i]);
        return error_new(NO_SUCH_KEY, "Map %u (%s) has no key %s%s.", op->id, map->pub.name,
                         hex->str, op->key_size > 32 ? " …" : "");
}

static bool is_devmap(enum bpf_map_type type)
{
        return type == BPF_MAP_TYPE_DEVMAP || type == BPF_MAP_TYPE_DEVMAP_HASH;
}

/* What the kernel says of an element, in words. */
static GError *element_error(const MapOp *op, const Map *map, int r)
{
        switch (r) {
        case -ENOENT:
                return no_such_key(op, map);
        case -EPERM:
                return error_new(READ_ONLY, "Map %u (%s) is frozen.", op->id, map->pub.name);
        case -E2BIG:
                if (map->map_type == BPF_MAP_TYPE_HASH ||
                    map->map_type == BPF_MAP_TYPE_PERCPU_HASH ||
                    map->map_type == BPF_MAP_TYPE_LPM_TRIE ||
                    map->map_type == BPF_MAP_TYPE_DEVMAP_HASH)
                        return error_new(LIMIT_EXCEEDED, "Map %u (%s) is full: it has %u entries.",
                                         op->id, map->pub.name, map->pub.max_entries);
                return error_new(NO_SUCH_KEY,
                                 "The index is past the end of map %u (%s), which has %u "
                                 "entries.",
                                 op->id, map->pub.name, map->pub.max_entries);
        case -ENOSPC: /* socket maps give cookies, and only where there is room for one */
        case -EINVAL:
                if (r == -EINVAL && is_devmap(map->map_type))
                        return error_new(NO_SUCH_INTERFACE,
                                         "The kernel takes no such value for map %u (%s): there is "
                                         "no interface with that index in the service's network "
                                         "namespace.",
                                         op->id, map->pub.name);
                G_GNUC_FALLTHROUGH;
        case -EOPNOTSUPP:
        case -524: /* the kernel's ENOTSUPP */
                return error_new(NOT_SUPPORTED, "The kernel can't do this with a map of type %s.",
                                 map->pub.type);
        default:
                return error_new(FAILED, "Map %u (%s): %s.", op->id, map->pub.name, g_strerror(-r));
        }
}

static void finish(Request *request, const Map *map, int r)
{
        if (r < 0) {
                request_fail(request, element_error(request->op, map, r));
                return;
        }
        request_finish(request, bus_reply_empty(request->m));
}

static void go_lookup(Request *request, const Map *map, int fd)
{
        const MapOp *op = request->op;
        GError *error = check_key(op, map);
        g_autofree void *value = NULL;
        int r;

        if (error) {
                request_fail(request, error);
                return;
        }
        value = g_malloc0(map->value_size);
        r = kern_map_lookup(fd, op->key, value);
        if (r < 0) {
                request_fail(request, element_error(op, map, r));
                return;
        }
        request_finish(request, bus_reply_bytes(request->m, value, map->value_size));
}

void op_map_lookup(void *service, sd_bus_message *m, uint32_t id, const void *key, size_t size)
{
        MapOp *op = map_op_new(id, KERN_ACCESS_READ, go_lookup);

        op->key = key;
        op->key_size = size;
        request_start(service, m, op, g_free, run);
}

static void go_update(Request *request, const Map *map, int fd)
{
        const MapOp *op = request->op;
        GError *error = check_key(op, map);

        if (!error && !kern_map_takes_plain_values(map->map_type))
                error = error_new(
                        NOT_SUPPORTED,
                        "Values of a map of type %s are descriptors of who writes them; use "
                        "OpenFd().",
                        map->pub.type);
        if (!error && op->value_size != map->value_size)
                error = error_new(INVALID_ARGUMENT,
                                  "The value has %zu bytes; values of map %u (%s) have %zu%s.",
                                  op->value_size, op->id, map->pub.name, map->value_size,
                                  map->pub.possible_cpus > 1 ? ", those of all CPUs together" : "");
        if (!error && !kern_map_value_is_plain(map->map_type, op->value, op->value_size))
                error = error_new(INVALID_ARGUMENT,
                                  "The value has a program's descriptor, which would be taken for "
                                  "one of the service's; write the interface's index with 0 behind "
                                  "it, then put the program there by Attach().");
        if (error) {
                request_fail(request, error);
                return;
        }
        finish(request, map, kern_map_update(fd, op->key, op->value, BPF_ANY));
}

void op_map_update(void *service, sd_bus_message *m, uint32_t id, const void *key, size_t size,
                   const void *value, size_t value_size)
{
        MapOp *op = map_op_new(id, KERN_ACCESS_WRITE, go_update);

        op->key = key;
        op->key_size = size;
        op->value = value;
        op->value_size = value_size;
        request_start(service, m, op, g_free, run);
}

static void go_delete(Request *request, const Map *map, int fd)
{
        const MapOp *op = request->op;
        GError *error = check_key(op, map);

        if (error) {
                request_fail(request, error);
                return;
        }
        finish(request, map, kern_map_delete(fd, op->key));
}

void op_map_delete(void *service, sd_bus_message *m, uint32_t id, const void *key, size_t size)
{
        MapOp *op = map_op_new(id, KERN_ACCESS_WRITE, go_delete);

        op->key = key;
        op->key_size = size;
        request_start(service, m, op, g_free, run);
}

static int append_entry(sd_bus_message *reply, const Map *map, const void *key, const void *value)
{
        int r;

        r = sd_bus_message_open_container(reply, 'r', "ayay");
        if (r >= 0)
                r = sd_bus_message_append_array(reply, 'y', key, map->pub.key_size);
        if (r >= 0)
                r = sd_bus_message_append_array(reply, 'y', value, map->value_size);
        return r < 0 ? r : sd_bus_message_close_container(reply);
}

static int append_entries(const MapOp *op, const Map *map, int fd, sd_bus_message *reply)
{
        g_autofree void *key = g_malloc(map->pub.key_size), *value = g_malloc0(map->value_size);
        const void *after = op->key_size > 0 ? op->key : NULL;
        size_t size = 0;
        int r;

        for (uint32_t n = 0; n < op->limit && size < ENTRIES_SIZE_MAX; n++) {
                r = kern_map_next_key(fd, after, key);
                if (r == -ENOENT)
                        break;
                if (r < 0)
                        return r;
                after = key;
                r = kern_map_lookup(fd, key, value);
                /* Deleted between the two, or a slot of a program array with nothing in it. */
                if (r == -ENOENT)
                        continue;
                if (r < 0)
                        return r;
                r = append_entry(reply, map, key, value);
                if (r < 0)
                        return r;
                size += map->pub.key_size + map->value_size;
        }
        return 0;
}

static void go_entries(Request *request, const Map *map, int fd)
{
        MapOp *op = request->op;
        sd_bus_message *reply = NULL;
        GError *error = NULL;
        int r;

        error = check_elements(op, map);
        if (!error && op->key_size > 0)
                error = check_key(op, map);
        if (error) {
                request_fail(request, error);
                return;
        }
        r = sd_bus_message_new_method_return(request->m, &reply);
        if (r >= 0)
                r = sd_bus_message_open_container(reply, 'a', "(ayay)");
        if (r >= 0)
                r = append_entries(op, map, fd, reply);
        if (r >= 0)
                r = sd_bus_message_close_container(reply);
        if (r >= 0)
                r = sd_bus_send(NULL, reply, NULL);
        sd_bus_message_unref(reply);
        if (r < 0)
                request_fail(request, element_error(op, map, r));
        else
                request_done(request);
}

void op_map_entries(void *service, sd_bus_message *m, uint32_t id, const void *after, size_t size,
                    uint32_t limit)
{
        MapOp *op = map_op_new(id, KERN_ACCESS_READ, go_entries);

        op->key = after;
        op->key_size = size;
        op->limit = limit == 0 || limit > ENTRIES_MAX ? ENTRIES_MAX : limit;
        request_start(service, m, op, g_free, run);
}

static void go_open_fd(Request *request, const Map *map, int fd)
{
        (void)map;
        request_finish(request, bus_reply_fd(request->m, fd));
}

void op_map_open_fd(void *service, sd_bus_message *m, uint32_t id, const char *mode)
{
        KernAccess access;

        if (g_str_equal(mode, "r"))
                access = KERN_ACCESS_READ;
        else if (g_str_equal(mode, "w"))
                access = KERN_ACCESS_WRITE;
        else if (g_str_equal(mode, "rw"))
                access = KERN_ACCESS_READ_WRITE;
        else {
                g_autoptr(GError) error =
                        error_new(INVALID_ARGUMENT, "The mode is '%s'; it can be 'r', 'w' or 'rw'.",
                                  mode);

                (void)bus_reply_gerror(m, error);
                return;
        }
        request_start(service, m, map_op_new(id, access, go_open_fd), g_free, run);
}
