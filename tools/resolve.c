/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "resolve.h"

#include <string.h>

#include "text.h"

static const char *const kind_names[] = {
        [BUS_PROGRAM] = "program",
        [BUS_MAP] = "map",
        [BUS_LINK] = "link",
};

const char *resolve_kind_name(BusKind kind)
{
        return kind_names[kind];
}

bool resolve_path(const char *path, BusKind *ret_kind, uint32_t *ret_id)
{
        for (BusKind kind = 0; kind < _BUS_KIND_MAX; kind++)
                if (bus_path_parse(path, kind, ret_id)) {
                        *ret_kind = kind;
                        return true;
                }
        return false;
}

const char *resolve_string(GVariant *properties, const char *name)
{
        const char *s;

        return g_variant_lookup(properties, name, "&s", &s) ||
                               g_variant_lookup(properties, name, "&o", &s)
                       ? s
                       : "";
}

uint64_t resolve_number(GVariant *properties, const char *name)
{
        g_autoptr(GVariant) value = g_variant_lookup_value(properties, name, NULL);

        if (!value)
                return 0;
        switch (g_variant_classify(value)) {
        case G_VARIANT_CLASS_UINT32:
                return g_variant_get_uint32(value);
        case G_VARIANT_CLASS_UINT64:
                return g_variant_get_uint64(value);
        case G_VARIANT_CLASS_INT32:
                return (uint64_t)g_variant_get_int32(value);
        case G_VARIANT_CLASS_BOOLEAN:
                return g_variant_get_boolean(value);
        default:
                return 0;
        }
}

static CtlExit ambiguous(BusKind kind, const char *name, GVariant *list)
{
        g_autoptr(GString) out = g_string_new(NULL);
        GVariantIter iter;
        GVariant *properties;

        g_string_append_printf(out, "%zu %ss are called '%s'; name one by its id:",
                               g_variant_n_children(list), kind_names[kind], name);
        g_variant_iter_init(&iter, list);
        while (g_variant_iter_loop(&iter, "(&o@a{sv})", NULL, &properties)) {
                /* A newline in here would make a line of its own. */
                g_autofree char *application =
                        text_escape(resolve_string(properties, "Application"), false);
                g_autofree char *owner =
                        text_user((uint32_t)resolve_number(properties, "OwnerUid"));

                g_string_append_printf(out, "\n  %" PRIu64 "  %s%s%s, owner %s",
                                       resolve_number(properties, "Id"),
                                       resolve_string(properties, "Type"),
                                       *application ? ", application " : "", application, owner);
        }
        return ctl_fail("%s", out->str);
}

static CtlExit by_name(Ctl *ctl, BusKind kind, const char *name, char **ret_path)
{
        g_auto(sd_bus_error) error = SD_BUS_ERROR_NULL;
        g_autoptr(GVariant) list = NULL;
        GVariantDict filter;
        size_t n;

        g_variant_dict_init(&filter, NULL);
        g_variant_dict_insert(&filter, "name", "s", name);
        g_variant_dict_insert(&filter, "managed", "b", TRUE);
        if (ctl_list(ctl, kind, g_variant_dict_end(&filter), &error, &list) < 0)
                return ctl_bus_error(&error, "Can't look up '%s'", name);
        n = g_variant_n_children(list);
        if (n == 0) {
                (void)ctl_fail("No %s is called '%s'", kind_names[kind], name);
                return CTL_NOT_FOUND;
        }
        if (n > 1)
                return ambiguous(kind, name, list);
        g_variant_get_child(list, 0, "(oa{sv})", ret_path, NULL);
        return CTL_OK;
}

