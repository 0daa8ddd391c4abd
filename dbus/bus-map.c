/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stddef.h>

#include "bus-api-internal.h"
#include "bus-error.h"

/* org.bpfkeeper1.Map: documented in org.bpfkeeper1.Map.xml */

/* What no map takes isn't kept until it is refused. */
#define BYTES_MAX (1024 * 1024)

static int read_bounded(sd_bus_message *m, const char *what, const void **ret, size_t *ret_size,
                        sd_bus_error *reterr)
{
        int r;

        r = bus_read_bytes(m, ret, ret_size);
        if (r < 0)
                return r;
        if (*ret_size > BYTES_MAX)
                return bus_error_setf(reterr, BPFKEEPER_ERROR_LIMIT_EXCEEDED,
                                      "The %s has %zu bytes; it may have %u.", what, *ret_size,
                                      BYTES_MAX);
        return 0;
}

static int method_lookup(sd_bus_message *m, void *userdata, sd_bus_error *reterr)
{
        BusMap *map = userdata;
        const void *key;
        size_t size;
        int r;

        r = read_bounded(m, "key", &key, &size, reterr);
        if (r < 0)
                return r;
        map->api->ops->map_lookup(map->api->service, m, map->id, key, size);
        return 1;
}

static int method_update(sd_bus_message *m, void *userdata, sd_bus_error *reterr)
{
        BusMap *map = userdata;
        const void *key, *value;
        size_t size, value_size;
        int r;

        r = read_bounded(m, "key", &key, &size, reterr);
        if (r < 0)
                return r;
        r = read_bounded(m, "value", &value, &value_size, reterr);
        if (r < 0)
                return r;
        map->api->ops->map_update(map->api->service, m, map->id, key, size, value, value_size);
        return 1;
}

static int method_delete(sd_bus_message *m, void *userdata, sd_bus_error *reterr)
{
        BusMap *map = userdata;
        const void *key;
        size_t size;
        int r;

        r = read_bounded(m, "key", &key, &size, reterr);
        if (r < 0)
                return r;
        map->api->ops->map_delete(map->api->service, m, map->id, key, size);
        return 1;
}

static int method_get_entries(sd_bus_message *m, void *userdata, sd_bus_error *reterr)
{
        BusMap *map = userdata;
        const void *after;
        uint32_t limit;
        size_t size;
        int r;

        r = read_bounded(m, "key", &after, &size, reterr);
        if (r < 0)
                return r;
        r = sd_bus_message_read_basic(m, 'u', &limit);
        if (r < 0)
                return r;
        map->api->ops->map_entries(map->api->service, m, map->id, after, size, limit);
        return 1;
}

static int method_open_fd(sd_bus_message *m, void *userdata, sd_bus_error *reterr)
{
        BusMap *map = userdata;
        const char *mode;
        int r;

        (void)reterr;
        r = sd_bus_message_read_basic(m, 's', &mode);
        if (r < 0)
                return r;
        map->api->ops->map_open_fd(map->api->service, m, map->id, mode);
        return 1;
}

static int get_programs(sd_bus *bus, const char *path, const char *interface, const char *property,
                        sd_bus_message *reply, void *userdata, sd_bus_error *reterr)
{
        const BusMap *map = userdata;

        (void)bus, (void)path, (void)interface, (void)property, (void)reterr;
        return bus_append_paths(reply, BUS_PROGRAM, (const uint32_t *)map->programs->data,
                                map->programs->len);
}

static int get_stats(sd_bus *bus, const char *path, const char *interface, const char *property,
                     sd_bus_message *reply, void *userdata, sd_bus_error *reterr)
{
        const BusMapStats *stats = bus_map_stats(userdata);

        (void)bus, (void)path, (void)interface, (void)reterr;
        if (g_str_equal(property, "Frozen"))
                return sd_bus_message_append(reply, "b", (int)stats->frozen);
        return sd_bus_message_append_basic(reply, 't', &stats->bytes_memlock);
}

#define CONST_PROPERTY(name, signature, member)                          \
        SD_BUS_PROPERTY(name, signature, NULL, offsetof(BusMap, member), \
                        SD_BUS_VTABLE_PROPERTY_CONST)

const sd_bus_vtable bus_map_vtable[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_METHOD_WITH_ARGS("Lookup", SD_BUS_ARGS("ay", key), SD_BUS_RESULT("ay", value),
                                method_lookup, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Update", SD_BUS_ARGS("ay", key, "ay", value), SD_BUS_NO_RESULT,
                                method_update, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Delete", SD_BUS_ARGS("ay", key), SD_BUS_NO_RESULT, method_delete,
                                SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("GetEntries", SD_BUS_ARGS("ay", after, "u", limit),
                                SD_BUS_RESULT("a(ayay)", entries), method_get_entries,
                                SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("OpenFd", SD_BUS_ARGS("s", mode), SD_BUS_RESULT("h", fd),
                                method_open_fd, SD_BUS_VTABLE_UNPRIVILEGED),
        CONST_PROPERTY("Id", "u", id),
        CONST_PROPERTY("Name", "s", name),
        CONST_PROPERTY("Type", "s", type),
        CONST_PROPERTY("KeySize", "u", key_size),
        CONST_PROPERTY("ValueSize", "u", value_size),
        CONST_PROPERTY("MaxEntries", "u", max_entries),
        CONST_PROPERTY("Flags", "u", flags),
        CONST_PROPERTY("Managed", "b", managed),
        CONST_PROPERTY("OwnerUid", "u", owner_uid),
        CONST_PROPERTY("Application", "s", application),
        SD_BUS_PROPERTY("Frozen", "b", get_stats, 0, 0),
        SD_BUS_PROPERTY("BytesMemlock", "t", get_stats, 0, 0),
        CONST_PROPERTY("BtfId", "u", btf_id),
        CONST_PROPERTY("PossibleCpus", "u", possible_cpus),
        CONST_PROPERTY("Shared", "b", shared),
        SD_BUS_PROPERTY("Programs", "ao", get_programs, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_VTABLE_END,
};
