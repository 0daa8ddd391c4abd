/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdio.h>
#include <string.h>

#include "hook.h"
#include "json.h"
#include "resolve.h"
#include "text.h"
#include "verbs.h"

#define OBJECT_MANAGER "org.freedesktop.DBus.ObjectManager"
#define PROPERTIES "org.freedesktop.DBus.Properties"

/* What an object is, in the words of its properties; "" where they say nothing. */
static char *describe(BusKind kind, GVariant *properties)
{
        switch (kind) {
        case BUS_LINK: {
                g_autofree char *where = hook_describe(properties);

                return g_strdup_printf("%s (%s) on %s", resolve_string(properties, "ProgramName"),
                                       resolve_string(properties, "Type"), where);
        }
        default:
                return g_strdup_printf("%s (%s)", resolve_string(properties, "Name"),
                                       resolve_string(properties, "Type"));
        }
}

/* One event; @properties may be NULL. */
static void event(Ctl *ctl, const char *what, const char *path, GVariant *properties,
                  const char *text)
{
        g_autofree char *safe = text_escape(text, false);
        const char *colour = "", *normal = "";
        GVariantBuilder json;
        uint32_t id = 0;
        BusKind kind;

        if (!resolve_path(path, &kind, &id))
                return;
        if (ctl->json != CTL_JSON_OFF) {
                g_variant_builder_init(&json, G_VARIANT_TYPE_VARDICT);
                g_variant_builder_add(&json, "{sv}", "event", g_variant_new_string(what));
                g_variant_builder_add(&json, "{sv}", "kind",
                                      g_variant_new_string(resolve_kind_name(kind)));
                g_variant_builder_add(&json, "{sv}", "id", g_variant_new_uint32(id));
                g_variant_builder_add(&json, "{sv}", "path", g_variant_new_string(path));
                if (properties) {
                        g_variant_builder_open(&json, G_VARIANT_TYPE("{sv}"));
                        g_variant_builder_add(&json, "s", "properties");
                        g_variant_builder_open(&json, G_VARIANT_TYPE_VARIANT);
                        g_variant_builder_open(&json, G_VARIANT_TYPE_VARDICT);
                        json_add_properties(&json, properties);
                        g_variant_builder_close(&json);
                        g_variant_builder_close(&json);
                        g_variant_builder_close(&json);
                }
                ctl_write_json(ctl, g_variant_builder_end(&json));
                return;
        }
        if (ctl->colour) {
                colour = strcmp(what, "added") == 0     ? "\x1b[0;32m"
                         : strcmp(what, "removed") == 0 ? "\x1b[0;31m"
                                                        : "\x1b[0;33m";
                normal = "\x1b[0m";
        }
        (void)printf("%s%-7s%s %-7s %u%s%s\n", colour, what, normal, resolve_kind_name(kind), id,
                     *safe ? "  " : "", safe);
        (void)fflush(stdout);
}

/* A signal's arguments, if they have the type that its name stands for. */
static GVariant *arguments(sd_bus_message *m, const char *type)
{
        g_autoptr(GVariant) tuple = NULL;

        if (bus_client_read(m, &tuple) < 0 || !g_variant_is_of_type(tuple, G_VARIANT_TYPE(type)))
                return NULL;
        return g_steal_pointer(&tuple);
}

static int on_added(sd_bus_message *m, void *userdata, sd_bus_error *reterr)
{
        g_autoptr(GVariant) tuple = arguments(m, "(oa{sa{sv}})");
        g_autoptr(GVariant) interfaces = NULL, properties = NULL;
        g_autofree char *text = NULL;
        const char *path;
        BusKind kind;
        uint32_t id;

        (void)reterr;
        if (!tuple)
                return 0;
        g_variant_get(tuple, "(&o@a{sa{sv}})", &path, &interfaces);
        if (!resolve_path(path, &kind, &id))
                return 0;
        properties =
                g_variant_lookup_value(interfaces, bus_interface(kind), G_VARIANT_TYPE_VARDICT);
        if (!properties)
                return 0;
        text = describe(kind, properties);
        event(userdata, "added", path, properties, text);
        return 0;
}

static int on_removed(sd_bus_message *m, void *userdata, sd_bus_error *reterr)
{
        g_autoptr(GVariant) tuple = arguments(m, "(oas)");
        g_autofree const char **interfaces = NULL;
        const char *path;
        BusKind kind;
        uint32_t id;

        (void)reterr;
        if (!tuple)
                return 0;
        g_variant_get(tuple, "(&o^a&s)", &path, &interfaces);
        /* An object has other interfaces too, which come and go with it. */
        if (resolve_path(path, &kind, &id) && g_strv_contains(interfaces, bus_interface(kind)))
                event(userdata, "removed", path, NULL, "");
        return 0;
}

static int on_changed(sd_bus_message *m, void *userdata, sd_bus_error *reterr)
{
        g_autoptr(GVariant) tuple = arguments(m, "(sa{sv}as)");
        g_autoptr(GString) text = g_string_new(NULL);
        const char *path = sd_bus_message_get_path(m), *name;
        g_autoptr(GVariant) properties = NULL;
        GVariantIter iter;
        GVariant *value;

        (void)reterr;
        if (!tuple || !path)
                return 0;
        properties = g_variant_get_child_value(tuple, 1);
        g_variant_iter_init(&iter, properties);
        while (g_variant_iter_loop(&iter, "{&sv}", &name, &value)) {
                g_string_append_printf(text, "%s%s=", text->len ? " " : "", name);
                json_append(text, value, false, 0);
        }
        event(userdata, "changed", path, properties, text->str);
        return 0;
}

static int add_matches(Ctl *ctl)
{
        int r;

        r = sd_bus_match_signal(ctl->bus, NULL, BUS_NAME, BUS_PATH_ROOT, OBJECT_MANAGER,
                                "InterfacesAdded", on_added, ctl);
        if (r < 0)
                return r;
        r = sd_bus_match_signal(ctl->bus, NULL, BUS_NAME, BUS_PATH_ROOT, OBJECT_MANAGER,
                                "InterfacesRemoved", on_removed, ctl);
        if (r < 0)
                return r;
        return sd_bus_add_match(ctl->bus, NULL,
                                "type='signal',sender='" BUS_NAME "',interface='" PROPERTIES
                                "',member='PropertiesChanged',path_namespace='" BUS_PATH_ROOT "'",
                                on_changed, ctl);
}

CtlExit verb_monitor(Ctl *ctl, int argc, char **argv)
{
        g_auto(sd_bus_error) error = SD_BUS_ERROR_NULL;
        g_autoptr(GVariant) version = NULL;
        int r;

        (void)argc, (void)argv;
        /* Whoever follows wants it now, not in a pager. */
        ctl->pager_wanted = false;
        /* A connection to the service itself would end with it, and keep it from leaving. */
        ctl->bus_first = true;
        /* Connects, and finds out whether there is anything to follow. */
        if (ctl_get(ctl, BUS_PATH_ROOT, BUS_INTERFACE_MANAGER, "Version", &error, &version) < 0)
                return ctl_bus_error(&error, "Can't follow the service");
        r = add_matches(ctl);
        while (r >= 0) {
                r = sd_bus_process(ctl->bus, NULL);
                if (r == 0)
                        r = sd_bus_wait(ctl->bus, UINT64_MAX);
                if (ferror(stdout))
                        return ctl_fail("Can't write what is followed");
        }
        return ctl_fail("Lost the bus: %s", g_strerror(-r));
}
