/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "json.h"
#include "resolve.h"
#include "text.h"
#include "verbs.h"

/* Whether --property names this one, in either spelling; without --property all are wanted. */
static bool is_wanted(Ctl *ctl, const char *property)
{
        g_autofree char *snake = text_snake(property);

        if (!options_given(&ctl->options, OPT_PROPERTY))
                return true;
        for (size_t i = 0; i < options_count(&ctl->options, OPT_PROPERTY); i++) {
                g_auto(GStrv) names =
                        g_strsplit(options_nth(&ctl->options, OPT_PROPERTY, i), ",", -1);

                if (g_strv_contains((const char *const *)names, property) ||
                    g_strv_contains((const char *const *)names, snake))
                        return true;
        }
        return false;
}

/* A value on one line: words apart by spaces, dictionaries as KEY=VALUE. */
static void append_value(GString *out, GVariant *value)
{
        switch (g_variant_classify(value)) {
        case G_VARIANT_CLASS_BOOLEAN:
                g_string_append(out, g_variant_get_boolean(value) ? "yes" : "no");
                return;
        case G_VARIANT_CLASS_STRING:
        case G_VARIANT_CLASS_OBJECT_PATH: {
                g_autofree char *safe = text_escape(g_variant_get_string(value, NULL), false);

                g_string_append(out, safe);
                return;
        }
        case G_VARIANT_CLASS_VARIANT: {
                g_autoptr(GVariant) inner = g_variant_get_variant(value);

                append_value(out, inner);
                return;
        }
        case G_VARIANT_CLASS_DICT_ENTRY: {
                g_autoptr(GVariant) key = g_variant_get_child_value(value, 0);
                g_autoptr(GVariant) member = g_variant_get_child_value(value, 1);

                append_value(out, key);
                g_string_append_c(out, '=');
                append_value(out, member);
                return;
        }
        case G_VARIANT_CLASS_ARRAY:
        case G_VARIANT_CLASS_TUPLE:
                for (size_t i = 0, n = g_variant_n_children(value); i < n; i++) {
                        g_autoptr(GVariant) child = g_variant_get_child_value(value, i);

                        if (i > 0)
                                g_string_append_c(out, ' ');
                        append_value(out, child);
                }
                return;
        default:
                json_append(out, value, false, 0); /* numbers */
        }
}

static void append_properties(Ctl *ctl, GString *out, GVariant *properties)
{
        bool bare = options_given(&ctl->options, OPT_VALUE);
        GVariantIter iter;
        const char *name;
        GVariant *value;

        g_variant_iter_init(&iter, properties);
        while (g_variant_iter_loop(&iter, "{&sv}", &name, &value)) {
                if (!bare)
                        g_string_append_printf(out, "%s=", name);
                append_value(out, value);
                g_string_append_c(out, '\n');
        }
}

/* Only the properties that are wanted, as a new a{sv}. */
static GVariant *select_properties(Ctl *ctl, GVariant *properties)
{
        GVariantBuilder builder;
        GVariantIter iter;
        const char *name;
        GVariant *value;

        g_variant_builder_init(&builder, G_VARIANT_TYPE_VARDICT);
        g_variant_iter_init(&iter, properties);
        while (g_variant_iter_loop(&iter, "{&sv}", &name, &value))
                if (is_wanted(ctl, name))
                        g_variant_builder_add(&builder, "{sv}", name, value);
        return g_variant_ref_sink(g_variant_builder_end(&builder));
}

/* One object, or the service where @name is NULL. */
static CtlExit show(Ctl *ctl, const char *name, GString *out, GVariantBuilder *json)
{
        g_auto(sd_bus_error) error = SD_BUS_ERROR_NULL;
        g_autofree char *path = g_strdup(BUS_PATH_ROOT);
        g_autoptr(GVariant) all = NULL, selected = NULL;
        const char *interface = BUS_INTERFACE_MANAGER;
        CtlExit status;
        BusKind kind;

        if (name) {
                g_clear_pointer(&path, g_free);
                status = resolve_any(ctl, name, &kind, &path);
                if (status != CTL_OK)
                        return status;
                interface = bus_interface(kind);
        }
        if (ctl_get_all(ctl, path, interface, &error, &all) < 0)
                return ctl_bus_error(&error, "Can't show %s%s%s", name ? "'" : "the service",
                                     name ? name : "", name ? "'" : "");
        selected = select_properties(ctl, all);
        g_variant_builder_add_value(json, json_from_properties(path, selected));
        if (out->len)
                g_string_append_c(out, '\n');
        append_properties(ctl, out, selected);
        return CTL_OK;
}

CtlExit verb_show(Ctl *ctl, int argc, char **argv)
{
        g_auto(GVariantBuilder) json = G_VARIANT_BUILDER_INIT(G_VARIANT_TYPE("aa{sv}"));
        g_autoptr(GString) out = g_string_new(NULL);
        CtlExit first = CTL_OK;

        if (argc == 0)
                first = show(ctl, NULL, out, &json);
        for (int i = 0; i < argc; i++) {
                CtlExit status = show(ctl, argv[i], out, &json);

                if (first == CTL_OK)
                        first = status;
        }
        if (ctl->json != CTL_JSON_OFF)
                ctl_write_json(ctl, g_variant_builder_end(&json));
        else
                ctl_write(ctl, out);
        return first;
}
