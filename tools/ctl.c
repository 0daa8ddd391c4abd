/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ctl.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "json.h"
#include "text.h"

static bool init_json(Ctl *ctl)
{
        const char *mode = options_get(&ctl->options, OPT_JSON);

        if (options_given(&ctl->options, OPT_JSON_AUTO))
                ctl->json = isatty(STDOUT_FILENO) ? CTL_JSON_PRETTY : CTL_JSON_SHORT;
        if (!mode)
                return true;
        if (strcmp(mode, "short") == 0)
                ctl->json = CTL_JSON_SHORT;
        else if (strcmp(mode, "pretty") == 0)
                ctl->json = CTL_JSON_PRETTY;
        else if (strcmp(mode, "off") == 0)
                ctl->json = CTL_JSON_OFF;
        else {
                (void)ctl_usage("--json=%s: it is short, pretty or off", mode);
                return false;
        }
        return true;
}

bool ctl_init(Ctl *ctl)
{
        bool tty = isatty(STDOUT_FILENO);
        const char *term = g_getenv("TERM"), *no_colour = g_getenv("NO_COLOR");

        ctl->quiet = options_given(&ctl->options, OPT_QUIET);
        ctl->legend = !options_given(&ctl->options, OPT_NO_LEGEND);
        ctl->ask_password = !options_given(&ctl->options, OPT_NO_ASK_PASSWORD);
        ctl->pager_wanted = tty && !options_given(&ctl->options, OPT_NO_PAGER);
        ctl->colour = tty && (!no_colour || !*no_colour) && term && strcmp(term, "dumb") != 0;
        return init_json(ctl);
}

void ctl_done(Ctl *ctl)
{
        pager_close(&ctl->pager);
        agent_stop(&ctl->agent);
        g_clear_pointer(&ctl->bus, sd_bus_flush_close_unref);
        options_clear(&ctl->options);
}

static void complain(const char *message)
{
        g_autofree char *safe = text_escape(message, true);

        (void)fflush(stdout);
        (void)fprintf(stderr, "bpfctl: %s\n", safe);
}

CtlExit ctl_fail(const char *format, ...)
{
        g_autofree char *message = NULL;
        va_list ap;

        va_start(ap, format);
        message = g_strdup_vprintf(format, ap);
        va_end(ap);
        complain(message);
        return CTL_FAILED;
}

CtlExit ctl_usage(const char *format, ...)
{
        g_autofree char *message = NULL;
        va_list ap;

        va_start(ap, format);
        message = g_strdup_vprintf(format, ap);
        va_end(ap);
        complain(message);
        return CTL_USAGE;
}

CtlExit ctl_bus_error(const sd_bus_error *error, const char *format, ...)
{
        g_autofree char *what = NULL, *message = NULL;
        const char *reason = error->message;
        va_list ap;

        if (sd_bus_error_has_name(error, SD_BUS_ERROR_SERVICE_UNKNOWN))
                reason = "The service bpfkeeper isn't there: neither running nor installed";
        else if (!reason || !*reason)
                reason = error->name ? error->name : "Unknown error";
        va_start(ap, format);
        what = g_strdup_vprintf(format, ap);
        va_end(ap);
        message = g_strdup_printf("%s: %s", what, reason);
        complain(message);

        if (bus_client_is_refusal(error))
                return CTL_REFUSED;
        return bus_client_is_no_object(error) ? CTL_NOT_FOUND : CTL_FAILED;
}

/* There is nobody to talk to; other errors are reasons not to look elsewhere. */
static bool is_absence(int r)
{
        return r == -ENOENT || r == -ECONNREFUSED;
}

static int connect_private(Ctl *ctl, sd_bus_error *reterr)
{
        int r = bus_client_open_private("bpfctl", &ctl->bus);

        if (r >= 0)
                return 0;
        if (r == -EACCES)
                return sd_bus_error_setf(reterr, SD_BUS_ERROR_ACCESS_DENIED,
                                         "Only root may use the private socket %s",
                                         BUS_PRIVATE_SOCKET);
        if (is_absence(r))
                return sd_bus_error_setf(reterr, SD_BUS_ERROR_NO_SERVER,
                                         "Nobody listens on the private socket %s "
                                         "(bpfkeeper.socket does, where systemd runs)",
                                         BUS_PRIVATE_SOCKET);
        return sd_bus_error_setf(reterr, SD_BUS_ERROR_NO_SERVER,
                                 "Can't connect to the private socket %s: %s", BUS_PRIVATE_SOCKET,
                                 g_strerror(-r));
}

/*
 * Root takes the private socket, if there is one, as systemctl(1) does: in early boot, connecting to
 * the bus could start it, and wait for it, before it can come up.
 */
static int connect_bus(Ctl *ctl, sd_bus_error *reterr)
{
        bool root = geteuid() == 0;
        int r;

        if (ctl->bus)
                return 0;
        if (options_given(&ctl->options, OPT_PRIVATE))
                return connect_private(ctl, reterr);
        if (root && !ctl->bus_first && bus_client_open_private("bpfctl", &ctl->bus) >= 0)
                return 0;
        r = bus_client_open("bpfctl", ctl->ask_password, &ctl->bus);
        if (r >= 0)
                return 0;
        if (root && ctl->bus_first && bus_client_open_private("bpfctl", &ctl->bus) >= 0)
                return 0;
        return sd_bus_error_setf(reterr, SD_BUS_ERROR_NO_SERVER,
                                 "Can't connect to the system bus: %s%s", g_strerror(-r),
                                 is_absence(r) && !root ? ", and without a bus only root is served"
                                                        : "");
}

