/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>

#include "hook.h"
#include "json.h"
#include "resolve.h"
#include "socket.h"
#include "verbs.h"

/* An id or a name in place of an object path */
static CtlExit resolve_option(Ctl *ctl, BusKind kind, Hook *hook, Option option)
{
        char **value = &hook->values[HOOK_INDEX(option)];
        g_autofree char *path = NULL;
        CtlExit status;

        if (!*value)
                return CTL_OK;
        status = resolve(ctl, kind, *value, &path);
        if (status == CTL_OK) {
                g_free(*value);
                *value = g_steal_pointer(&path);
        }
        return status;
}

/* A program by its name or id is a neighbour as well as "program:42". */
static CtlExit name_neighbour(Ctl *ctl, char **text)
{
        g_autofree char *path = NULL;
        uint32_t id = 0;
        CtlExit status;

        if (!*text || strchr(*text, ':'))
                return CTL_OK;
        status = resolve(ctl, BUS_PROGRAM, *text, &path);
        if (status != CTL_OK)
                return status;
        (void)bus_path_parse(path, BUS_PROGRAM, &id);
        g_free(*text);
        *text = g_strdup_printf("program:%u", id);
        return CTL_OK;
}

static CtlExit take_options(Ctl *ctl, Hook *hook)
{
        CtlExit status = CTL_OK;

        hook_take_options(hook, &ctl->options);
        for (Option o = OPT_BEFORE; status == CTL_OK && o <= OPT_AFTER; o++)
                status = name_neighbour(ctl, &hook->values[HOOK_INDEX(o)]);
        return status;
}

/* What the command line says, with the help of what the service knows of the program. */
static CtlExit read_hook(Ctl *ctl, GVariant *program, int argc, char **argv, Hook *hook)
{
        g_auto(sd_bus_error) error = SD_BUS_ERROR_NULL;
        const char *type = resolve_string(program, "Type");
        g_autoptr(GVariant) types = NULL, row = NULL;
        g_autofree char *reason = NULL;
        CtlExit status;

        if (ctl_get(ctl, BUS_PATH_ROOT, BUS_INTERFACE_MANAGER, "ProgramTypes", &error, &types) < 0)
                return ctl_bus_error(&error, "Can't read the program types");
        if (g_variant_is_of_type(types, G_VARIANT_TYPE("a{sa{sv}}")))
                row = g_variant_lookup_value(types, type, G_VARIANT_TYPE_VARDICT);

        status = take_options(ctl, hook);
        if (status == CTL_OK)
                status = resolve_option(ctl, BUS_PROGRAM, hook, OPT_TARGET_PROGRAM);
        if (status == CTL_OK)
                status = resolve_option(ctl, BUS_MAP, hook, OPT_TARGET_MAP);
        if (status != CTL_OK)
                return status;
        if (!hook_take_arguments(hook, type, row, argc, argv, &reason))
                return ctl_usage("%s", reason);
        hook_take_section(hook, row, resolve_string(program, "Section"));
        return hook_open(hook, true, &reason) ? CTL_OK : ctl_fail("%s", reason);
}

/* Which link it is; false where nothing more is to be said of it, in words. */
static bool print_id(Ctl *ctl, const char *path, uint32_t *ret_id)
{
        GVariantBuilder builder;

        *ret_id = 0;
        (void)bus_path_parse(path, BUS_LINK, ret_id);
        if (ctl->json == CTL_JSON_OFF)
                return !ctl->quiet;
        g_variant_builder_init(&builder, G_VARIANT_TYPE_VARDICT);
        g_variant_builder_add(&builder, "{sv}", "id", g_variant_new_uint32(*ret_id));
        g_variant_builder_add(&builder, "{sv}", "path", g_variant_new_string(path));
        ctl_write_json(ctl, g_variant_builder_end(&builder));
        return false;
}

static void print_link(Ctl *ctl, const char *program, const char *path)
{
        g_auto(sd_bus_error) error = SD_BUS_ERROR_NULL;
        g_autoptr(GVariant) link = NULL;
        g_autofree char *where = NULL;
        uint32_t id;

        if (!print_id(ctl, path, &id))
                return;
        /* It may be detached by now: that it was attached is true all the same. */
        if (ctl_get_all(ctl, path, bus_interface(BUS_LINK), &error, &link) >= 0)
                where = hook_describe(link);
        ctl_say(ctl, "Attached %s%s%s as link %u.", program, where && *where ? " to " : "",
                where ? where : "", id);
}

/* What a socket has been given is no link. */
static void print_socket(Ctl *ctl, const char *program, int fd)
{
        g_autofree char *socket = socket_describe(fd);
        GVariantBuilder builder;

        if (ctl->json == CTL_JSON_OFF) {
                ctl_say(ctl, "Attached %s to %s, which holds it.", program, socket);
                return;
        }
        g_variant_builder_init(&builder, G_VARIANT_TYPE_VARDICT);
        g_variant_builder_add(&builder, "{sv}", "socket", g_variant_new_string(socket));
        ctl_write_json(ctl, g_variant_builder_end(&builder));
}

