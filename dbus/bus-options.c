/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bus-options.h"

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <glib.h>

#include "bus-error.h"
#include "bus-objects.h"

#define MEMBER(type, dest, offset) ((type *)((char *)(dest) + (offset)))

/* The table as words for an error message: "name, globals, maps". */
static char *names(const BusOption *table)
{
        GString *s = g_string_new(NULL);

        for (const BusOption *o = table; o->name; o++)
                g_string_append_printf(s, "%s%s", s->len ? ", " : "", o->name);
        return g_string_free(s, FALSE);
}

static const BusOption *find(const BusOption *table, const char *name)
{
        for (const BusOption *o = table; o->name; o++)
                if (strcmp(o->name, name) == 0)
                        return o;
        return NULL;
}

static int read_value(sd_bus_message *m, const BusOption *o, void *dest, sd_bus_error *reterr)
{
        const char *contents, *match = NULL;
        int r;

        r = sd_bus_message_peek_type(m, NULL, &contents);
        if (r < 0)
                return r;
        for (size_t i = 0; i < G_N_ELEMENTS(o->types) && o->types[i]; i++)
                if (strcmp(o->types[i], contents) == 0)
                        match = o->types[i];
        if (!match)
                return bus_error_setf(
                        reterr, BPFKEEPER_ERROR_WRONG_TYPE,
                        "Option '%s' has a value of D-Bus type '%s'; it takes '%s'%s%s%s.", o->name,
                        contents, o->types[0], o->types[1] ? " or '" : "", o->types[1] ?: "",
                        o->types[1] ? "'" : "");
        r = sd_bus_message_enter_container(m, 'v', match);
        if (r < 0)
                return r;
        r = o->read(m, match, o->offset, dest, reterr);
        if (r < 0)
                return r;
        if (o->has_offset)
                *MEMBER(bool, dest, o->has_offset) = true;
        return sd_bus_message_exit_container(m);
}

int bus_options_read(sd_bus_message *m, const BusOption *table, void *dest, sd_bus_error *reterr)
{
        uint64_t seen = 0;
        int r;

        r = sd_bus_message_enter_container(m, 'a', "{sv}");
        if (r < 0)
                return r;
        while ((r = sd_bus_message_enter_container(m, 'e', "sv")) > 0) {
                const BusOption *o;
                const char *name;

                r = sd_bus_message_read_basic(m, 's', &name);
                if (r < 0)
                        return r;
                o = find(table, name);
                if (!o) {
                        g_autofree char *known = names(table);

                        return bus_error_setf(reterr, BPFKEEPER_ERROR_UNKNOWN_OPTION,
                                              "Unknown option '%s'; there are: %s.", name, known);
                }
                if (seen & (UINT64_C(1) << (o - table)))
                        return bus_error_setf(reterr, BPFKEEPER_ERROR_INVALID_ARGUMENT,
                                              "Option '%s' is given twice.", name);
                seen |= UINT64_C(1) << (o - table);
                r = read_value(m, o, dest, reterr);
                if (r < 0)
                        return r;
                r = sd_bus_message_exit_container(m);
                if (r < 0)
                        return r;
        }
        if (r < 0)
                return r;
        return sd_bus_message_exit_container(m);
}

int bus_option_u32(sd_bus_message *m, const char *type, size_t offset, void *dest, sd_bus_error *e)
{
        (void)e;
        return sd_bus_message_read_basic(m, type[0], MEMBER(uint32_t, dest, offset));
}

int bus_option_u64(sd_bus_message *m, const char *type, size_t offset, void *dest, sd_bus_error *e)
{
        (void)e;
        return sd_bus_message_read_basic(m, type[0], MEMBER(uint64_t, dest, offset));
}

int bus_option_i32(sd_bus_message *m, const char *type, size_t offset, void *dest, sd_bus_error *e)
{
        (void)e;
        return sd_bus_message_read_basic(m, type[0], MEMBER(int32_t, dest, offset));
}

