/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "resolve.h"
#include "value.h"
#include "verbs.h"

#define PAGE 4096

typedef struct Map {
        char *path;
        const char *called; /* on the command line */
        size_t key_size;
        size_t value_size;
        size_t cpus; /* values that an entry has; 0 where the map isn't per-CPU */
} Map;

static void map_clear(Map *map)
{
        g_free(map->path);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Map, map_clear)

static CtlExit open_map(Ctl *ctl, const char *name, Map *map)
{
        g_auto(sd_bus_error) error = SD_BUS_ERROR_NULL;
        g_autoptr(GVariant) properties = NULL;
        CtlExit status;

        status = resolve(ctl, BUS_MAP, name, &map->path);
        if (status != CTL_OK)
                return status;
        if (ctl_get_all(ctl, map->path, bus_interface(BUS_MAP), &error, &properties) < 0)
                return ctl_bus_error(&error, "Can't use map '%s'", name);
        map->called = name;
        map->key_size = resolve_number(properties, "KeySize");
        map->value_size = resolve_number(properties, "ValueSize");
        if (strstr(resolve_string(properties, "Type"), "percpu"))
                map->cpus = resolve_number(properties, "PossibleCpus");
        return CTL_OK;
}

/* How far one CPU's value is from the next one's. */
static size_t stride(const Map *map)
{
        return (map->value_size + 7) / 8 * 8;
}

/* Whether the bytes are one value for each CPU, as the map's properties say. */
static bool is_per_cpu(const Map *map, size_t size)
{
        return map->cpus > 0 && map->value_size > 0 && size == map->cpus * stride(map);
}

/* Sums are of counters, which wrap around as those in the kernel do. */
static uint64_t sum(const Map *map, const guint8 *data)
{
        uint64_t total = 0;

        for (size_t i = 0; i < map->cpus; i++)
                total += value_number(data + i * stride(map), map->value_size);
        return total;
}

static bool has_sum(const Map *map)
{
        return map->value_size == 4 || map->value_size == 8;
}

static const guint8 *bytes_of(GVariant *value, size_t *ret_size)
{
        return g_variant_get_fixed_array(value, ret_size, 1);
}

static void add_bytes(GVariantBuilder *json, const char *name, const guint8 *data, size_t size)
{
        g_variant_builder_add(json, "{sv}", name,
                              g_variant_new_fixed_array(G_VARIANT_TYPE_BYTE, data, size, 1));
}

/* An entry: "key" and "value" are the bytes in hex; numbers stand beside them where they can. */
static void add_entry_json(const Map *map, GVariantBuilder *json, GVariant *key, GVariant *value)
{
        size_t key_size, size;
        const guint8 *key_data = bytes_of(key, &key_size), *data = bytes_of(value, &size);

        g_variant_builder_open(json, G_VARIANT_TYPE_VARDICT);
        add_bytes(json, "key", key_data, key_size);
        if (value_is_number_size(key_size))
                g_variant_builder_add(json, "{sv}", "key_number",
                                      g_variant_new_uint64(value_number(key_data, key_size)));
        add_bytes(json, "value", data, size);
        if (is_per_cpu(map, size)) {
                bool numbers = value_is_number_size(map->value_size);
                GVariantBuilder values;

                g_variant_builder_init(&values,
                                       numbers ? G_VARIANT_TYPE("at") : G_VARIANT_TYPE("aay"));
                for (size_t i = 0; i < map->cpus; i++) {
                        const guint8 *one = data + i * stride(map);

                        g_variant_builder_add_value(
                                &values,
                                numbers ? g_variant_new_uint64(value_number(one, map->value_size))
                                        : g_variant_new_fixed_array(G_VARIANT_TYPE_BYTE, one,
                                                                    map->value_size, 1));
                }
                g_variant_builder_add(json, "{sv}", "cpus", g_variant_builder_end(&values));
                if (has_sum(map))
                        g_variant_builder_add(json, "{sv}", "sum",
                                              g_variant_new_uint64(sum(map, data)));
        } else if (value_is_number_size(size)) {
                g_variant_builder_add(json, "{sv}", "value_number",
                                      g_variant_new_uint64(value_number(data, size)));
        }
        g_variant_builder_close(json);
}

/* All CPUs' values apart by two spaces. */
static char *format_cpus(const Map *map, const guint8 *data)
{
        GString *out = g_string_new(NULL);

        for (size_t i = 0; i < map->cpus; i++) {
                g_autofree char *one = value_format(data + i * stride(map), map->value_size);

                g_string_append_printf(out, "%s%s", i ? "  " : "", one);
        }
        return g_string_free(out, FALSE);
}

