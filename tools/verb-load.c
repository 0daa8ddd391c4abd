/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "input.h"
#include "json.h"
#include "resolve.h"
#include "text.h"
#include "value.h"
#include "verbs.h"

/* What Load() takes; checked here only to read no more than that. */
#define OBJECT_MAX (16UL * 1024 * 1024)
#define LOG_MAX (1024UL * 1024 * 1024)

/* Splits NAME=VALUE, or says that it isn't that. */
static bool split(Option option, const char *s, char **ret_name, const char **ret_value)
{
        const char *equals = strchr(s, '=');

        if (!equals || equals == s) {
                (void)ctl_usage("--%s=%s: it must be NAME=VALUE", options_name(option), s);
                return false;
        }
        *ret_name = g_strndup(s, (size_t)(equals - s));
        *ret_value = equals + 1;
        return true;
}

static CtlExit add_globals(Ctl *ctl, GVariantDict *options)
{
        g_auto(GVariantBuilder) builder = G_VARIANT_BUILDER_INIT(G_VARIANT_TYPE_VARDICT);

        for (size_t i = 0; i < options_count(&ctl->options, OPT_GLOBAL); i++) {
                g_autofree char *name = NULL, *reason = NULL;
                g_autoptr(GVariant) variable = NULL;
                const char *value;

                if (!split(OPT_GLOBAL, options_nth(&ctl->options, OPT_GLOBAL, i), &name, &value))
                        return CTL_USAGE;
                variable = value_parse_global(value, &reason);
                if (!variable)
                        return ctl_usage("--global=%s: %s", name, reason);
                g_variant_builder_add(&builder, "{sv}", name, variable);
        }
        g_variant_dict_insert_value(options, "globals", g_variant_builder_end(&builder));
        return CTL_OK;
}

static CtlExit add_metadata(Ctl *ctl, GVariantDict *options)
{
        g_auto(GVariantBuilder) builder = G_VARIANT_BUILDER_INIT(G_VARIANT_TYPE("a{ss}"));

        for (size_t i = 0; i < options_count(&ctl->options, OPT_METADATA); i++) {
                g_autofree char *name = NULL;
                const char *value;

                if (!split(OPT_METADATA, options_nth(&ctl->options, OPT_METADATA, i), &name,
                           &value))
                        return CTL_USAGE;
                g_variant_builder_add(&builder, "{ss}", name, value);
        }
        g_variant_dict_insert_value(options, "metadata", g_variant_builder_end(&builder));
        return CTL_OK;
}

static CtlExit add_map_sizes(Ctl *ctl, GVariantDict *options)
{
        g_auto(GVariantBuilder) builder = G_VARIANT_BUILDER_INIT(G_VARIANT_TYPE("a{su}"));

        for (size_t i = 0; i < options_count(&ctl->options, OPT_MAP_SIZE); i++) {
                const char *s = options_nth(&ctl->options, OPT_MAP_SIZE, i), *value;
                g_autofree char *name = NULL;
                uint64_t n;

                if (!split(OPT_MAP_SIZE, s, &name, &value))
                        return CTL_USAGE;
                if (!text_parse_unsigned(value, UINT32_MAX, &n))
                        return ctl_usage("--map-size=%s: \"%s\" is no number of entries, 1 to %u",
                                         s, value, UINT32_MAX);
                g_variant_builder_add(&builder, "{su}", name, (guint32)n);
        }
        g_variant_dict_insert_value(options, "map_sizes", g_variant_builder_end(&builder));
        return CTL_OK;
}

static CtlExit add_maps(Ctl *ctl, GVariantDict *options)
{
        g_auto(GVariantBuilder) builder = G_VARIANT_BUILDER_INIT(G_VARIANT_TYPE("a{so}"));

        for (size_t i = 0; i < options_count(&ctl->options, OPT_MAP); i++) {
                g_autofree char *name = NULL, *path = NULL;
                const char *value;
                CtlExit status;

                if (!split(OPT_MAP, options_nth(&ctl->options, OPT_MAP, i), &name, &value))
                        return CTL_USAGE;
                status = resolve(ctl, BUS_MAP, value, &path);
                if (status != CTL_OK)
                        return status;
                g_variant_builder_add(&builder, "{so}", name, path);
        }
        g_variant_dict_insert_value(options, "maps", g_variant_builder_end(&builder));
        return CTL_OK;
}

