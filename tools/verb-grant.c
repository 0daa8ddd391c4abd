/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <grp.h>
#include <net/if.h>
#include <pwd.h>
#include <string.h>
#include <unistd.h>

#include "hook.h"
#include "json.h"
#include "resolve.h"
#include "socket.h"
#include "text.h"
#include "verbs.h"
#include "when.h"

/* Words with commas between them, as an "as". */
static GVariant *words(const char *s)
{
        g_auto(GStrv) list = g_strsplit(s, ",", -1);

        return g_variant_new_strv((const char *const *)list, -1);
}

static const struct {
        Option option;
        const char *key; /* of AddGrant() that takes it as it is, or NULL */
} single[] = {
        {OPT_INTERFACE, "interface"},
        {OPT_CGROUP, "cgroup"},
        {OPT_SIGNED_BY, "signed_by"},
        {OPT_VERB, NULL},
        {OPT_UNTIL, NULL},
};

static GVariant *grant_options(Ctl *ctl, char **argv, CtlExit *ret_status)
{
        const char *until = options_get(&ctl->options, OPT_UNTIL);
        const char *verb = options_get(&ctl->options, OPT_VERB);
        g_auto(GVariantDict) dict = G_VARIANT_DICT_INIT(NULL);

        for (size_t i = 0; i < G_N_ELEMENTS(single); i++)
                if (options_count(&ctl->options, single[i].option) > 1) {
                        *ret_status = ctl_usage("--%s is given twice; make it two grants",
                                                options_name(single[i].option));
                        return NULL;
                }
        if (argv[0][0] == '@')
                g_variant_dict_insert(&dict, "group", "s", argv[0] + 1);
        else
                g_variant_dict_insert(&dict, "user", "s", argv[0]);
        g_variant_dict_insert_value(&dict, "types", words(argv[1]));
        if (verb)
                g_variant_dict_insert_value(&dict, "verbs", words(verb));
        for (size_t i = 0; i < G_N_ELEMENTS(single); i++)
                if (single[i].key && options_given(&ctl->options, single[i].option))
                        g_variant_dict_insert(&dict, single[i].key, "s",
                                              options_get(&ctl->options, single[i].option));
        if (until) {
                gint64 usec;

                if (!when_parse(until, g_get_real_time(), &usec)) {
                        *ret_status = ctl_usage("--until=%s: that is no time; it is one like +2h, "
                                                "+1d, \"2026-12-01 18:00\" or 2026-12-01T18:00:00Z",
                                                until);
                        return NULL;
                }
                g_variant_dict_insert(&dict, "until", "t", (guint64)usec);
        }
        return g_variant_dict_end(&dict);
}

CtlExit verb_grant(Ctl *ctl, int argc, char **argv)
{
        g_auto(sd_bus_error) error = SD_BUS_ERROR_NULL;
        g_autoptr(GVariant) reply = NULL;
        CtlExit status = CTL_USAGE;
        const char *id = NULL;
        GVariant *options;

        (void)argc;
        options = grant_options(ctl, argv, &status);
        if (!options)
                return status;
        if (ctl_call(ctl, BUS_PATH_ROOT, BUS_INTERFACE_MANAGER, "AddGrant",
                     g_variant_new_tuple(&options, 1), &error, &reply) < 0)
                return ctl_bus_error(&error, "Can't grant '%s' to '%s'", argv[1], argv[0]);
        if (!g_variant_is_of_type(reply, G_VARIANT_TYPE("(s)")))
                return ctl_fail("The service's answer isn't a grant");
        g_variant_get(reply, "(&s)", &id);
        if (ctl->json != CTL_JSON_OFF) {
                g_auto(GVariantDict) dict = G_VARIANT_DICT_INIT(NULL);

                g_variant_dict_insert(&dict, "id", "s", id);
                ctl_write_json(ctl, g_variant_dict_end(&dict));
        }
        ctl_say(ctl, "Granted as %s.", id);
        return CTL_OK;
}

CtlExit verb_revoke(Ctl *ctl, int argc, char **argv)
{
        CtlExit first = CTL_OK;

        for (int i = 0; i < argc; i++) {
                g_auto(sd_bus_error) error = SD_BUS_ERROR_NULL;
                CtlExit status;

                if (ctl_call(ctl, BUS_PATH_ROOT, BUS_INTERFACE_MANAGER, "RemoveGrant",
                             g_variant_new("(s)", argv[i]), &error, NULL) >= 0)
                        continue;
                status = ctl_bus_error(&error, "Can't revoke '%s'", argv[i]);
                if (first == CTL_OK)
                        first = status;
        }
        return first;
}

/* List */

static char *joined(GVariant *grant, const char *name)
{
        g_autofree const char **list = NULL;

        if (!g_variant_lookup(grant, name, "^a&s", &list))
                return g_strdup("");
        return g_strjoinv(" ", (char **)list);
}