static void add_entry(const Map *map, Table *table, GVariant *key, GVariant *value)
{
        size_t key_size, size;
        const guint8 *key_data = bytes_of(key, &key_size), *data = bytes_of(value, &size);

        table_add_take(table, value_format(key_data, key_size));
        if (!is_per_cpu(map, size)) {
                table_add_take(table, value_format(data, size));
                table_add(table, "");
                return;
        }
        if (has_sum(map))
                table_add_number(table, sum(map, data));
        else
                table_add(table, "");
        table_add_take(table, format_cpus(map, data));
}

static CtlExit get_page(Ctl *ctl, const Map *map, GVariant *after, GVariant **ret)
{
        g_auto(sd_bus_error) error = SD_BUS_ERROR_NULL;
        g_autoptr(GVariant) reply = NULL;

        if (ctl_call(ctl, map->path, bus_interface(BUS_MAP), "GetEntries",
                     g_variant_new("(@ayu)", after, (guint32)PAGE), &error, &reply) < 0)
                return ctl_bus_error(&error, "Can't read map '%s'", map->called);
        if (!g_variant_is_of_type(reply, G_VARIANT_TYPE("(a(ayay))")))
                return ctl_fail("The service's answer isn't a list of entries");
        *ret = g_variant_get_child_value(reply, 0);
        return CTL_OK;
}

/* All entries, page by page, into the table or the JSON. */
static CtlExit get_entries(Ctl *ctl, const Map *map, Table *table, GVariantBuilder *json)
{
        g_autoptr(GVariant) after =
                g_variant_ref_sink(g_variant_new_fixed_array(G_VARIANT_TYPE_BYTE, NULL, 0, 1));

        for (;;) {
                g_autoptr(GVariant) page = NULL;
                CtlExit status = get_page(ctl, map, after, &page);
                size_t n;

                if (status != CTL_OK)
                        return status;
                n = g_variant_n_children(page);
                for (size_t i = 0; i < n; i++) {
                        g_autoptr(GVariant) key = NULL, value = NULL;

                        g_variant_get_child(page, i, "(@ay@ay)", &key, &value);
                        if (ctl->json != CTL_JSON_OFF)
                                add_entry_json(map, json, key, value);
                        else
                                add_entry(map, table, key, value);
                        if (i + 1 == n) {
                                g_variant_unref(after);
                                after = g_steal_pointer(&key);
                        }
                }
                if (n < PAGE)
                        return CTL_OK;
        }
}

static GVariant *parse_bytes(const char *s, size_t size, const char *what, CtlExit *ret_status)
{
        g_autofree char *reason = NULL;
        g_autoptr(GBytes) bytes = value_parse(s, size, &reason);

        if (!bytes) {
                *ret_status = ctl_usage("%s: %s", what, reason);
                return NULL;
        }
        return g_variant_ref_sink(g_variant_new_from_bytes(G_VARIANT_TYPE_BYTESTRING, bytes, TRUE));
}

static void write_value(Ctl *ctl, const Map *map, GVariant *value)
{
        g_autoptr(GString) out = g_string_new(NULL);
        size_t size;
        const guint8 *data = bytes_of(value, &size);

        if (!is_per_cpu(map, size)) {
                g_autofree char *text = value_format(data, size);

                g_string_append_printf(out, "%s\n", text);
                ctl_write(ctl, out);
                return;
        }
        for (size_t i = 0; i < map->cpus; i++) {
                g_autofree char *one = value_format(data + i * stride(map), map->value_size);

                g_string_append_printf(out, "cpu%zu: %s\n", i, one);
        }
        if (has_sum(map))
                g_string_append_printf(out, "sum: %" PRIu64 "\n", sum(map, data));
        ctl_write(ctl, out);
}