/* A program, by any of its names, as an option of that name */
static CtlExit add_program(Ctl *ctl, GVariantDict *options, Option option, const char *key)
{
        const char *name = options_get(&ctl->options, option);
        g_autofree char *path = NULL;
        CtlExit status;

        if (!name)
                return CTL_OK;
        status = resolve(ctl, BUS_PROGRAM, name, &path);
        if (status == CTL_OK)
                g_variant_dict_insert(options, key, "o", path);
        return status;
}

static CtlExit add_options(Ctl *ctl, GVariantDict *options, int *ret_btf)
{
        const char *name = options_get(&ctl->options, OPT_NAME);
        const char *btf = options_get(&ctl->options, OPT_BTF);
        const char *level = options_get(&ctl->options, OPT_LOG_LEVEL);
        const char *function = options_get(&ctl->options, OPT_FUNCTION);
        CtlExit status = CTL_OK;
        uint64_t n;

        if (name)
                g_variant_dict_insert(options, "name", "s", name);
        if (level) {
                if (!text_parse_unsigned(level, 7, &n))
                        return ctl_usage("--log-level=%s: it goes from 0 to 7", level);
                g_variant_dict_insert(options, "log_level", "u", (guint32)n);
        }
        if (options_given(&ctl->options, OPT_GLOBAL))
                status = add_globals(ctl, options);
        if (status == CTL_OK && options_given(&ctl->options, OPT_METADATA))
                status = add_metadata(ctl, options);
        if (status == CTL_OK && options_given(&ctl->options, OPT_MAP))
                status = add_maps(ctl, options);
        if (status == CTL_OK && options_given(&ctl->options, OPT_MAP_SIZE))
                status = add_map_sizes(ctl, options);
        if (status == CTL_OK)
                status = add_program(ctl, options, OPT_REPLACES, "replaces");
        if (status == CTL_OK)
                status = add_program(ctl, options, OPT_TARGET_PROGRAM, "target_program");
        if (function)
                g_variant_dict_insert(options, "target_function", "s", function);
        if (status == CTL_OK && btf) {
                g_autofree char *reason = NULL;

                *ret_btf = input_open(btf, &reason);
                if (*ret_btf < 0)
                        return ctl_fail("%s", reason);
                g_variant_dict_insert(options, "btf", "h", *ret_btf);
        }
        return status;
}

/* PROGRAM[:TYPE]… as a(ss) */
static GVariant *programs_argument(int argc, char **argv)
{
        GVariantBuilder builder;

        g_variant_builder_init(&builder, G_VARIANT_TYPE("a(ss)"));
        for (int i = 0; i < argc; i++) {
                const char *colon = strchr(argv[i], ':');
                g_autofree char *name =
                        colon ? g_strndup(argv[i], (size_t)(colon - argv[i])) : g_strdup(argv[i]);

                g_variant_builder_add(&builder, "(ss)", name, colon ? colon + 1 : "");
        }
        return g_variant_builder_end(&builder);
}

static CtlExit save_log(Ctl *ctl, const char *file, bool loaded)
{
        g_auto(sd_bus_error) error = SD_BUS_ERROR_NULL;
        g_autofree char *reason = NULL;
        g_autoptr(GBytes) log = NULL;
        g_autoptr(GError) write_error = NULL;
        int fd;

        if (ctl_call_fd(ctl, BUS_PATH_ROOT, BUS_INTERFACE_MANAGER, "GetLog", &error, &fd) < 0) {
                if (bus_error_code(error.name) != BPFKEEPER_ERROR_NO_LOG)
                        return ctl_bus_error(&error, "Can't get the verifier's log");
                if (!ctl->quiet)
                        (void)ctl_fail("There is no log to save%s",
                                       loaded ? ": --log-level=1 makes the verifier write one"
                                              : "");
                return CTL_OK;
        }
        (void)lseek(fd, 0, SEEK_SET);
        log = input_read(fd, LOG_MAX, &reason);
        (void)close(fd);
        if (!log)
                return ctl_fail("Can't get the verifier's log: %s", reason);
        if (!g_file_set_contents_full(file, g_bytes_get_data(log, NULL),
                                      (gssize)g_bytes_get_size(log), G_FILE_SET_CONTENTS_NONE, 0666,
                                      &write_error))
                return ctl_fail("Can't save the verifier's log: %s", write_error->message);
        return CTL_OK;
}

