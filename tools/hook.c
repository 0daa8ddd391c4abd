/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "hook.h"

#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <linux/rtnetlink.h>

#include "resolve.h"
#include "socket.h"
#include "target.h"
#include "text.h"

static const char kinds[HOOK_VALUES] = {
#define OPTION(id, option, form, summary, kind) [HOOK_INDEX(OPT_##id)] = (kind),
        HOOK_OPTIONS(OPTION)
#undef OPTION
};

/* What may stand without an option's name: the first that a type takes, then the direction. */
static const struct {
        Option option;
        const char *form;
} places[] = {
        {OPT_INTERFACE, "IFACE"},
        {OPT_CGROUP, "CGROUP-DIRECTORY"},
        {OPT_TARGET, "FILE[:SYMBOL[+OFFSET]]"},
        {OPT_TRACEPOINT, "TRACEPOINT"},
        {OPT_EVENT, "EVENT"},
        {OPT_FUNCTION, "FUNCTION[+OFFSET]"},
        {OPT_FUNCTIONS, "FUNCTION|PATTERN[,…]"},
        {OPT_DEVICE, "DEVICE"},
        {OPT_SOCKET, "FD"},
};

void hook_init(Hook *hook)
{
        *hook = (Hook){0};
        for (int i = 0; i < HOOK_VALUES; i++)
                hook->fds[i] = -1;
}

void hook_clear(Hook *hook)
{
        for (int i = 0; i < HOOK_VALUES; i++) {
                g_clear_pointer(&hook->values[i], g_free);
                if (hook->fds[i] >= 0)
                        (void)close(hook->fds[i]);
        }
        hook_init(hook);
}

static char **slot(Hook *hook, Option option)
{
        return &hook->values[HOOK_INDEX(option)];
}

void hook_take_options(Hook *hook, const Options *options)
{
        for (int i = 0; i < HOOK_VALUES; i++) {
                g_free(hook->values[i]);
                hook->values[i] = g_strdup(options_get(options, OPT_INTERFACE + i));
        }
}

/* As the bus has the option: the command line writes a hyphen for its underscore. */
static char *bus_name(Option option)
{
        return g_strdelimit(g_strdup(options_name(option)), "-", '_');
}

static bool list_has(GVariant *row, const char *list, const char *name)
{
        g_autofree const char **names = NULL;

        return row && g_variant_lookup(row, list, "^a&s", &names) && g_strv_contains(names, name);
}

static bool takes(GVariant *row, Option option)
{
        g_autofree char *name = bus_name(option);

        return list_has(row, "Required", name) || list_has(row, "Optional", name);
}

/* The place for the first argument, or -1 */
static int first_place(GVariant *row)
{
        for (size_t i = 0; i < G_N_ELEMENTS(places); i++)
                if (takes(row, places[i].option))
                        return (int)i;
        return -1;
}

char *hook_arguments(GVariant *row)
{
        int place = first_place(row);

        if (place < 0)
                return g_strdup("");
        if (places[place].option == OPT_TARGET && takes(row, OPT_TRACEPOINT))
                return g_strdup("FILE[:PROVIDER:NAME]");
        return g_strconcat(places[place].form, takes(row, OPT_DIRECTION) ? " ingress|egress" : NULL,
                           NULL);
}

static bool takes_anything(GVariant *row)
{
        for (Option option = OPT_INTERFACE; option < OPT_INTERFACE + HOOK_VALUES; option++)
                if (takes(row, option))
                        return true;
        return false;
}

/* The arguments, and the options that are needed beside them unless the section says as much */
static char *hook_form(GVariant *row)
{
        g_autofree char *arguments = hook_arguments(row);
        const int place = first_place(row);
        GString *form = g_string_new(arguments);

        for (Option option = OPT_INTERFACE; option < OPT_INTERFACE + HOOK_VALUES; option++) {
                g_autofree char *name = bus_name(option);

                if (list_has(row, "Required", name) && option != OPT_DIRECTION &&
                    (place < 0 || option != places[place].option) &&
                    !(option == OPT_TRACEPOINT && takes(row, OPT_TARGET)))
                        g_string_append_printf(form, "%s--%s=…", form->len > 0 ? " " : "",
                                               options_name(option));
        }
        return g_string_free(form, FALSE);
}

