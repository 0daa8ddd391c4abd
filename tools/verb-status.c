/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "hook.h"
#include "json.h"
#include "resolve.h"
#include "text.h"
#include "verbs.h"

#define GREEN "\x1b[0;1;32m"
#define GREY "\x1b[0;38;5;245m"
#define NORMAL "\x1b[0m"

/* "   Label: text", labels flush right; what is empty has no line. */
static void line(GString *out, const char *label, const char *text)
{
        g_autofree char *safe = text_escape(text, false);

        if (*safe)
                g_string_append_printf(out, "%12s: %s\n", label, safe);
}

/* More lines below a label; the label stands before the first only. */
static void lines(GString *out, const char *label, GPtrArray *texts)
{
        for (guint i = 0; i < texts->len; i++) {
                g_autofree char *safe = text_escape(g_ptr_array_index(texts, i), false);

                g_string_append_printf(out, "%12s%c %s\n", i == 0 ? label : "", i == 0 ? ':' : ' ',
                                       safe);
        }
}

static void title(Ctl *ctl, GString *out, bool active, const char *text)
{
        g_autofree char *safe = text_escape(text, false);

        g_string_append_printf(out, "%s%s%s %s\n",
                               !ctl->colour ? ""
                               : active     ? GREEN
                                            : GREY,
                               active ? "●" : "○", ctl->colour ? NORMAL : "", safe);
}

static char *since(GVariant *properties, const char *time, const char *whose)
{
        uint64_t when = resolve_number(properties, time);
        g_autofree char *at = text_time(when);
        g_autofree char *ago = text_ago(when, (uint64_t)g_get_real_time());
        g_autofree char *user = text_user((uint32_t)resolve_number(properties, "OwnerUid"));

        return g_strdup_printf("%s; %s, %s %s", at, ago, whose, user);
}

/* What a list has, each in words. NULL where it can't be had. */
static GPtrArray *describe_all(Ctl *ctl, BusKind kind, const char *program,
                               char *(*describe)(GVariant *properties))
{
        g_autoptr(GPtrArray) texts = g_ptr_array_new_with_free_func(g_free);
        g_auto(sd_bus_error) error = SD_BUS_ERROR_NULL;
        g_autoptr(GVariant) list = NULL;
        GVariant *properties;
        GVariantDict dict;
        GVariantIter iter;

        g_variant_dict_init(&dict, NULL);
        g_variant_dict_insert(&dict, "program", "o", program);
        if (ctl_list(ctl, kind, g_variant_dict_end(&dict), &error, &list) < 0) {
                (void)ctl_bus_error(&error, "Can't list %ss", resolve_kind_name(kind));
                return NULL;
        }
        g_variant_iter_init(&iter, list);
        while (g_variant_iter_loop(&iter, "(&o@a{sv})", NULL, &properties))
                g_ptr_array_add(texts, describe(properties));
        return g_steal_pointer(&texts);
}

static char *describe_link(GVariant *properties)
{
        g_autofree char *where = hook_describe(properties);

        return g_strdup_printf("%" PRIu64 " %s", resolve_number(properties, "Id"), where);
}

static char *describe_map(GVariant *properties)
{
        g_autofree char *size = text_size(resolve_number(properties, "BytesMemlock"));

        return g_strdup_printf("%" PRIu64 " %s (%s, %" PRIu64 " entries, %s)",
                               resolve_number(properties, "Id"), resolve_string(properties, "Name"),
                               resolve_string(properties, "Type"),
                               resolve_number(properties, "MaxEntries"), size);
}

static void append_runs(GString *out, GVariant *properties)
{
        uint64_t runs = resolve_number(properties, "RunCount");
        uint64_t nsec = resolve_number(properties, "RunTimeNSec");
        g_autofree char *total = text_duration(nsec);
        g_autofree char *average = text_duration(runs > 0 ? nsec / runs : 0);
        g_autofree char *text = NULL;

        if (runs == 0)
                return;
        text = g_strdup_printf("%" PRIu64 " times, %s, %s on average", runs, total, average);
        line(out, "Ran", text);
}

static void append_metadata(GString *out, GVariant *properties)
{
        g_autoptr(GPtrArray) texts = g_ptr_array_new_with_free_func(g_free);
        g_autoptr(GVariant) metadata =
                g_variant_lookup_value(properties, "Metadata", G_VARIANT_TYPE("a{ss}"));
        const char *key, *value;
        GVariantIter iter;

        if (!metadata)
                return;
        g_variant_iter_init(&iter, metadata);
        while (g_variant_iter_next(&iter, "{&s&s}", &key, &value))
                g_ptr_array_add(texts, g_strdup_printf("%s=%s", key, value));
        lines(out, "Metadata", texts);
}