/* The map of that name among @paths; @names gets all of them. */
static CtlExit find_map(Ctl *ctl, GVariant *paths, const char *name, GString *names,
                        char **ret_path)
{
        const char *path;
        GVariantIter iter;

        g_variant_iter_init(&iter, paths);
        while (g_variant_iter_next(&iter, "&o", &path)) {
                g_auto(sd_bus_error) error = SD_BUS_ERROR_NULL;
                g_autoptr(GVariant) properties = NULL;
                const char *called;

                if (ctl_get_all(ctl, path, bus_interface(BUS_MAP), &error, &properties) < 0)
                        return ctl_bus_error(&error, "Can't look at map %s", path);
                called = resolve_string(properties, "Name");
                g_string_append_printf(names, "%s%s", names->len > 0 ? ", " : "", called);
                if (g_str_equal(called, name)) {
                        *ret_path = g_strdup(path);
                        return CTL_OK;
                }
        }
        return CTL_NOT_FOUND;
}

/* PROGRAM:MAP */
static CtlExit resolve_map_of(Ctl *ctl, const char *name, const char *colon, char **ret_path)
{
        g_auto(sd_bus_error) error = SD_BUS_ERROR_NULL;
        g_autoptr(GVariant) properties = NULL, paths = NULL;
        g_autoptr(GString) names = g_string_new(NULL);
        g_autofree char *program = NULL, *path = NULL;
        CtlExit status;

        program = g_strndup(name, (size_t)(colon - name));
        status = resolve(ctl, BUS_PROGRAM, program, &path);
        if (status != CTL_OK)
                return status;
        if (ctl_get_all(ctl, path, bus_interface(BUS_PROGRAM), &error, &properties) < 0)
                return ctl_bus_error(&error, "Can't look at program '%s'", program);
        paths = g_variant_lookup_value(properties, "Maps", G_VARIANT_TYPE_OBJECT_PATH_ARRAY);
        if (!paths)
                return ctl_fail("The service doesn't say which maps program '%s' has", program);
        status = find_map(ctl, paths, colon + 1, names, ret_path);
        if (status == CTL_NOT_FOUND)
                (void)ctl_fail("Program '%s' has no map '%s'%s%s", program, colon + 1,
                               names->len > 0 ? "; it has " : ": it has none", names->str);
        return status;
}

CtlExit resolve(Ctl *ctl, BusKind kind, const char *name, char **ret_path)
{
        size_t n = strlen(kind_names[kind]);
        uint64_t number;
        uint32_t id;

        /* What "show" takes, every verb takes. */
        if (strncmp(name, kind_names[kind], n) == 0 && name[n] == ':')
                name += n + 1;
        if (name[0] == '/') {
                if (!bus_path_parse(name, kind, &id)) {
                        (void)ctl_fail("'%s' isn't the object path of a %s", name,
                                       kind_names[kind]);
                        return CTL_NOT_FOUND;
                }
                *ret_path = g_strdup(name);
                return CTL_OK;
        }
        if (text_parse_unsigned(name, UINT32_MAX, &number)) {
                char path[BUS_PATH_MAX];

                *ret_path = g_strdup(bus_path(kind, (uint32_t)number, path));
                return CTL_OK;
        }
        if (kind == BUS_MAP && strchr(name, ':'))
                return resolve_map_of(ctl, name, strrchr(name, ':'), ret_path);
        if (kind == BUS_LINK) {
                (void)ctl_fail("'%s' is no link: links are named by id, see bpfctl links", name);
                return CTL_NOT_FOUND;
        }
        return by_name(ctl, kind, name, ret_path);
}

CtlExit resolve_any(Ctl *ctl, const char *name, BusKind *ret_kind, char **ret_path)
{
        uint32_t id;

        if (name[0] == '/' && resolve_path(name, ret_kind, &id)) {
                *ret_path = g_strdup(name);
                return CTL_OK;
        }
        for (BusKind kind = 0; kind < _BUS_KIND_MAX; kind++) {
                size_t n = strlen(kind_names[kind]);

                if (strncmp(name, kind_names[kind], n) == 0 && name[n] == ':') {
                        *ret_kind = kind;
                        return resolve(ctl, kind, name, ret_path);
                }
        }
        *ret_kind = BUS_PROGRAM;
        return resolve(ctl, BUS_PROGRAM, name, ret_path);
}