static CtlExit get_one(Ctl *ctl, const Map *map, const char *s)
{
        g_auto(sd_bus_error) error = SD_BUS_ERROR_NULL;
        g_autoptr(GVariant) key = NULL, reply = NULL, value = NULL;
        CtlExit status;

        key = parse_bytes(s, map->key_size, "KEY", &status);
        if (!key)
                return status;
        if (ctl_call(ctl, map->path, bus_interface(BUS_MAP), "Lookup", g_variant_new("(@ay)", key),
                     &error, &reply) < 0)
                return ctl_bus_error(&error, "Can't read map '%s'", map->called);
        if (!g_variant_is_of_type(reply, G_VARIANT_TYPE("(ay)")))
                return ctl_fail("The service's answer isn't a value");
        value = g_variant_get_child_value(reply, 0);
        if (ctl->json != CTL_JSON_OFF) {
                g_auto(GVariantBuilder) json = G_VARIANT_BUILDER_INIT(G_VARIANT_TYPE("aa{sv}"));
                g_autoptr(GVariant) entries = NULL;

                add_entry_json(map, &json, key, value);
                entries = g_variant_ref_sink(g_variant_builder_end(&json));
                ctl_write_json(ctl, g_variant_get_child_value(entries, 0));
        } else {
                write_value(ctl, map, value);
        }
        return CTL_OK;
}

CtlExit verb_map_get(Ctl *ctl, int argc, char **argv)
{
        g_autoptr(Table) table = table_new("KEY", "VALUE", "CPUS", NULL);
        g_auto(GVariantBuilder) json = G_VARIANT_BUILDER_INIT(G_VARIANT_TYPE("aa{sv}"));
        g_auto(Map) map = {0};
        CtlExit status;

        status = open_map(ctl, argv[0], &map);
        if (status != CTL_OK)
                return status;
        if (argc > 1)
                return get_one(ctl, &map, argv[1]);
        status = get_entries(ctl, &map, table, &json);
        if (status != CTL_OK)
                return status;
        if (map.cpus == 0)
                table_hide(table, "CPUS");
        else if (!has_sum(&map))
                table_hide(table, "VALUE");
        if (ctl->json != CTL_JSON_OFF)
                ctl_write_json(ctl, g_variant_builder_end(&json));
        else
                ctl_write_table(ctl, table, "entry", "entries");
        return CTL_OK;
}

/* One value for every CPU, or one for each with commas between. */
static GVariant *parse_cpus(const Map *map, const char *s, CtlExit *ret_status)
{
        g_auto(GStrv) parts = g_strsplit(s, ",", -1);
        size_t n = g_strv_length(parts), size = map->cpus * stride(map);
        g_autofree guint8 *data = g_malloc0(size);

        if (n != 1 && n != map->cpus) {
                *ret_status = ctl_usage("VALUE: \"%s\" is %zu values; it must be 1 or %zu", s, n,
                                        map->cpus);
                return NULL;
        }
        for (size_t i = 0; i < map->cpus; i++) {
                g_autoptr(GVariant) one =
                        parse_bytes(parts[n == 1 ? 0 : i], map->value_size, "VALUE", ret_status);

                if (!one)
                        return NULL;
                memcpy(data + i * stride(map), g_variant_get_data(one), map->value_size);
        }
        return g_variant_ref_sink(g_variant_new_fixed_array(G_VARIANT_TYPE_BYTE, data, size, 1));
}

CtlExit verb_map_set(Ctl *ctl, int argc, char **argv)
{
        g_auto(sd_bus_error) error = SD_BUS_ERROR_NULL;
        g_autoptr(GVariant) key = NULL, value = NULL;
        g_auto(Map) map = {0};
        CtlExit status;

        (void)argc;
        status = open_map(ctl, argv[0], &map);
        if (status != CTL_OK)
                return status;
        key = parse_bytes(argv[1], map.key_size, "KEY", &status);
        if (!key)
                return status;
        value = map.cpus > 0 ? parse_cpus(&map, argv[2], &status)
                             : parse_bytes(argv[2], map.value_size, "VALUE", &status);
        if (!value)
                return status;
        if (ctl_call(ctl, map.path, bus_interface(BUS_MAP), "Update",
                     g_variant_new("(@ay@ay)", key, value), &error, NULL) < 0)
                return ctl_bus_error(&error, "Can't write to map '%s'", map.called);
        return CTL_OK;
}

CtlExit verb_map_delete(Ctl *ctl, int argc, char **argv)
{
        g_auto(sd_bus_error) error = SD_BUS_ERROR_NULL;
        g_autoptr(GVariant) key = NULL;
        g_auto(Map) map = {0};
        CtlExit status;

        (void)argc;
        status = open_map(ctl, argv[0], &map);
        if (status != CTL_OK)
                return status;
        key = parse_bytes(argv[1], map.key_size, "KEY", &status);
        if (!key)
                return status;
        if (ctl_call(ctl, map.path, bus_interface(BUS_MAP), "Delete", g_variant_new("(@ay)", key),
                     &error, NULL) < 0)
                return ctl_bus_error(&error, "Can't delete from map '%s'", map.called);
        return CTL_OK;
}