static bool set(Hook *hook, Option option, char *value, char **reterr)
{
        g_autofree char *owned = value;
        char **where = slot(hook, option);

        if (*where) {
                *reterr = g_strdup_printf("The %s is given twice: '%s' and '%s'",
                                          options_name(option), *where, value);
                return false;
        }
        *where = g_steal_pointer(&owned);
        return true;
}

/* "SYMBOL+OFFSET", or for uprobes an offset alone */
static bool set_location(Hook *hook, const char *s, bool bare_offset, char **reterr)
{
        const char *plus = strrchr(s, '+');

        if (bare_offset && g_ascii_isdigit(s[0]))
                return set(hook, OPT_OFFSET, g_strdup(s), reterr);
        if (plus && plus > s)
                return set(hook, OPT_FUNCTION, g_strndup(s, (size_t)(plus - s)), reterr) &&
                       set(hook, OPT_OFFSET, g_strdup(plus + 1), reterr);
        return set(hook, OPT_FUNCTION, g_strdup(s), reterr);
}

static bool set_target(Hook *hook, const char *s, bool many, char **reterr)
{
        /* The last colon: a path may have one, a symbol has none. */
        const char *colon = strrchr(s, ':');

        if (!colon || colon == s || strchr(colon, '/'))
                return set(hook, OPT_TARGET, g_strdup(s), reterr);
        if (!set(hook, OPT_TARGET, g_strndup(s, (size_t)(colon - s)), reterr))
                return false;
        return many ? set(hook, OPT_FUNCTIONS, g_strdup(colon + 1), reterr)
                    : set_location(hook, colon + 1, true, reterr);
}

/* The colon before what is looked for in a target: that before a static probe's provider, or the last. */
static const char *find_colon(const char *s, bool static_probe)
{
        const char *colon = strrchr(s, ':');

        return colon && static_probe ? memrchr(s, ':', (size_t)(colon - s)) : colon;
}

/* "FILE:PROVIDER:NAME", or as much of it as is said */
static bool set_static_probe(Hook *hook, const char *s, char **reterr)
{
        const char *colon = find_colon(s, true);

        if (!colon || colon == s || strchr(colon, '/'))
                return set(hook, OPT_TARGET, g_strdup(s), reterr);
        return set(hook, OPT_TARGET, g_strndup(s, (size_t)(colon - s)), reterr) &&
               set(hook, OPT_TRACEPOINT, g_strdup(colon + 1), reterr);
}

static bool is_direction(const char *s)
{
        return strcmp(s, "ingress") == 0 || strcmp(s, "egress") == 0;
}

bool hook_take_arguments(Hook *hook, const char *type, GVariant *row, int argc, char *const *argv,
                         char **reterr)
{
        int place = first_place(row);
        int used = 0;
        bool ok = true;

        if (argc > used && place >= 0) {
                const char *s = argv[used++];

                switch (places[place].option) {
                case OPT_TARGET:
                        ok = takes(row, OPT_TRACEPOINT)
                                     ? set_static_probe(hook, s, reterr)
                                     : set_target(hook, s, takes(row, OPT_FUNCTIONS), reterr);
                        break;
                case OPT_FUNCTION:
                        ok = set_location(hook, s, false, reterr);
                        break;
                default:
                        ok = set(hook, places[place].option, g_strdup(s), reterr);
                }
        }
        if (ok && argc > used && takes(row, OPT_DIRECTION)) {
                if (!is_direction(argv[used])) {
                        *reterr = g_strdup_printf("'%s' is no direction: it is ingress or egress",
                                                  argv[used]);
                        return false;
                }
                ok = set(hook, OPT_DIRECTION, g_strdup(argv[used++]), reterr);
        }
        /* What nobody attaches here, the service tells who does. */
        if (ok && argc > used && (!row || takes_anything(row))) {
                g_autofree char *form = hook_form(row);

                *reterr = g_strdup_printf("'%s' is too much: a %s program is attached with "
                                          "\"attach PROGRAM%s%s\"",
                                          argv[used], type, *form ? " " : "", form);
                return false;
        }
        return ok;
}

