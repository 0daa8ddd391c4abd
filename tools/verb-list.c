/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <net/if.h>
#include <string.h>
#include <unistd.h>

#include "hook.h"
#include "json.h"
#include "resolve.h"
#include "text.h"
#include "verbs.h"

/* The options as the filter that the lists take; NULL and @ret_status where one is wrong. */
static GVariant *filter(Ctl *ctl, BusKind kind, CtlExit *ret_status)
{
        static const struct {
                Option option;
                const char *key;
        } strings[] = {
                {OPT_NAME, "name"},
                {OPT_TYPE, "type"},
                {OPT_APPLICATION, "application"},
                {OPT_INTERFACE, "interface"},
        };
        const char *program = options_get(&ctl->options, OPT_PROGRAM);
        g_auto(GVariantDict) dict = G_VARIANT_DICT_INIT(NULL);

        for (size_t i = 0; i < G_N_ELEMENTS(strings); i++) {
                const char *s = options_get(&ctl->options, strings[i].option);

                if (s)
                        g_variant_dict_insert(&dict, strings[i].key, "s", s);
        }
        if (options_given(&ctl->options, OPT_MINE))
                g_variant_dict_insert(&dict, "owner_uid", "u", (guint32)getuid());
        /* A machine has many programs of systemd and others, of which nothing here can be said. All
         * links are ours. */
        if (kind != BUS_LINK && !options_given(&ctl->options, OPT_ALL))
                g_variant_dict_insert(&dict, "managed", "b", TRUE);
        if (program) {
                g_autofree char *path = NULL;

                *ret_status = resolve(ctl, BUS_PROGRAM, program, &path);
                if (*ret_status != CTL_OK)
                        return NULL;
                g_variant_dict_insert(&dict, "program", "o", path);
        }
        return g_variant_dict_end(&dict);
}

static CtlExit list(Ctl *ctl, BusKind kind, GVariant **ret)
{
        g_auto(sd_bus_error) error = SD_BUS_ERROR_NULL;
        CtlExit status = CTL_OK;
        GVariant *wanted;

        if (options_given(&ctl->options, OPT_ALL) && options_given(&ctl->options, OPT_MANAGED))
                return ctl_usage("--all and --managed contradict each other");
        wanted = filter(ctl, kind, &status);
        if (!wanted)
                return status;
        if (ctl_list(ctl, kind, wanted, &error, ret) < 0)
                return ctl_bus_error(&error, "Can't list %ss", resolve_kind_name(kind));
        return CTL_OK;
}

static void write_list_json(Ctl *ctl, GVariant *objects)
{
        GVariantBuilder builder;
        GVariantIter iter;
        const char *path;
        GVariant *properties;

        g_variant_builder_init(&builder, G_VARIANT_TYPE("aa{sv}"));
        g_variant_iter_init(&iter, objects);
        while (g_variant_iter_loop(&iter, "(&o@a{sv})", &path, &properties))
                g_variant_builder_add_value(&builder, json_from_properties(path, properties));
        ctl_write_json(ctl, g_variant_builder_end(&builder));
}

/* "3 4", the ids in a property of type ao */
static char *ids(GVariant *properties, const char *name)
{
        g_autoptr(GVariant) paths =
                g_variant_lookup_value(properties, name, G_VARIANT_TYPE_OBJECT_PATH_ARRAY);
        GString *out = g_string_new(NULL);
        GVariantIter iter;
        const char *path;

        if (paths) {
                g_variant_iter_init(&iter, paths);
                while (g_variant_iter_next(&iter, "&o", &path)) {
                        uint32_t id;
                        BusKind kind;

                        if (resolve_path(path, &kind, &id))
                                g_string_append_printf(out, "%s%u", out->len ? " " : "", id);
                }
        }
        return g_string_free(out, FALSE);
}

static char *owner(GVariant *properties)
{
        return text_user((uint32_t)resolve_number(properties, "OwnerUid"));
}

static const char *yes_no(GVariant *properties, const char *name)
{
        return resolve_number(properties, name) ? "yes" : "no";
}

