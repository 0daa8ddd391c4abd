/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stddef.h>
#include <string.h>

#include "bus-api-internal.h"
#include "bus-error.h"
#include "bus-load-args.h"
#include "bus-options.h"

/* The arguments of Load(): see org.bpfkeeper1.Manager.xml. All that comes in is bounded here. */

#define METADATA_ENTRIES_MAX 64
#define METADATA_SIZE_MAX (4 * 1024)
#define NAME_SIZE_MAX 256
#define WISHES_MAX 256

static void clear_program_wish(void *p)
{
        BusProgramWish *wish = p;

        g_free(wish->name);
        g_free(wish->type);
}

static void clear_map_wish(void *p)
{
        g_free(((BusMapWish *)p)->name);
}

static void clear_map_size(void *p)
{
        g_free(((BusMapSize *)p)->name);
}

BusLoadArgs *bus_load_args_new(void)
{
        BusLoadArgs *args = g_new0(BusLoadArgs, 1);

        args->object_fd = args->btf_fd = -1;
        args->name = g_strdup("");
        args->target_function = g_strdup("");
        args->programs = g_array_new(FALSE, TRUE, sizeof(BusProgramWish));
        g_array_set_clear_func(args->programs, clear_program_wish);
        args->maps = g_array_new(FALSE, TRUE, sizeof(BusMapWish));
        g_array_set_clear_func(args->maps, clear_map_wish);
        args->map_sizes = g_array_new(FALSE, TRUE, sizeof(BusMapSize));
        g_array_set_clear_func(args->map_sizes, clear_map_size);
        return args;
}

void bus_load_args_free(BusLoadArgs *args)
{
        if (!args)
                return;
        g_array_unref(args->programs);
        sd_bus_message_unref(args->globals);
        g_array_unref(args->maps);
        g_array_unref(args->map_sizes);
        g_strfreev(args->metadata);
        g_free(args->name);
        g_free(args->target_function);
        g_free(args);
}

#define SYMBOL_SIZE_MAX 127

int bus_check_symbol(const char *name, const char *what, sd_bus_error *reterr)
{
        if (strlen(name) > SYMBOL_SIZE_MAX)
                return bus_error_setf(reterr, BPFKEEPER_ERROR_LIMIT_EXCEEDED,
                                      "The name of a %s has %zu bytes; it may have %u.", what,
                                      strlen(name), SYMBOL_SIZE_MAX);
        return 0;
}

static int check_count(guint n, const char *what, sd_bus_error *reterr)
{
        if (n <= WISHES_MAX)
                return 0;
        return bus_error_setf(reterr, BPFKEEPER_ERROR_LIMIT_EXCEEDED, "There are more than %u %s.",
                              WISHES_MAX, what);
}

/* GVariant and others take a dictionary with a key twice for broken, and libbpf would take either. */
static int named_twice(const char *what, const char *name, sd_bus_error *reterr)
{
        return bus_error_setf(reterr, BPFKEEPER_ERROR_INVALID_ARGUMENT, "%s '%s' is given twice.",
                              what, name);
}

static int read_programs(sd_bus_message *m, GArray *programs, sd_bus_error *reterr)
{
        const char *name, *type;
        int r;

        r = sd_bus_message_enter_container(m, 'a', "(ss)");
        if (r < 0)
                return r;
        while ((r = sd_bus_message_read(m, "(ss)", &name, &type)) > 0) {
                BusProgramWish wish = {0};

                if (!*name)
                        return bus_error_setf(
                                reterr, BPFKEEPER_ERROR_INVALID_ARGUMENT,
                                "A program's name is empty; give the function's name.");
                r = bus_check_symbol(name, "program", reterr);
                if (r < 0)
                        return r;
                for (guint i = 0; i < programs->len; i++)
                        if (g_str_equal(g_array_index(programs, BusProgramWish, i).name, name))
                                return bus_error_setf(reterr, BPFKEEPER_ERROR_INVALID_ARGUMENT,
                                                      "Program '%s' is named twice.", name);
                wish.name = g_strdup(name);
                wish.type = g_strdup(type);
                g_array_append_val(programs, wish);
                r = check_count(programs->len, "programs", reterr);
                if (r < 0)
                        return r;
        }
        if (r < 0)
                return r;
        return sd_bus_message_exit_container(m);
}

static int read_maps(sd_bus_message *m, const char *type, size_t offset, void *dest,
                     sd_bus_error *reterr)
{
        BusLoadArgs *args = dest;
        const char *name, *path;
        int r;

        (void)type, (void)offset;
        r = sd_bus_message_enter_container(m, 'a', "{so}");
        if (r < 0)
                return r;
        while ((r = sd_bus_message_read(m, "{so}", &name, &path)) > 0) {
                BusMapWish wish = {0};

                r = bus_check_symbol(name, "map", reterr);
                if (r < 0)
                        return r;
                if (!bus_path_parse(path, BUS_MAP, &wish.id))
                        return bus_error_setf(
                                reterr, BPFKEEPER_ERROR_NO_SUCH_MAP,
                                "Map '%s' is to be %s, which isn't the path of a map.", name, path);
                for (guint i = 0; i < args->maps->len; i++)
                        if (g_str_equal(g_array_index(args->maps, BusMapWish, i).name, name))
                                return named_twice("Map", name, reterr);
                wish.name = g_strdup(name);
                g_array_append_val(args->maps, wish);
                r = check_count(args->maps->len, "maps", reterr);
                if (r < 0)
                        return r;
        }
        if (r < 0)
                return r;
        return sd_bus_message_exit_container(m);
}