void hook_take_section(Hook *hook, GVariant *row, const char *section)
{
        const char *begin, *colon;

        if (*slot(hook, OPT_TARGET) || !takes(row, OPT_TARGET))
                return;
        /* "uprobe//usr/bin/foo:main" and "uprobe/libc.so.6:malloc": what means the same in every
         * directory, an absolute path or the name of a library. */
        begin = strchr(section, '/');
        colon = find_colon(section, takes(row, OPT_TRACEPOINT));
        if (!begin || !colon || colon <= begin + 1)
                return;
        if (begin[1] == '/' ? colon > begin + 2
                            : !memchr(begin + 1, '/', (size_t)(colon - begin - 1)))
                *slot(hook, OPT_TARGET) = g_strndup(begin + 1, (size_t)(colon - begin - 1));
}

static bool open_path(const char *path, int flags, int *ret, char **reterr)
{
        *ret = open(path, O_CLOEXEC | O_NOCTTY | flags);
        if (*ret < 0)
                *reterr = g_strdup_printf("Can't open '%s': %s", path, g_strerror(errno));
        return *ret >= 0;
}

/* As ip(8) has it, a network namespace's name is a file in /run/netns. */
static char *file_path(Option option, const char *value)
{
        return option == OPT_NETNS && !strchr(value, '/') ? g_strconcat("/run/netns/", value, NULL)
                                                          : g_strdup(value);
}

char *hook_path(Option option, const char *value)
{
        g_autofree char *path =
                option == OPT_TARGET ? target_path(value) : file_path(option, value);
        char *real = realpath(path, NULL);
        char *copy = real ? g_strdup(real) : g_canonicalize_filename(path, NULL);

        free(real);
        return copy;
}

/* A number may be another process's by the time that the service looks. A thread's, too, is sent as it is. */
static bool open_process(Hook *hook, char **reterr)
{
        const char *number = *slot(hook, OPT_PID);
        int64_t pid;
        int fd;

        if (!number || !text_parse_signed(number, 1, INT32_MAX, &pid))
                return true;
        fd = (int)syscall(SYS_pidfd_open, (pid_t)pid, 0);
        if (fd < 0 && errno == ESRCH) {
                *reterr = g_strdup_printf("There is no process %s", number);
                return false;
        }
        hook->fds[HOOK_INDEX(OPT_PID)] = fd;
        return true;
}

bool hook_open(Hook *hook, bool is_changed, char **reterr)
{
        if (!open_process(hook, reterr))
                return false;
        for (int i = 0; i < HOOK_VALUES; i++) {
                int flags = i == HOOK_INDEX(OPT_CGROUP) ? O_RDONLY | O_DIRECTORY
                            : i == HOOK_INDEX(OPT_DEVICE)
                                    ? (is_changed ? O_RDWR : O_RDONLY) | O_NONBLOCK
                                    : O_RDONLY;
                g_autofree char *path = NULL;

                if (kinds[i] != 'h' || !hook->values[i])
                        continue;
                if (i == HOOK_INDEX(OPT_TARGET)) {
                        if (!target_open(hook->values[i], *slot(hook, OPT_PID),
                                         hook->fds[HOOK_INDEX(OPT_PID)], &hook->fds[i], reterr))
                                return false;
                        continue;
                }
                if (i == HOOK_INDEX(OPT_SOCKET)) {
                        if (!socket_open(hook->values[i], &hook->fds[i], reterr))
                                return false;
                        continue;
                }
                path = file_path(OPT_INTERFACE + i, hook->values[i]);
                if (!open_path(path, flags, &hook->fds[i], reterr))
                        return false;
        }
        return true;
}

/* An index where it can't be a name: digits that no interface is called, or nobody here could tell. */
static GVariant *interface_value(const Hook *hook, const char *s)
{
        const bool elsewhere = hook->values[HOOK_INDEX(OPT_NETNS)];
        uint64_t index;

        if (text_parse_unsigned(s, UINT32_MAX, &index) && (elsewhere || if_nametoindex(s) == 0))
                return g_variant_new_uint32((guint32)index);
        return g_variant_new_string(s);
}