CtlExit verb_programs(Ctl *ctl, int argc, char **argv)
{
        g_autoptr(Table) table = table_new(">ID", "NAME", "TYPE", "MANAGED", "OWNER", "APPLICATION",
                                           "LINKS", "MAPS", "LOADED", NULL);
        gint64 now = g_get_real_time();
        g_autoptr(GVariant) objects = NULL;
        GVariant *properties;
        GVariantIter iter;
        CtlExit status;

        (void)argc, (void)argv;
        status = list(ctl, BUS_PROGRAM, &objects);
        if (status != CTL_OK)
                return status;
        if (ctl->json != CTL_JSON_OFF) {
                write_list_json(ctl, objects);
                return CTL_OK;
        }
        g_variant_iter_init(&iter, objects);
        while (g_variant_iter_loop(&iter, "(&o@a{sv})", NULL, &properties)) {
                table_add_number(table, resolve_number(properties, "Id"));
                table_add(table, resolve_string(properties, "Name"));
                table_add(table, resolve_string(properties, "Type"));
                table_add(table, yes_no(properties, "Managed"));
                table_add_take(table, owner(properties));
                table_add(table, resolve_string(properties, "Application"));
                table_add_take(table, ids(properties, "Links"));
                table_add_take(table, ids(properties, "Maps"));
                table_add_take(table,
                               text_ago(resolve_number(properties, "LoadTime"), (uint64_t)now));
        }
        if (!options_given(&ctl->options, OPT_ALL))
                table_hide(table, "MANAGED");
        ctl_write_table(ctl, table, "program", "programs");
        return CTL_OK;
}

CtlExit verb_links(Ctl *ctl, int argc, char **argv)
{
        g_autoptr(Table) table =
                table_new(">ID", "TYPE", ">PROGRAM", "NAME", "WHERE", "OWNER", "ATTACHED", NULL);
        gint64 now = g_get_real_time();
        g_autoptr(GVariant) objects = NULL;
        GVariant *properties;
        GVariantIter iter;
        CtlExit status;

        (void)argc, (void)argv;
        status = list(ctl, BUS_LINK, &objects);
        if (status != CTL_OK)
                return status;
        if (ctl->json != CTL_JSON_OFF) {
                write_list_json(ctl, objects);
                return CTL_OK;
        }
        g_variant_iter_init(&iter, objects);
        while (g_variant_iter_loop(&iter, "(&o@a{sv})", NULL, &properties)) {
                table_add_number(table, resolve_number(properties, "Id"));
                table_add(table, resolve_string(properties, "Type"));
                table_add_number(table, resolve_number(properties, "ProgramId"));
                table_add(table, resolve_string(properties, "ProgramName"));
                table_add_take(table, hook_describe(properties));
                table_add_take(table, owner(properties));
                table_add_take(table,
                               text_ago(resolve_number(properties, "AttachTime"), (uint64_t)now));
        }
        ctl_write_table(ctl, table, "link", "links");
        return CTL_OK;
}

CtlExit verb_maps(Ctl *ctl, int argc, char **argv)
{
        g_autoptr(Table) table =
                table_new(">ID", "NAME", "TYPE", ">KEY", ">VALUE", ">ENTRIES", ">MEMORY", "MANAGED",
                          "OWNER", "APPLICATION", "PROGRAMS", NULL);
        g_autoptr(GVariant) objects = NULL;
        GVariant *properties;
        GVariantIter iter;
        CtlExit status;

        (void)argc, (void)argv;
        status = list(ctl, BUS_MAP, &objects);
        if (status != CTL_OK)
                return status;
        if (ctl->json != CTL_JSON_OFF) {
                write_list_json(ctl, objects);
                return CTL_OK;
        }
        g_variant_iter_init(&iter, objects);
        while (g_variant_iter_loop(&iter, "(&o@a{sv})", NULL, &properties)) {
                table_add_number(table, resolve_number(properties, "Id"));
                table_add(table, resolve_string(properties, "Name"));
                table_add(table, resolve_string(properties, "Type"));
                table_add_number(table, resolve_number(properties, "KeySize"));
                table_add_number(table, resolve_number(properties, "ValueSize"));
                table_add_number(table, resolve_number(properties, "MaxEntries"));
                table_add_take(table, text_size(resolve_number(properties, "BytesMemlock")));
                table_add(table, yes_no(properties, "Managed"));
                table_add_take(table, owner(properties));
                table_add(table, resolve_string(properties, "Application"));
                table_add_take(table, ids(properties, "Programs"));
        }
        if (!options_given(&ctl->options, OPT_ALL))
                table_hide(table, "MANAGED");
        ctl_write_table(ctl, table, "map", "maps");
        return CTL_OK;
}