static void add_row(Table *table, const char *id, GVariant *grant)
{
        const char *user = resolve_string(grant, "User"), *group = resolve_string(grant, "Group");
        const char *state = resolve_string(grant, "State"), *error = resolve_string(grant, "Error");
        uint64_t until = resolve_number(grant, "Until");

        table_add(table, id);
        table_add_take(table, *group ? g_strconcat("@", group, NULL) : g_strdup(user));
        table_add_take(table, joined(grant, "Types"));
        table_add_take(table, joined(grant, "Verbs"));
        table_add(table, resolve_string(grant, "Interface"));
        table_add(table, resolve_string(grant, "Cgroup"));
        table_add(table, resolve_string(grant, "SignedBy"));
        table_add_take(table, until ? text_time(until) : NULL);
        table_add_take(table, *error ? g_strconcat(state, ": ", error, NULL) : g_strdup(state));
}

CtlExit verb_grants(Ctl *ctl, int argc, char **argv)
{
        g_autoptr(Table) table = table_new("GRANT", "WHO", "TYPES", "VERBS", "INTERFACE", "CGROUP",
                                           "SIGNED-BY", "UNTIL", "STATE", NULL);
        g_auto(GVariantBuilder) builder = G_VARIANT_BUILDER_INIT(G_VARIANT_TYPE("aa{sv}"));
        g_auto(sd_bus_error) error = SD_BUS_ERROR_NULL;
        g_autoptr(GVariant) reply = NULL, grants = NULL;
        GVariantIter iter;
        const char *id;
        GVariant *grant;

        (void)argc, (void)argv;
        if (ctl_call(ctl, BUS_PATH_ROOT, BUS_INTERFACE_MANAGER, "ListGrants", NULL, &error,
                     &reply) < 0)
                return ctl_bus_error(&error, "Can't list grants");
        if (!g_variant_is_of_type(reply, G_VARIANT_TYPE("(a(sa{sv}))")))
                return ctl_fail("The service's list has a type of its own");
        grants = g_variant_get_child_value(reply, 0);
        g_variant_iter_init(&iter, grants);
        while (g_variant_iter_loop(&iter, "(&s@a{sv})", &id, &grant)) {
                add_row(table, id, grant);
                g_variant_builder_open(&builder, G_VARIANT_TYPE_VARDICT);
                g_variant_builder_add(&builder, "{sv}", "id", g_variant_new_string(id));
                json_add_properties(&builder, grant);
                g_variant_builder_close(&builder);
        }
        if (ctl->json != CTL_JSON_OFF)
                ctl_write_json(ctl, g_variant_builder_end(&builder));
        else
                ctl_write_table(ctl, table, "grant", "grants");
        return CTL_OK;
}

/* What polkit would say */

/*
 * polkit knows people by their processes. So who may become somebody else asks as such, before there
 * is a connection to the bus; there is no way back.
 */
static CtlExit become(const char *name)
{
        struct passwd *user;

        if (geteuid() != 0)
                return ctl_fail(
                        "Only root can ask for others; leave out --user to ask for yourself");
        user = getpwnam(name); /* cppcheck-suppress getpwnamCalled ; there is one thread */
        if (!user)
                return ctl_fail("There is no user '%s'", name);
        if (initgroups(user->pw_name, user->pw_gid) < 0 ||
            setresgid(user->pw_gid, user->pw_gid, user->pw_gid) < 0 ||
            setresuid(user->pw_uid, user->pw_uid, user->pw_uid) < 0)
                return ctl_fail("Can't become user '%s': %m", name);
        return CTL_OK;
}

/* As the service would tell polkit, which has names of interfaces and whole paths. */
static char *as_detail(const Hook *hook, Option option, const char *value)
{
        const char *netns = hook->values[HOOK_INDEX(OPT_NETNS)];
        g_autofree char *reason = NULL;
        char name[IF_NAMESIZE], *text;
        uint64_t index;
        int fd;

        if (option == OPT_INTERFACE && netns) {
                g_autofree char *path = hook_path(OPT_NETNS, netns);

                return g_strdup_printf("%s/%s", path, value);
        }
        if (option == OPT_INTERFACE && if_nametoindex(value) == 0 &&
            text_parse_unsigned(value, UINT32_MAX, &index) && if_indextoname((unsigned)index, name))
                return g_strdup(name);
        if (option == OPT_CGROUP || option == OPT_TARGET || option == OPT_NETNS)
                return hook_path(option, value);
        if (option == OPT_SOCKET && socket_open(value, &fd, &reason)) {
                text = socket_describe(fd);
                close(fd);
                return text;
        }
        return g_strdup(value);
}

static GVariant *details(Ctl *ctl, const Hook *hook)
{
        const char *application = options_get(&ctl->options, OPT_APPLICATION);
        const char *signers = options_get(&ctl->options, OPT_SIGNED_BY);
        g_auto(GVariantBuilder) builder = G_VARIANT_BUILDER_INIT(G_VARIANT_TYPE("a{ss}"));

        for (int i = 0; i < HOOK_VALUES; i++) {
                g_autofree char *value =
                        hook->values[i] ? as_detail(hook, OPT_INTERFACE + i, hook->values[i])
                                        : NULL;

                if (value)
                        g_variant_builder_add(&builder, "{ss}", options_name(OPT_INTERFACE + i),
                                              value);
        }
        if (application)
                g_variant_builder_add(&builder, "{ss}", "application", application);
        if (signers)
                g_variant_builder_add(&builder, "{ss}", "signed_by", signers);
        return g_variant_builder_end(&builder);
}