static GVariant *numbers_value(const char *s)
{
        g_auto(GVariantBuilder) builder = G_VARIANT_BUILDER_INIT(G_VARIANT_TYPE("at"));
        g_auto(GStrv) list = g_strsplit(s, ",", -1);
        uint64_t u;

        for (char **p = list; *p; p++) {
                if (!text_parse_unsigned(*p, UINT64_MAX, &u))
                        return NULL;
                g_variant_builder_add(&builder, "t", u);
        }
        return g_variant_builder_end(&builder);
}

static GVariant *texts_value(const char *s)
{
        g_auto(GStrv) list = g_strsplit(s, ",", -1);

        return g_variant_new_strv((const char *const *)list, -1);
}

/* "pass,drop"; "none" is the empty list, which an option of the shell shows badly. */
static GVariant *words_value(const char *s)
{
        g_auto(GStrv) words = g_strsplit(strcmp(s, "none") == 0 ? "" : s, ",", -1);

        return g_variant_new_strv((const char *const *)words, -1);
}

static GVariant *to_value(const Hook *hook, int i, char **reterr)
{
        const char *s = hook->values[i];
        GVariant *list;
        uint64_t u;
        int64_t n;

        switch (kinds[i]) {
        case 'h':
                return g_variant_new_handle(hook->fds[i]);
        case 'u':
                if (text_parse_unsigned(s, UINT32_MAX, &u))
                        return g_variant_new_uint32((guint32)u);
                break;
        case 't':
                if (text_parse_unsigned(s, UINT64_MAX, &u))
                        return g_variant_new_uint64(u);
                break;
        case 'W':
                return words_value(s);
        case 'p':
                if (hook->fds[i] >= 0)
                        return g_variant_new_handle(hook->fds[i]);
                G_GNUC_FALLTHROUGH;
        case 'i':
                if (text_parse_signed(s, INT32_MIN, INT32_MAX, &n))
                        return g_variant_new_int32((gint32)n);
                break;
        case 'o':
        case 'm':
                return g_variant_new_object_path(s);
        case 'T':
                list = numbers_value(s);
                if (list)
                        return list;
                break;
        case 'S':
                return texts_value(s);
        case 'n':
                return interface_value(hook, s);
        default:
                return g_variant_new_string(s);
        }
        *reterr = g_strdup_printf("The %s '%s' isn't a number that it can be",
                                  options_name(OPT_INTERFACE + i), s);
        return NULL;
}

GVariant *hook_options(const Hook *hook, char **reterr)
{
        g_auto(GVariantBuilder) builder = G_VARIANT_BUILDER_INIT(G_VARIANT_TYPE_VARDICT);

        for (int i = 0; i < HOOK_VALUES; i++) {
                g_autofree char *name = bus_name(OPT_INTERFACE + i);
                GVariant *value;

                if (!hook->values[i])
                        continue;
                value = to_value(hook, i, reterr);
                if (!value)
                        return NULL;
                g_variant_builder_add(&builder, "{sv}", name, value);
        }
        return g_variant_builder_end(&builder);
}

static void add(GString *out, const char *format, ...) G_GNUC_PRINTF(2, 3);
static void add(GString *out, const char *format, ...)
{
        va_list ap;

        if (out->len)
                g_string_append(out, ", ");
        va_start(ap, format);
        g_string_append_vprintf(out, format, ap);
        va_end(ap);
}

/* What runs next is worth a word where it isn't what everybody expects. */
static void add_proceed_on(GString *out, GVariant *properties)
{
        const char *sharing = resolve_string(properties, "Sharing");
        const char *expected = strcmp(sharing, "libxdp") == 0 ? "pass" : "";
        g_autofree const char **actions = NULL;
        g_autofree char *joined = NULL;

        if ((*expected == '\0' && strcmp(sharing, "dispatcher") != 0) ||
            !g_variant_lookup(properties, "ProceedOn", "^a&s", &actions))
                return;
        joined = g_strjoinv("|", (char **)actions);
        if (strcmp(joined, expected) != 0)
                add(out, "proceed on %s", *joined ? joined : "none");
}

