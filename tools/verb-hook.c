/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>

#include <linux/rtnetlink.h>

#include "hook.h"
#include "json.h"
#include "resolve.h"
#include "text.h"
#include "verbs.h"

/* "tcx ingress", "netfilter ipv4 input", "tc_action 7", "lwt_xmit 10.2.0.0/16" */
static char *hook_name(GVariant *occupant)
{
        static const char *const parts[] = {"Family", "Direction", "Hook", "Route"};
        GString *out = g_string_new(resolve_string(occupant, "Type"));

        for (size_t i = 0; i < G_N_ELEMENTS(parts); i++) {
                const char *part = resolve_string(occupant, parts[i]);

                g_string_append_printf(out, "%s%s", *part ? " " : "", part);
        }
        if (resolve_number(occupant, "Index") != 0)
                g_string_append_printf(out, " %" PRIu64, resolve_number(occupant, "Index"));
        return g_string_free(out, FALSE);
}

static void add_if_any(Table *table, GVariant *occupant, const char *name)
{
        uint64_t number = resolve_number(occupant, name);

        if (number != 0)
                table_add_number(table, number);
        else
                table_add(table, NULL);
}

static void add_priority(Table *table, GVariant *occupant)
{
        gint32 priority;

        if (g_variant_lookup(occupant, "HookPriority", "i", &priority))
                table_add_take(table, g_strdup_printf("%d", priority));
        else
                add_if_any(table, occupant, "Priority");
}

static void add_link(Table *table, GVariant *occupant)
{
        const char *path = NULL;
        uint32_t id;
        BusKind kind;

        if (g_variant_lookup(occupant, "Link", "&o", &path) && resolve_path(path, &kind, &id))
                table_add_number(table, id);
        else
                table_add(table, NULL);
}

/* What else is to be said of it, as far as it isn't what everybody expects. */
static char *remarks(GVariant *occupant)
{
        g_autofree const char **proceed_on = NULL;
        const char *mode = resolve_string(occupant, "Mode");
        const char *flags = resolve_string(occupant, "AttachFlags");
        GString *out = g_string_new(mode);

        if (g_variant_lookup(occupant, "ProceedOn", "^a&s", &proceed_on)) {
                g_autofree char *words = g_strjoinv(",", (char **)proceed_on);

                g_string_append_printf(out, "%sproceeds on %s", out->len ? ", " : "",
                                       *words ? words : "nothing");
        }
        /* As most are */
        if (*flags && !g_str_equal(flags, "multi"))
                g_string_append_printf(out, "%s%s", out->len ? ", " : "", flags);
        if (*resolve_string(occupant, "Route") &&
            resolve_number(occupant, "Table") != RT_TABLE_MAIN)
                g_string_append_printf(out, "table %" PRIu64, resolve_number(occupant, "Table"));
        if (resolve_number(occupant, "Metric") != 0)
                g_string_append_printf(out, "%smetric %" PRIu64, out->len ? ", " : "",
                                       resolve_number(occupant, "Metric"));
        if (resolve_number(occupant, "Inherited"))
                g_string_append_printf(out, "%sof a cgroup above", out->len ? ", " : "");
        return g_string_free(out, FALSE);
}

static void add_row(Table *table, GVariant *occupant)
{
        table_add_take(table, hook_name(occupant));
        table_add_number(table, resolve_number(occupant, "Position"));
        add_priority(table, occupant);
        add_if_any(table, occupant, "ProgramId");
        table_add(table, resolve_string(occupant, "Name"));
        add_link(table, occupant);
        if (resolve_number(occupant, "ProgramId") != 0)
                table_add_take(table, text_user((uint32_t)resolve_number(occupant, "OwnerUid")));
        else
                table_add(table, NULL);
        table_add_take(table, remarks(occupant));
}

static void write_chain(Ctl *ctl, GVariant *occupants)
{
        g_autoptr(Table) table = table_new("HOOK", ">POSITION", ">PRIORITY", ">PROGRAM", "NAME",
                                           ">LINK", "OWNER", "REMARKS", NULL);
        g_auto(GVariantBuilder) builder = G_VARIANT_BUILDER_INIT(G_VARIANT_TYPE("aa{sv}"));
        GVariantIter iter;
        GVariant *occupant;

        g_variant_iter_init(&iter, occupants);
        while ((occupant = g_variant_iter_next_value(&iter))) {
                add_row(table, occupant);
                g_variant_builder_open(&builder, G_VARIANT_TYPE_VARDICT);
                json_add_properties(&builder, occupant);
                g_variant_builder_close(&builder);
                g_variant_unref(occupant);
        }
        if (ctl->json != CTL_JSON_OFF)
                ctl_write_json(ctl, g_variant_builder_end(&builder));
        else
                ctl_write_table(ctl, table, "program", "programs");
}

/* No interface's name has a slash. */
static Option place_of(const char *name)
{
        struct stat st;

        if (!strchr(name, '/'))
                return OPT_INTERFACE;
        return stat(name, &st) == 0 && S_ISCHR(st.st_mode) ? OPT_DEVICE : OPT_CGROUP;
}

CtlExit verb_hook(Ctl *ctl, int argc, char **argv)
{
        const char *netns = options_get(&ctl->options, OPT_NETNS);
        const char *family = options_get(&ctl->options, OPT_FAMILY);
        const char *where = argc > 0 ? argv[0] : netns ?: family;
        g_auto(sd_bus_error) error = SD_BUS_ERROR_NULL;
        g_autoptr(GVariant) reply = NULL, occupants = NULL;
        g_autofree char *reason = NULL;
        GVariant *options;
        g_auto(Hook) hook;

        hook_init(&hook);
        if (!where)
                return ctl_usage(
                        "Say what to show: an interface, a cgroup's directory, a device, --netns, "
                        "or --family");
        hook_take_options(&hook, &ctl->options);
        if (argc > 0)
                hook.values[HOOK_INDEX(place_of(argv[0]))] = g_strdup(argv[0]);
        if (!hook_open(&hook, false, &reason))
                return ctl_fail("%s", reason);
        options = hook_options(&hook, &reason);
        if (!options)
                return ctl_usage("%s", reason);
        if (ctl_call(ctl, BUS_PATH_ROOT, BUS_INTERFACE_MANAGER, "GetHook",
                     g_variant_new_tuple(&options, 1), &error, &reply) < 0)
                return ctl_bus_error(&error, "Can't show what is on '%s'", where);
        if (!g_variant_is_of_type(reply, G_VARIANT_TYPE("(aa{sv})")))
                return ctl_fail("The service's answer isn't what is on a hook");
        occupants = g_variant_get_child_value(reply, 0);
        write_chain(ctl, occupants);
        return CTL_OK;
}
