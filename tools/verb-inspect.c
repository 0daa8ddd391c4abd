/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <unistd.h>

#include "input.h"
#include "json.h"
#include "resolve.h"
#include "text.h"
#include "verbs.h"

/* What Load() takes; checked here only to read no more than that. */
#define OBJECT_MAX (16UL * 1024 * 1024)

static bool is_true(GVariant *properties, const char *name)
{
        return resolve_number(properties, name) != 0;
}

static void add_programs(Table *table, GVariant *programs)
{
        GVariant *p;
        GVariantIter iter;

        g_variant_iter_init(&iter, programs);
        while (g_variant_iter_loop(&iter, "@a{sv}", &p)) {
                table_add(table, resolve_string(p, "Name"));
                table_add(table, resolve_string(p, "Type"));
                table_add(table, resolve_string(p, "Section"));
                table_add(table, is_true(p, "Optional") ? "only if named" : "");
        }
}

static void add_maps(Table *table, GVariant *maps)
{
        GVariant *m;
        GVariantIter iter;

        g_variant_iter_init(&iter, maps);
        while (g_variant_iter_loop(&iter, "@a{sv}", &m)) {
                table_add(table, resolve_string(m, "Name"));
                table_add(table, resolve_string(m, "Type"));
                table_add_number(table, resolve_number(m, "KeySize"));
                table_add_number(table, resolve_number(m, "ValueSize"));
                table_add_number(table, resolve_number(m, "MaxEntries"));
                table_add(table, is_true(m, "Shared") ? "by name" : "");
        }
}

static void add_globals(Table *table, GVariant *globals)
{
        GVariant *g;
        GVariantIter iter;

        g_variant_iter_init(&iter, globals);
        while (g_variant_iter_loop(&iter, "@a{sv}", &g)) {
                table_add(table, resolve_string(g, "Name"));
                table_add(table, resolve_string(g, "Type"));
                table_add(table, resolve_string(g, "Map"));
                table_add(table, resolve_string(g, "Value"));
        }
}

static void write_line(Ctl *ctl, const char *line)
{
        g_autoptr(GString) out = g_string_new(line);

        g_string_append_c(out, '\n');
        ctl_write(ctl, out);
}

/* Each kind below the one before; a kind that there is none of is left out. */
static void write_tables(Ctl *ctl, GVariant *programs, GVariant *maps, GVariant *globals,
                         const char *license)
{
        g_autoptr(Table) program_table = table_new("NAME", "TYPE", "SECTION", "LOADED", NULL);
        g_autoptr(Table) map_table =
                table_new("MAP", "TYPE", "KEY", "VALUE", "ENTRIES", "SHARED", NULL);
        g_autoptr(Table) global_table = table_new("GLOBAL", "TYPE", "MAP", "VALUE", NULL);

        g_autofree char *safe = NULL, *line = NULL;

        add_programs(program_table, programs);
        ctl_write_table(ctl, program_table, "program", "programs");
        if (g_variant_n_children(maps) > 0) {
                add_maps(map_table, maps);
                write_line(ctl, "");
                ctl_write_table(ctl, map_table, "map", "maps");
        }
        if (g_variant_n_children(globals) > 0) {
                add_globals(global_table, globals);
                write_line(ctl, "");
                ctl_write_table(ctl, global_table, "global variable", "global variables");
        }
        safe = text_escape(*license ? license : "none", false);
        line = g_strdup_printf("\nLicence: %s", safe);
        write_line(ctl, line);
}

/* {"license": "GPL", "programs": […], …} */
static void write_json(Ctl *ctl, GVariant *description)
{
        g_auto(GVariantBuilder) builder = G_VARIANT_BUILDER_INIT(G_VARIANT_TYPE_VARDICT);
        GVariantIter iter, parts;
        const char *name;
        GVariant *value, *part;

        g_variant_iter_init(&iter, description);
        while (g_variant_iter_loop(&iter, "{&sv}", &name, &value)) {
                g_autofree char *snake = text_snake(name);

                g_variant_builder_open(&builder, G_VARIANT_TYPE("{sv}"));
                g_variant_builder_add(&builder, "s", snake);
                g_variant_builder_open(&builder, G_VARIANT_TYPE_VARIANT);
                if (!g_variant_is_of_type(value, G_VARIANT_TYPE("aa{sv}"))) {
                        g_variant_builder_add_value(&builder, value);
                } else {
                        g_variant_builder_open(&builder, G_VARIANT_TYPE("aa{sv}"));
                        g_variant_iter_init(&parts, value);
                        while (g_variant_iter_loop(&parts, "@a{sv}", &part)) {
                                g_variant_builder_open(&builder, G_VARIANT_TYPE_VARDICT);
                                json_add_properties(&builder, part);
                                g_variant_builder_close(&builder);
                        }
                        g_variant_builder_close(&builder);
                }
                g_variant_builder_close(&builder);
                g_variant_builder_close(&builder);
        }
        ctl_write_json(ctl, g_variant_builder_end(&builder));
}

CtlExit verb_inspect(Ctl *ctl, int argc, char **argv)
{
        g_autoptr(GVariant) reply = NULL, description = NULL, programs = NULL, maps = NULL,
                            globals = NULL;
        g_auto(sd_bus_error) error = SD_BUS_ERROR_NULL;
        g_autofree char *reason = NULL;
        int object, r;

        (void)argc;
        object = input_seal(argv[0], OBJECT_MAX, &reason);
        if (object < 0)
                return ctl_fail("%s", reason);
        r = ctl_call(ctl, BUS_PATH_ROOT, BUS_INTERFACE_MANAGER, "Describe",
                     g_variant_new("(h)", object), &error, &reply);
        (void)close(object);
        if (r < 0)
                return ctl_bus_error(&error, "Can't inspect '%s'", argv[0]);
        if (!g_variant_is_of_type(reply, G_VARIANT_TYPE("(a{sv})")))
                return ctl_fail("The service's answer isn't a description");
        description = g_variant_get_child_value(reply, 0);
        programs = g_variant_lookup_value(description, "Programs", G_VARIANT_TYPE("aa{sv}"));
        maps = g_variant_lookup_value(description, "Maps", G_VARIANT_TYPE("aa{sv}"));
        globals = g_variant_lookup_value(description, "Globals", G_VARIANT_TYPE("aa{sv}"));
        if (!programs || !maps || !globals)
                return ctl_fail("The service's answer lacks programs, maps or global variables");
        if (ctl->json != CTL_JSON_OFF)
                write_json(ctl, description);
        else
                write_tables(ctl, programs, maps, globals, resolve_string(description, "License"));
        return CTL_OK;
}