static CtlExit print_loaded(Ctl *ctl, GVariant *paths)
{
        g_auto(GVariantBuilder) builder = G_VARIANT_BUILDER_INIT(G_VARIANT_TYPE("aa{sv}"));
        CtlExit status = CTL_OK;
        GVariantIter iter;
        const char *path;

        if (ctl->quiet && ctl->json == CTL_JSON_OFF)
                return CTL_OK;
        g_variant_iter_init(&iter, paths);
        while (g_variant_iter_next(&iter, "&o", &path)) {
                g_auto(sd_bus_error) error = SD_BUS_ERROR_NULL;
                g_autoptr(GVariant) properties = NULL;

                if (ctl_get_all(ctl, path, bus_interface(BUS_PROGRAM), &error, &properties) < 0) {
                        status = ctl_bus_error(&error, "Loaded %s, but can't read it", path);
                        continue;
                }
                ctl_say(ctl, "Loaded %s (%s) as program %" PRIu64 ".",
                        resolve_string(properties, "Name"), resolve_string(properties, "Type"),
                        resolve_number(properties, "Id"));
                g_variant_builder_open(&builder, G_VARIANT_TYPE_VARDICT);
                g_variant_builder_add(&builder, "{sv}", "id",
                                      g_variant_new_uint32(
                                              (guint32)resolve_number(properties, "Id")));
                g_variant_builder_add(&builder, "{sv}", "name",
                                      g_variant_new_string(resolve_string(properties, "Name")));
                g_variant_builder_add(&builder, "{sv}", "type",
                                      g_variant_new_string(resolve_string(properties, "Type")));
                g_variant_builder_add(&builder, "{sv}", "path", g_variant_new_string(path));
                g_variant_builder_close(&builder);
        }
        if (ctl->json != CTL_JSON_OFF)
                ctl_write_json(ctl, g_variant_builder_end(&builder));
        return status;
}

/* With the descriptors open, which the caller closes. */
static CtlExit load(Ctl *ctl, const char *file, int object, GVariant *programs,
                    GVariantDict *options)
{
        g_auto(sd_bus_error) error = SD_BUS_ERROR_NULL;
        const char *log = options_get(&ctl->options, OPT_LOG);
        g_autoptr(GVariant) reply = NULL, paths = NULL;
        CtlExit status, log_status = CTL_OK;
        int r;

        r = ctl_call(ctl, BUS_PATH_ROOT, BUS_INTERFACE_MANAGER, "Load",
                     g_variant_new("(h@a(ss)@a{sv})", object, programs,
                                   g_variant_dict_end(options)),
                     &error, &reply);
        if (log && ctl->bus)
                log_status = save_log(ctl, log, r >= 0);
        if (r < 0) {
                status = ctl_bus_error(&error, "Can't load '%s'", file);
                if (!log && bus_error_code(error.name) == BPFKEEPER_ERROR_VERIFIER_REFUSED)
                        (void)ctl_fail("With --log=FILE, the verifier's whole log is saved.");
                return status;
        }
        paths = g_variant_get_child_value(reply, 0);
        if (!g_variant_is_of_type(paths, G_VARIANT_TYPE_OBJECT_PATH_ARRAY))
                return ctl_fail("Can't load '%s': the service's answer isn't a list of programs",
                                file);
        status = print_loaded(ctl, paths);
        return status != CTL_OK ? status : log_status;
}

CtlExit verb_load(Ctl *ctl, int argc, char **argv)
{
        g_autoptr(GVariant) programs = g_variant_ref_sink(programs_argument(argc - 1, argv + 1));
        g_auto(GVariantDict) options = G_VARIANT_DICT_INIT(NULL);
        g_autofree char *reason = NULL;
        int object, btf = -1;
        CtlExit status;

        object = input_seal(argv[0], OBJECT_MAX, &reason);
        if (object < 0)
                return ctl_fail("%s", reason);
        status = add_options(ctl, &options, &btf);
        if (status == CTL_OK)
                status = load(ctl, argv[0], object, programs, &options);
        if (btf >= 0)
                (void)close(btf);
        (void)close(object);
        return status;
}