/* Whose key, 0, is as good as any. */
static bool is_in_map_entry(const char *type)
{
        return g_str_equal(type, "xdp_devmap") || g_str_equal(type, "xdp_cpumap");
}

/* The table and the metric, where they aren't what they mostly are. */
static void add_route(GString *out, GVariant *properties)
{
        const uint64_t table = resolve_number(properties, "Table");
        const uint64_t metric = resolve_number(properties, "Metric");
        const char *route = resolve_string(properties, "Route");

        if (!*route)
                return;
        add(out, "%s", route);
        if (table != RT_TABLE_MAIN)
                add(out, "table %" PRIu64, table);
        if (metric > 0)
                add(out, "metric %" PRIu64, metric);
}

char *hook_describe(GVariant *properties)
{
        static const char *const strings[] = {"Interface", "Cgroup",   "Target", "Tracepoint",
                                              "Event",     "Function", "Device"};
        GString *out = g_string_new(NULL);
        const char *direction = resolve_string(properties, "Direction");
        const char *mode = resolve_string(properties, "Mode");
        const char *flags = resolve_string(properties, "AttachFlags");
        const char *netns = resolve_string(properties, "Netns");
        uint64_t offset = resolve_number(properties, "Offset");
        uint64_t cookie = resolve_number(properties, "Cookie");
        g_autofree const char **functions = NULL;
        gint32 cpu = -1, pid = 0;

        for (size_t i = 0; i < G_N_ELEMENTS(strings); i++) {
                const char *s = resolve_string(properties, strings[i]);

                if (!*s)
                        continue;
                /* A function of a target, as uprobes are written everywhere. */
                if (strcmp(strings[i], "Function") == 0 && *resolve_string(properties, "Target"))
                        g_string_append_printf(out, ":%s", s);
                else
                        add(out, "%s", s);
                if (strcmp(strings[i], "Interface") == 0 && *netns)
                        g_string_append_printf(out, " in %s", netns);
        }
        add_route(out, properties);
        if (*netns && !*resolve_string(properties, "Interface"))
                add(out, "%s", netns);
        (void)g_variant_lookup(properties, "Functions", "^a&s", &functions);
        for (size_t i = 0; functions && functions[i]; i++)
                add(out, "%s", functions[i]);
        if (resolve_number(properties, "TargetProgramId") > 0)
                g_string_append_printf(out, " of program %" PRIu64,
                                       resolve_number(properties, "TargetProgramId"));
        if (offset > 0)
                g_string_append_printf(out, "+0x%" PRIx64, offset);
        if (*resolve_string(properties, "Hook"))
                add(out, "%s", resolve_string(properties, "Hook"));
        if (*resolve_string(properties, "Family"))
                add(out, "%s", resolve_string(properties, "Family"));
        if (resolve_number(properties, "Index") > 0)
                add(out, "index %" PRIu64, resolve_number(properties, "Index"));
        if (resolve_number(properties, "TargetMapId") > 0)
                add(out, "map %" PRIu64, resolve_number(properties, "TargetMapId"));
        if (is_in_map_entry(resolve_string(properties, "Type")))
                add(out, "entry %" PRIu64, resolve_number(properties, "Key"));
        if (*direction)
                add(out, "%s", direction);
        if (resolve_number(properties, "Priority") > 0)
                add(out, "priority %" PRIu64, resolve_number(properties, "Priority"));
        if (*mode)
                add(out, "%s", mode);
        /* As most are */
        if (*flags && !g_str_equal(flags, "multi"))
                add(out, "%s", flags);
        add_proceed_on(out, properties);
        (void)g_variant_lookup(properties, "Pid", "i", &pid);
        (void)g_variant_lookup(properties, "Cpu", "i", &cpu);
        if (pid > 0)
                add(out, "pid %d", pid);
        /* Links of types that know no CPU have 0 or -1 there. */
        if (*resolve_string(properties, "Event") && cpu >= 0)
                add(out, "cpu %d", cpu);
        if (cookie > 0)
                add(out, "cookie %" PRIu64, cookie);
        return g_string_free(out, FALSE);
}