static CtlExit read_hook(Ctl *ctl, int argc, char **argv, Hook *hook)
{
        g_auto(sd_bus_error) error = SD_BUS_ERROR_NULL;
        g_autoptr(GVariant) types = NULL, row = NULL;
        g_autofree char *reason = NULL;

        hook_take_options(hook, &ctl->options);
        if (argc == 2)
                return CTL_OK;
        if (strcmp(argv[0], "attach") != 0)
                return ctl_usage("'%s' is too much: only attach takes a place", argv[2]);
        if (ctl_get(ctl, BUS_PATH_ROOT, BUS_INTERFACE_MANAGER, "ProgramTypes", &error, &types) < 0)
                return ctl_bus_error(&error, "Can't read the program types");
        if (g_variant_is_of_type(types, G_VARIANT_TYPE("a{sa{sv}}")))
                row = g_variant_lookup_value(types, argv[1], G_VARIANT_TYPE_VARDICT);
        if (row && !hook_take_arguments(hook, argv[1], row, argc - 2, argv + 2, &reason))
                return ctl_usage("%s", reason);
        return CTL_OK;
}

static void say_verdict(Ctl *ctl, const char *verdict, GVariant *reasons, const char *what)
{
        g_autofree char *grants = joined(reasons, "Grants");
        g_autofree char *elsewhere = joined(reasons, "Elsewhere");
        g_autofree char *not_signed = joined(reasons, "NotSigned");
        g_autofree char *expired = joined(reasons, "Expired");
        const char *user = resolve_string(reasons, "User");
        const char *action = resolve_string(reasons, "Action");
        bool yes = strcmp(verdict, "yes") == 0;

        if (yes && strcmp(user, "root") == 0)
                ctl_say(ctl, "Yes: root may %s, and everything else.", what);
        else if (yes)
                ctl_say(ctl, "Yes: %s may %s%s%s.", user, what,
                        *grants ? ", by grant "
                                : ", by a rule of polkit's or by a password typed "
                                  "lately",
                        grants);
        else if (strcmp(verdict, "challenge") == 0)
                ctl_say(ctl, "No: %s may %s only after a password (action %s).", user, what,
                        action);
        else
                ctl_say(ctl, "No: polkit doesn't let %s %s (action %s).", user, what, action);

        if (!yes && *grants)
                ctl_say(ctl,
                        "Grant %s covers it, but polkit says otherwise: by a rule that comes "
                        "before, "
                        "or because this session is older than the membership of the group.",
                        grants);
        if (!yes && *elsewhere)
                ctl_say(ctl, "Grant %s covers other places than this one.", elsewhere);
        if (!yes && *not_signed)
                ctl_say(ctl, "Grant %s covers it only if it is signed by whom the grant names.",
                        not_signed);
        if (!yes && *expired)
                ctl_say(ctl, "Grant %s covered it, but has ended.", expired);
}

CtlExit verb_can(Ctl *ctl, int argc, char **argv)
{
        const char *user = options_get(&ctl->options, OPT_USER), *verdict = NULL;
        g_auto(sd_bus_error) error = SD_BUS_ERROR_NULL;
        g_autoptr(GVariant) reply = NULL, reasons = NULL;
        g_autofree char *what = NULL;
        CtlExit status = CTL_OK;
        g_auto(Hook) hook;

        hook_init(&hook);
        if (user)
                status = become(user);
        if (status == CTL_OK)
                status = read_hook(ctl, argc, argv, &hook);
        if (status != CTL_OK)
                return status;
        if (ctl_call(ctl, BUS_PATH_ROOT, BUS_INTERFACE_MANAGER, "CheckAuthorization",
                     g_variant_new("(ss@a{ss})", argv[0], argv[1], details(ctl, &hook)), &error,
                     &reply) < 0)
                return ctl_bus_error(&error, "Can't tell whether %s %s is allowed", argv[0],
                                     argv[1]);
        if (!g_variant_is_of_type(reply, G_VARIANT_TYPE("(sa{sv})")))
                return ctl_fail("The service's answer is no verdict");
        g_variant_get(reply, "(&s@a{sv})", &verdict, &reasons);
        what = g_strdup_printf("%s %s programs%s", argv[0], argv[1],
                               strcmp(argv[0], "attach") == 0 ? " there" : "");
        if (ctl->json != CTL_JSON_OFF) {
                g_auto(GVariantBuilder) builder = G_VARIANT_BUILDER_INIT(G_VARIANT_TYPE_VARDICT);

                g_variant_builder_add(&builder, "{sv}", "verdict", g_variant_new_string(verdict));
                json_add_properties(&builder, reasons);
                ctl_write_json(ctl, g_variant_builder_end(&builder));
        }
        say_verdict(ctl, verdict, reasons, what);
        return strcmp(verdict, "yes") == 0 ? CTL_OK : CTL_REFUSED;
}