CtlExit verb_attach(Ctl *ctl, int argc, char **argv)
{
        g_auto(sd_bus_error) error = SD_BUS_ERROR_NULL;
        g_autoptr(GVariant) program = NULL, reply = NULL;
        g_autofree char *path = NULL, *reason = NULL;
        const char *link = NULL;
        GVariant *options;
        g_auto(Hook) hook;
        CtlExit status;

        hook_init(&hook);
        status = resolve(ctl, BUS_PROGRAM, argv[0], &path);
        if (status != CTL_OK)
                return status;
        if (ctl_get_all(ctl, path, bus_interface(BUS_PROGRAM), &error, &program) < 0)
                return ctl_bus_error(&error, "Can't attach program '%s'", argv[0]);
        status = read_hook(ctl, program, argc - 1, argv + 1, &hook);
        if (status != CTL_OK)
                return status;
        options = hook_options(&hook, &reason);
        if (!options)
                return ctl_usage("%s", reason);

        if (ctl_call(ctl, path, bus_interface(BUS_PROGRAM), "Attach",
                     g_variant_new_tuple(&options, 1), &error, &reply) < 0)
                return ctl_bus_error(&error, "Can't attach program '%s'", argv[0]);
        if (!g_variant_is_of_type(reply, G_VARIANT_TYPE("(o)")))
                return ctl_fail("The service's answer isn't a link");
        g_variant_get(reply, "(&o)", &link);
        if (strcmp(link, "/") == 0)
                print_socket(ctl, resolve_string(program, "Name"),
                             hook.fds[HOOK_INDEX(OPT_SOCKET)]);
        else
                print_link(ctl, resolve_string(program, "Name"), link);
        return CTL_OK;
}

/* Calls a method on each, with @options if there are any; the first failure is the status. */
static CtlExit each(Ctl *ctl, BusKind kind, const char *method, GVariant *options, const char *what,
                    int argc, char **argv)
{
        CtlExit first = CTL_OK;

        for (int i = 0; i < argc; i++) {
                g_auto(sd_bus_error) error = SD_BUS_ERROR_NULL;
                g_autofree char *path = NULL;
                CtlExit status = resolve(ctl, kind, argv[i], &path);

                if (status == CTL_OK &&
                    ctl_call(ctl, path, bus_interface(kind), method,
                             options ? g_variant_new_tuple(&options, 1) : NULL, &error, NULL) < 0)
                        status = ctl_bus_error(&error, "Can't %s '%s'", what, argv[i]);
                if (first == CTL_OK)
                        first = status;
        }
        return first;
}

/* The device that a link is on, opened by its path, where that still leads there; NULL: it doesn't. */
static GVariant *find_device(Ctl *ctl, const char *path, Hook *hook)
{
        g_auto(sd_bus_error) error = SD_BUS_ERROR_NULL;
        g_autoptr(GVariant) link = NULL;
        g_autofree char *reason = NULL;
        const char *device;
        struct stat st;

        if (ctl_get_all(ctl, path, bus_interface(BUS_LINK), &error, &link) < 0)
                return NULL;
        device = resolve_string(link, "Device");
        if (*device != '/')
                return NULL;
        hook->values[HOOK_INDEX(OPT_DEVICE)] = g_strdup(device);
        if (!hook_open(hook, true, &reason) || fstat(hook->fds[HOOK_INDEX(OPT_DEVICE)], &st) < 0 ||
            !S_ISCHR(st.st_mode) || st.st_rdev != resolve_number(link, "DeviceNumber"))
                return NULL;
        return hook_options(hook, &reason);
}

/* The service lacks the device's descriptor where it was started anew and nobody kept it meanwhile. */
static CtlExit detach(Ctl *ctl, const char *name)
{
        g_auto(sd_bus_error) error = SD_BUS_ERROR_NULL;
        g_autofree char *path = NULL;
        GVariant *options = NULL;
        g_auto(Hook) hook;
        CtlExit status;
        int r;

        hook_init(&hook);
        status = resolve(ctl, BUS_LINK, name, &path);
        if (status != CTL_OK)
                return status;
        r = ctl_call(ctl, path, bus_interface(BUS_LINK), "Detach", NULL, &error, NULL);
        if (r < 0 && bus_error_code(error.name) == BPFKEEPER_ERROR_NOT_SUPPORTED)
                options = find_device(ctl, path, &hook);
        if (options) {
                sd_bus_error_free(&error);
                r = ctl_call(ctl, path, bus_interface(BUS_LINK), "DetachWithOptions",
                             g_variant_new_tuple(&options, 1), &error, NULL);
        }
        return r < 0 ? ctl_bus_error(&error, "Can't detach link '%s'", name) : CTL_OK;
}