static CtlExit program_status(Ctl *ctl, const char *path, GVariant *properties, GString *out)
{
        bool managed = resolve_number(properties, "Managed");
        g_autofree char *heading =
                g_strdup_printf("%s - %s program %" PRIu64, resolve_string(properties, "Name"),
                                resolve_string(properties, "Type"),
                                resolve_number(properties, "Id"));
        g_autofree char *loaded = since(properties, "LoadTime", managed ? "by" : "elsewhere, by");
        g_autofree char *memory = text_size(resolve_number(properties, "BytesMemlock"));
        g_autofree char *code =
                g_strdup_printf("%" PRIu64 " bytes, %" PRIu64 " as machine code, tag %s",
                                resolve_number(properties, "BytesXlated"),
                                resolve_number(properties, "BytesJited"),
                                resolve_string(properties, "Tag"));
        g_autoptr(GPtrArray) links = describe_all(ctl, BUS_LINK, path, describe_link);
        g_autoptr(GPtrArray) maps = describe_all(ctl, BUS_MAP, path, describe_map);

        if (!links || !maps)
                return CTL_FAILED;
        title(ctl, out, links->len > 0, heading);
        line(out, "Loaded", loaded);
        line(out, "Application", resolve_string(properties, "Application"));
        line(out, "Section", resolve_string(properties, "Section"));
        line(out, "Source", resolve_string(properties, "SourceDigest"));
        append_metadata(out, properties);
        line(out, "Code", code);
        line(out, "Memory", memory);
        append_runs(out, properties);
        if (managed && links->len == 0)
                line(out, "Links", "none: it isn't attached");
        lines(out, "Links", links);
        lines(out, "Maps", maps);
        return CTL_OK;
}

static CtlExit map_status(GVariant *properties, Ctl *ctl, GString *out)
{
        g_autofree char *heading =
                g_strdup_printf("%s - map %" PRIu64 " (%s)", resolve_string(properties, "Name"),
                                resolve_number(properties, "Id"),
                                resolve_string(properties, "Type"));
        g_autofree char *shape = g_strdup_printf("%" PRIu64 " entries at most, keys of %" PRIu64
                                                 " bytes, values of %" PRIu64,
                                                 resolve_number(properties, "MaxEntries"),
                                                 resolve_number(properties, "KeySize"),
                                                 resolve_number(properties, "ValueSize"));
        g_autofree char *memory = text_size(resolve_number(properties, "BytesMemlock"));
        g_autofree char *user = text_user((uint32_t)resolve_number(properties, "OwnerUid"));

        title(ctl, out, resolve_number(properties, "Managed"), heading);
        line(out, "Owner", resolve_number(properties, "Managed") ? user : "");
        line(out, "Application", resolve_string(properties, "Application"));
        line(out, "Shape", shape);
        line(out, "Memory", memory);
        line(out, "Frozen", resolve_number(properties, "Frozen") ? "yes" : "");
        return CTL_OK;
}

static CtlExit link_status(GVariant *properties, Ctl *ctl, GString *out)
{
        g_autofree char *where = hook_describe(properties);
        g_autofree char *attached = since(properties, "AttachTime", "by");
        g_autofree char *heading =
                g_strdup_printf("link %" PRIu64 " - %s", resolve_number(properties, "Id"), where);
        g_autofree char *program =
                g_strdup_printf("%" PRIu64 " %s (%s)", resolve_number(properties, "ProgramId"),
                                resolve_string(properties, "ProgramName"),
                                resolve_string(properties, "Type"));

        title(ctl, out, true, heading);
        line(out, "Program", program);
        line(out, "Attached", attached);
        return CTL_OK;
}

static CtlExit object_status(Ctl *ctl, const char *name, GString *out, GVariantBuilder *json)
{
        g_auto(sd_bus_error) error = SD_BUS_ERROR_NULL;
        g_autoptr(GVariant) properties = NULL;
        g_autofree char *path = NULL;
        CtlExit status;
        BusKind kind;

        status = resolve_any(ctl, name, &kind, &path);
        if (status != CTL_OK)
                return status;
        if (ctl_get_all(ctl, path, bus_interface(kind), &error, &properties) < 0)
                return ctl_bus_error(&error, "Can't show %s '%s'", resolve_kind_name(kind), name);
        if (ctl->json != CTL_JSON_OFF) {
                g_variant_builder_add_value(json, json_from_properties(path, properties));
                return CTL_OK;
        }
        if (out->len)
                g_string_append_c(out, '\n');
        switch (kind) {
        case BUS_MAP:
                return map_status(properties, ctl, out);
        case BUS_LINK:
                return link_status(properties, ctl, out);
        default:
                return program_status(ctl, path, properties, out);
        }
}