int bus_option_string(sd_bus_message *m, const char *type, size_t offset, void *dest,
                      sd_bus_error *e)
{
        const char *s;
        int r;

        (void)e;
        r = sd_bus_message_read_basic(m, type[0], &s);
        if (r < 0)
                return r;
        g_free(*MEMBER(char *, dest, offset));
        *MEMBER(char *, dest, offset) = g_strdup(s);
        return 0;
}

int bus_option_borrow(sd_bus_message *m, const char *type, size_t offset, void *dest,
                      sd_bus_error *e)
{
        (void)e;
        return sd_bus_message_read_basic(m, type[0], MEMBER(const char *, dest, offset));
}

int bus_option_strv(sd_bus_message *m, const char *type, size_t offset, void *dest, sd_bus_error *e)
{
        char **strings = NULL;
        int r;

        (void)type, (void)e;
        r = sd_bus_message_read_strv(m, &strings);
        if (r < 0)
                return r;
        g_strfreev(*MEMBER(char **, dest, offset));
        /* A copy: what comes from libsystemd goes by free(), which GLib doesn't promise to be its. */
        *MEMBER(char **, dest, offset) = strings ? g_strdupv(strings) : g_new0(char *, 1);
        for (char **s = strings; s && *s; s++)
                free(*s);
        free(strings);
        return 0;
}

int bus_option_bool(sd_bus_message *m, const char *type, size_t offset, void *dest, sd_bus_error *e)
{
        int b, r;

        (void)e;
        r = sd_bus_message_read_basic(m, type[0], &b);
        if (r >= 0)
                *MEMBER(bool, dest, offset) = b;
        return r;
}

int bus_option_fd(sd_bus_message *m, const char *type, size_t offset, void *dest, sd_bus_error *e)
{
        (void)e;
        return sd_bus_message_read_basic(m, type[0], MEMBER(int, dest, offset));
}

int bus_option_program(sd_bus_message *m, uint32_t *ret, sd_bus_error *reterr)
{
        const char *path;
        int r;

        r = sd_bus_message_read_basic(m, 'o', &path);
        if (r < 0)
                return r;
        if (!bus_path_parse(path, BUS_PROGRAM, ret))
                return bus_error_setf(reterr, BPFKEEPER_ERROR_NO_SUCH_OBJECT,
                                      "%s isn't the path of a program.", path);
        return 0;
}

static int read_numbers(sd_bus_message *m, BusValue *value)
{
        const void *numbers;
        size_t size;
        int r;

        r = sd_bus_message_read_array(m, 't', &numbers, &size);
        if (r < 0)
                return r;
        value->numbers = g_array_new(FALSE, FALSE, sizeof(uint64_t));
        g_array_append_vals(value->numbers, numbers, (guint)(size / sizeof(uint64_t)));
        return 0;
}

static int read_path(sd_bus_message *m, BusValue *value, sd_bus_error *reterr)
{
        const char *path;
        int r;

        r = sd_bus_message_read_basic(m, 'o', &path);
        if (r < 0)
                return r;
        value->kind = BUS_PROGRAM;
        if (bus_path_parse(path, BUS_PROGRAM, &value->u))
                return 0;
        value->kind = BUS_MAP;
        if (bus_path_parse(path, BUS_MAP, &value->u))
                return 0;
        return bus_error_setf(reterr, BPFKEEPER_ERROR_NO_SUCH_OBJECT,
                              "%s isn't the path of a program, nor of a map.", path);
}

int bus_option_value(sd_bus_message *m, const char *type, size_t offset, void *dest,
                     sd_bus_error *e)
{
        BusValue *value = MEMBER(BusValue, dest, offset);
        int r;

        bus_value_clear(value);
        if (strcmp(type, "as") == 0)
                r = bus_option_strv(m, type, offsetof(BusValue, strings), value, e);
        else if (strcmp(type, "at") == 0)
                r = read_numbers(m, value);
        else if (strcmp(type, "s") == 0)
                r = bus_option_string(m, type, offsetof(BusValue, s), value, e);
        else if (strcmp(type, "o") == 0)
                r = read_path(m, value, e);
        else /* all the others are plain members of the union */
                r = sd_bus_message_read_basic(m, type[0], &value->t);
        if (r >= 0)
                value->type = type;
        return r;
}