static CtlExit detach_each(Ctl *ctl, int argc, char **argv)
{
        CtlExit first = CTL_OK;

        for (int i = 0; i < argc; i++) {
                CtlExit status = detach(ctl, argv[i]);

                if (first == CTL_OK)
                        first = status;
        }
        return first;
}

CtlExit verb_detach(Ctl *ctl, int argc, char **argv)
{
        g_autofree char *reason = NULL;
        g_autoptr(GVariant) options = NULL;
        g_auto(Hook) hook;

        hook_init(&hook);
        if (!options_given(&ctl->options, OPT_NETNS) && !options_given(&ctl->options, OPT_DEVICE))
                return detach_each(ctl, argc, argv);
        hook_take_options(&hook, &ctl->options);
        if (!hook_open(&hook, true, &reason))
                return ctl_fail("%s", reason);
        options = hook_options(&hook, &reason);
        if (!options)
                return ctl_usage("%s", reason);
        g_variant_ref_sink(options);
        return each(ctl, BUS_LINK, "DetachWithOptions", options, "detach link", argc, argv);
}

CtlExit verb_unload(Ctl *ctl, int argc, char **argv)
{
        return each(ctl, BUS_PROGRAM, "Unload", NULL, "unload program", argc, argv);
}

/* The file that a uprobe's link is in, unless it is named: the service keeps none open. */
static CtlExit find_target(Ctl *ctl, const char *path, Hook *hook)
{
        g_auto(sd_bus_error) error = SD_BUS_ERROR_NULL;
        g_autoptr(GVariant) link = NULL;
        const char *target;

        if (hook->values[HOOK_INDEX(OPT_TARGET)])
                return CTL_OK;
        if (ctl_get_all(ctl, path, bus_interface(BUS_LINK), &error, &link) < 0)
                return ctl_bus_error(&error, "Can't look at link %s", path);
        target = resolve_string(link, "Target");
        if (*target == '/')
                hook->values[HOOK_INDEX(OPT_TARGET)] = g_strdup(target);
        return CTL_OK;
}

/* What came of it, unless it has been detached by now. */
static void print_changed(Ctl *ctl, const char *path)
{
        g_auto(sd_bus_error) error = SD_BUS_ERROR_NULL;
        g_autoptr(GVariant) link = NULL;
        g_autofree char *where = NULL;
        uint32_t id;

        if (!print_id(ctl, path, &id) ||
            ctl_get_all(ctl, path, bus_interface(BUS_LINK), &error, &link) < 0)
                return;
        where = hook_describe(link);
        ctl_say(ctl, "Link %u is %s, program %" PRIu64 "%s%s.", id,
                resolve_string(link, "ProgramName"), resolve_number(link, "ProgramId"),
                *where ? ", on " : "", where);
}

/* The options that say where among others, for a method of the link that @argv[0] names. */
static CtlExit change(Ctl *ctl, const char *name, const char *method, const char *program)
{
        g_auto(sd_bus_error) error = SD_BUS_ERROR_NULL;
        g_autofree char *path = NULL, *reason = NULL;
        GVariant *options, *args[2];
        g_auto(Hook) hook;
        CtlExit status;
        size_t n = 0;

        hook_init(&hook);
        status = resolve(ctl, BUS_LINK, name, &path);
        if (status == CTL_OK)
                status = take_options(ctl, &hook);
        if (status == CTL_OK)
                status = resolve_option(ctl, BUS_MAP, &hook, OPT_TARGET_MAP);
        if (status == CTL_OK && program)
                status = find_target(ctl, path, &hook);
        if (status != CTL_OK)
                return status;
        if (!hook_open(&hook, true, &reason))
                return ctl_fail("%s", reason);
        options = hook_options(&hook, &reason);
        if (!options)
                return ctl_usage("%s", reason);
        if (program)
                args[n++] = g_variant_new_object_path(program);
        args[n++] = options;
        if (ctl_call(ctl, path, bus_interface(BUS_LINK), method, g_variant_new_tuple(args, n),
                     &error, NULL) < 0)
                return ctl_bus_error(&error, "Can't change link '%s'", name);
        print_changed(ctl, path);
        return CTL_OK;
}

CtlExit verb_update(Ctl *ctl, int argc, char **argv)
{
        (void)argc;
        if (!options_given(&ctl->options, OPT_PRIORITY) &&
            !options_given(&ctl->options, OPT_BEFORE) && !options_given(&ctl->options, OPT_AFTER) &&
            !options_given(&ctl->options, OPT_PROCEED_ON))
                return ctl_usage("Say what to change: --priority, --before, --after or "
                                 "--proceed-on");
        return change(ctl, argv[0], "Update", NULL);
}

CtlExit verb_replace(Ctl *ctl, int argc, char **argv)
{
        g_autofree char *program = NULL;
        CtlExit status;

        (void)argc;
        status = resolve(ctl, BUS_PROGRAM, argv[1], &program);
        return status == CTL_OK ? change(ctl, argv[0], "ReplaceProgram", program) : status;
}