/* "a, b" from an array of strings in a row of ProgramTypes */
static char *words(GVariant *row, const char *name)
{
        g_autofree const char **list = NULL;

        if (!g_variant_lookup(row, name, "^a&s", &list))
                return g_strdup("");
        return g_strjoinv(" ", (char **)list);
}

/* Options of the bus, as the command line has them */
static char *option_words(GVariant *row, const char *name)
{
        return g_strdelimit(words(row, name), "_", '-');
}

/* What this kernel can do with a type. Attaching can't be tried where it takes a hook, such as an
 * interface: then nothing speaks against it. */
static const char *available(GVariant *features, const char *type)
{
        g_autofree char *load_name = g_strconcat("load.", type, NULL);
        g_autofree char *attach_name = g_strconcat("attach.", type, NULL);
        gboolean load = FALSE, attach = TRUE;

        if (!features || !g_variant_lookup(features, load_name, "b", &load))
                return "?";
        if (!load)
                return "no";
        (void)g_variant_lookup(features, attach_name, "b", &attach);
        return attach ? "yes" : "load only";
}

CtlExit verb_types(Ctl *ctl, int argc, char **argv)
{
        g_autoptr(Table) table = table_new("TYPE", "AVAILABLE", "SECTIONS", "REQUIRED", "OPTIONAL",
                                           "DESCRIPTION", NULL);
        g_auto(GVariantBuilder) builder = G_VARIANT_BUILDER_INIT(G_VARIANT_TYPE("aa{sv}"));
        g_autoptr(GVariant) manager = NULL, types = NULL, features = NULL;
        g_auto(sd_bus_error) error = SD_BUS_ERROR_NULL;
        const char *name;
        GVariantIter iter;
        GVariant *row;

        (void)argc, (void)argv;
        if (ctl_get_all(ctl, BUS_PATH_ROOT, BUS_INTERFACE_MANAGER, &error, &manager) < 0)
                return ctl_bus_error(&error, "Can't list program types");
        types = g_variant_lookup_value(manager, "ProgramTypes", G_VARIANT_TYPE("a{sa{sv}}"));
        features = g_variant_lookup_value(manager, "Features", G_VARIANT_TYPE("a{sb}"));
        if (!types)
                return ctl_fail("The service names no program types");

        g_variant_iter_init(&iter, types);
        while (g_variant_iter_loop(&iter, "{&s@a{sv}}", &name, &row)) {
                table_add(table, name);
                table_add(table, available(features, name));
                table_add_take(table, words(row, "Sections"));
                table_add_take(table, option_words(row, "Required"));
                table_add_take(table, option_words(row, "Optional"));
                table_add(table, resolve_string(row, "Description"));

                g_variant_builder_open(&builder, G_VARIANT_TYPE_VARDICT);
                g_variant_builder_add(&builder, "{sv}", "name", g_variant_new_string(name));
                g_variant_builder_add(&builder, "{sv}", "available",
                                      g_variant_new_string(available(features, name)));
                json_add_properties(&builder, row);
                g_variant_builder_close(&builder);
        }
        if (ctl->json != CTL_JSON_OFF)
                ctl_write_json(ctl, g_variant_builder_end(&builder));
        else
                ctl_write_table(ctl, table, "type", "types");
        return CTL_OK;
}