/* How many objects of a kind there are, and how many of them are ours. */
static CtlExit count(Ctl *ctl, BusKind kind, size_t *ret_all, size_t *ret_managed)
{
        g_auto(sd_bus_error) error = SD_BUS_ERROR_NULL;
        g_autoptr(GVariant) list = NULL;
        GVariant *properties;
        GVariantIter iter;

        if (ctl_list(ctl, kind, NULL, &error, &list) < 0)
                return ctl_bus_error(&error, "Can't list %ss", resolve_kind_name(kind));
        *ret_all = g_variant_n_children(list);
        *ret_managed = 0;
        g_variant_iter_init(&iter, list);
        while (g_variant_iter_loop(&iter, "(&o@a{sv})", NULL, &properties))
                *ret_managed += resolve_number(properties, "Managed") ? 1 : 0;
        return CTL_OK;
}

/* The names of the general features that the kernel has, or lacks; with @prefix, of the types. */
static char *feature_names(GVariant *features, bool wanted, const char *prefix)
{
        GString *out = g_string_new(NULL);
        GVariantIter iter;
        const char *name;
        gboolean has;

        g_variant_iter_init(&iter, features);
        while (g_variant_iter_next(&iter, "{&sb}", &name, &has)) {
                bool of_type = g_str_has_prefix(name, "load.") || g_str_has_prefix(name, "attach.");

                if ((bool)has != wanted || (prefix ? !g_str_has_prefix(name, prefix) : of_type))
                        continue;
                g_string_append_printf(out, "%s%s", out->len ? " " : "",
                                       prefix ? name + strlen(prefix) : name);
        }
        return g_string_free(out, FALSE);
}

static void append_features(GString *out, GVariant *features)
{
        static const struct {
                const char *label;
                bool wanted;
                const char *prefix;
        } rows[] = {
                {"Kernel has", true, NULL},
                {"Lacks", false, NULL},
                {"Loads", true, "load."},
                {"Can't load", false, "load."},
                /* What it can attach is only known of types that need no interface or the like. */
                {"Nor attach", false, "attach."},
        };

        for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
                g_autofree char *names = feature_names(features, rows[i].wanted, rows[i].prefix);

                line(out, rows[i].label, names);
        }
}

static void add_count(GVariantBuilder *json, const char *name, size_t n)
{
        g_variant_builder_add(json, "{sv}", name, g_variant_new_uint64(n));
}

static CtlExit service_status(Ctl *ctl, GString *out, GVariantBuilder *json)
{
        g_auto(sd_bus_error) error = SD_BUS_ERROR_NULL;
        g_autoptr(GVariant) manager = NULL, features = NULL;
        size_t all[_BUS_KIND_MAX] = {0}, managed[_BUS_KIND_MAX] = {0};
        g_autofree char *heading = NULL;
        CtlExit status;

        if (ctl_get_all(ctl, BUS_PATH_ROOT, BUS_INTERFACE_MANAGER, &error, &manager) < 0)
                return ctl_bus_error(&error, "Can't ask the service");
        for (BusKind kind = 0; kind < _BUS_KIND_MAX; kind++) {
                status = count(ctl, kind, &all[kind], &managed[kind]);
                if (status != CTL_OK)
                        return status;
        }
        if (ctl->json != CTL_JSON_OFF) {
                g_variant_builder_open(json, G_VARIANT_TYPE_VARDICT);
                json_add_properties(json, manager);
                add_count(json, "programs", managed[BUS_PROGRAM]);
                add_count(json, "links", all[BUS_LINK]);
                add_count(json, "maps", managed[BUS_MAP]);
                g_variant_builder_close(json);
                return CTL_OK;
        }
        heading = g_strdup_printf("bpfkeeper %s", resolve_string(manager, "Version"));
        title(ctl, out, true, heading);
        g_string_append_printf(out, "%12s: %zu (of %zu on this machine)\n", "Programs",
                               managed[BUS_PROGRAM], all[BUS_PROGRAM]);
        g_string_append_printf(out, "%12s: %zu\n", "Links", all[BUS_LINK]);
        g_string_append_printf(out, "%12s: %zu (of %zu on this machine)\n", "Maps",
                               managed[BUS_MAP], all[BUS_MAP]);
        features = g_variant_lookup_value(manager, "Features", G_VARIANT_TYPE("a{sb}"));
        if (features)
                append_features(out, features);
        return CTL_OK;
}

CtlExit verb_status(Ctl *ctl, int argc, char **argv)
{
        g_auto(GVariantBuilder) json = G_VARIANT_BUILDER_INIT(G_VARIANT_TYPE("aa{sv}"));
        g_autoptr(GString) out = g_string_new(NULL);
        CtlExit first = CTL_OK;

        if (argc == 0)
                first = service_status(ctl, out, &json);
        for (int i = 0; i < argc; i++) {
                CtlExit status = object_status(ctl, argv[i], out, &json);

                if (first == CTL_OK)
                        first = status;
        }
        if (ctl->json != CTL_JSON_OFF)
                ctl_write_json(ctl, g_variant_builder_end(&json));
        else
                ctl_write(ctl, out);
        return first;
}