static int read_map_sizes(sd_bus_message *m, const char *type, size_t offset, void *dest,
                          sd_bus_error *reterr)
{
        BusLoadArgs *args = dest;
        const char *name;
        uint32_t n;
        int r;

        (void)type, (void)offset;
        r = sd_bus_message_enter_container(m, 'a', "{su}");
        if (r < 0)
                return r;
        while ((r = sd_bus_message_read(m, "{su}", &name, &n)) > 0) {
                BusMapSize size = {.max_entries = n};

                r = bus_check_symbol(name, "map", reterr);
                if (r < 0)
                        return r;
                for (guint i = 0; i < args->map_sizes->len; i++)
                        if (g_str_equal(g_array_index(args->map_sizes, BusMapSize, i).name, name))
                                return named_twice("Map size", name, reterr);
                size.name = g_strdup(name);
                g_array_append_val(args->map_sizes, size);
                r = check_count(args->map_sizes->len, "map sizes", reterr);
                if (r < 0)
                        return r;
        }
        if (r < 0)
                return r;
        return sd_bus_message_exit_container(m);
}

static int read_metadata(sd_bus_message *m, const char *type, size_t offset, void *dest,
                         sd_bus_error *reterr)
{
        g_autoptr(GStrvBuilder) pairs = g_strv_builder_new();
        BusLoadArgs *args = dest;
        const char *key, *value, *keys[METADATA_ENTRIES_MAX];
        size_t n = 0, size = 0;
        int r;

        (void)type, (void)offset;
        r = sd_bus_message_enter_container(m, 'a', "{ss}");
        if (r < 0)
                return r;
        while ((r = sd_bus_message_read(m, "{ss}", &key, &value)) > 0) {
                size += strlen(key) + strlen(value);
                if (!*key)
                        return bus_error_setf(reterr, BPFKEEPER_ERROR_INVALID_ARGUMENT,
                                              "A key of the metadata is empty.");
                if (n == METADATA_ENTRIES_MAX || size > METADATA_SIZE_MAX)
                        return bus_error_setf(reterr, BPFKEEPER_ERROR_LIMIT_EXCEEDED,
                                              "Metadata may have %u entries and %u bytes in all.",
                                              METADATA_ENTRIES_MAX, METADATA_SIZE_MAX);
                for (size_t i = 0; i < n; i++)
                        if (g_str_equal(keys[i], key))
                                return named_twice("Metadata", key, reterr);
                keys[n++] = key;
                g_strv_builder_add_many(pairs, key, value, NULL);
        }
        if (r < 0)
                return r;
        g_strfreev(args->metadata);
        args->metadata = g_strv_builder_end(pairs);
        return sd_bus_message_exit_container(m);
}

static int read_target_program(sd_bus_message *m, const char *type, size_t offset, void *dest,
                               sd_bus_error *reterr)
{
        BusLoadArgs *args = dest;

        (void)type, (void)offset;
        return bus_option_program(m, &args->target_program, reterr);
}

static int read_replaces(sd_bus_message *m, const char *type, size_t offset, void *dest,
                         sd_bus_error *reterr)
{
        BusLoadArgs *args = dest;

        (void)type, (void)offset;
        return bus_option_program(m, &args->replaces, reterr);
}

static const BusOption load_options[] = {
        {"name", {"s"}, bus_option_string, offsetof(BusLoadArgs, name)},
        {"globals", {"a{sv}", "a{say}"}, bus_read_globals},
        {"metadata", {"a{ss}"}, read_metadata},
        {"maps", {"a{so}"}, read_maps},
        {"replaces", {"o"}, read_replaces},
        {"map_sizes", {"a{su}"}, read_map_sizes},
        {"btf", {"h"}, bus_option_fd, offsetof(BusLoadArgs, btf_fd)},
        {"log_level", {"u"}, bus_option_u32, offsetof(BusLoadArgs, log_level)},
        {"target_program", {"o"}, read_target_program},
        {"target_function", {"s"}, bus_option_string, offsetof(BusLoadArgs, target_function)},
        {}};

int bus_load_args_read(sd_bus_message *m, BusLoadArgs **ret, sd_bus_error *reterr)
{
        g_autoptr(BusLoadArgs) args = bus_load_args_new();
        int r;

        r = sd_bus_message_read_basic(m, 'h', &args->object_fd);
        if (r < 0)
                return r;
        r = read_programs(m, args->programs, reterr);
        if (r < 0)
                return r;
        r = bus_options_read(m, load_options, args, reterr);
        if (r < 0)
                return r;
        if (strlen(args->name) > NAME_SIZE_MAX)
                return bus_error_setf(reterr, BPFKEEPER_ERROR_LIMIT_EXCEEDED,
                                      "Option 'name' has %zu bytes; it may have %u.",
                                      strlen(args->name), NAME_SIZE_MAX);
        if (args->log_level > 7)
                return bus_error_setf(reterr, BPFKEEPER_ERROR_INVALID_ARGUMENT,
                                      "Option 'log_level' is %u; it goes from 0 to 7.",
                                      args->log_level);
        r = bus_check_symbol(args->target_function, "function", reterr);
        if (r < 0)
                return r;
        *ret = g_steal_pointer(&args);
        return 0;
}