/* Whether to call again, now that an agent is there. */
static bool retry_with_agent(Ctl *ctl, sd_bus_error *error)
{
        if (!ctl->ask_password ||
            bus_error_code(error->name) != BPFKEEPER_ERROR_AUTHORIZATION_REQUIRED ||
            ctl->agent.tried || !agent_start(&ctl->agent))
                return false;
        sd_bus_error_free(error);
        return true;
}

int ctl_call(Ctl *ctl, const char *path, const char *interface, const char *member, GVariant *args,
             sd_bus_error *reterr, GVariant **ret)
{
        g_autoptr(GVariant) tuple = args ? g_variant_ref_sink(args) : NULL;
        int r;

        r = connect_bus(ctl, reterr);
        if (r < 0)
                return r;
        r = bus_client_call(ctl->bus, path, interface, member, tuple, reterr, ret);
        if (r < 0 && retry_with_agent(ctl, reterr))
                r = bus_client_call(ctl->bus, path, interface, member, tuple, reterr, ret);
        return r;
}

int ctl_call_fd(Ctl *ctl, const char *path, const char *interface, const char *member,
                sd_bus_error *reterr, int *ret)
{
        int r;

        r = connect_bus(ctl, reterr);
        if (r < 0)
                return r;
        r = bus_client_call_fd(ctl->bus, path, interface, member, NULL, reterr, ret);
        if (r < 0 && retry_with_agent(ctl, reterr))
                r = bus_client_call_fd(ctl->bus, path, interface, member, NULL, reterr, ret);
        return r;
}

int ctl_get_all(Ctl *ctl, const char *path, const char *interface, sd_bus_error *reterr,
                GVariant **ret)
{
        int r = connect_bus(ctl, reterr);

        return r < 0 ? r : bus_client_get_all(ctl->bus, path, interface, reterr, ret);
}

int ctl_get(Ctl *ctl, const char *path, const char *interface, const char *property,
            sd_bus_error *reterr, GVariant **ret)
{
        int r = connect_bus(ctl, reterr);

        return r < 0 ? r : bus_client_get(ctl->bus, path, interface, property, reterr, ret);
}

int ctl_list(Ctl *ctl, BusKind kind, GVariant *filter, sd_bus_error *reterr, GVariant **ret)
{
        static const char *const methods[] = {
                [BUS_PROGRAM] = "ListPrograms",
                [BUS_MAP] = "ListMaps",
                [BUS_LINK] = "ListLinks",
        };
        g_autoptr(GVariant) reply = NULL;
        int r;

        if (!filter)
                filter = g_variant_new("a{sv}", NULL);
        r = ctl_call(ctl, BUS_PATH_ROOT, BUS_INTERFACE_MANAGER, methods[kind],
                     g_variant_new_tuple(&filter, 1), reterr, &reply);
        if (r < 0)
                return r;
        if (!g_variant_is_of_type(reply, G_VARIANT_TYPE("(a(oa{sv}))")))
                return sd_bus_error_set(reterr, SD_BUS_ERROR_INCONSISTENT_MESSAGE,
                                        "The service's list has a type of its own.");
        *ret = g_variant_get_child_value(reply, 0);
        return 0;
}

void ctl_write(Ctl *ctl, GString *text)
{
        if (ctl->pager_wanted)
                pager_open(&ctl->pager);
        (void)fwrite(text->str, 1, text->len, stdout);
        (void)fflush(stdout);
}

void ctl_write_json(Ctl *ctl, GVariant *value)
{
        g_autoptr(GVariant) owned = g_variant_ref_sink(value);
        g_autoptr(GString) out = g_string_new(NULL);

        json_append(out, owned, ctl->json == CTL_JSON_PRETTY, 0);
        g_string_append_c(out, '\n');
        ctl_write(ctl, out);
}

void ctl_write_table(Ctl *ctl, const Table *table, const char *one, const char *many)
{
        g_autoptr(GString) out = g_string_new(NULL);

        if (table_rows(table) > 0 || !ctl->legend)
                table_append(table, out, ctl->legend, ctl->colour);
        if (ctl->legend)
                g_string_append_printf(out, "%s%zu %s listed.\n", out->len ? "\n" : "",
                                       table_rows(table), table_rows(table) == 1 ? one : many);
        ctl_write(ctl, out);
}

void ctl_say(Ctl *ctl, const char *format, ...)
{
        g_autofree char *message = NULL, *safe = NULL;
        va_list ap;

        if (ctl->quiet || ctl->json != CTL_JSON_OFF)
                return;
        va_start(ap, format);
        message = g_strdup_vprintf(format, ap);
        va_end(ap);
        safe = text_escape(message, false);
        (void)printf("%s\n", safe);
}
