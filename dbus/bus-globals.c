/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The option "globals" of Load(): values of any shape. What they mean is found out by a worker, beside
 * the object; here they are only looked through, so that nothing but values, and not too many of them,
 * is passed on.
 */

#include <string.h>

#include "bus-api-internal.h"
#include "bus-error.h"
#include "bus-load-args.h"

#define GLOBALS_MAX 256
#define SIZE_MAX_ALL (1024 * 1024)
#define PARTS_MAX 65536

typedef struct Check {
        const char *name;
        GHashTable *names;
        size_t size;
        unsigned parts;
} Check;

static int check_size(Check *c, size_t size, sd_bus_error *reterr)
{
        c->size += size;
        if (c->size > SIZE_MAX_ALL)
                return bus_error_setf(reterr, BPFKEEPER_ERROR_LIMIT_EXCEEDED,
                                      "Globals may have %u bytes in all.", SIZE_MAX_ALL);
        if (++c->parts > PARTS_MAX)
                return bus_error_setf(reterr, BPFKEEPER_ERROR_LIMIT_EXCEEDED,
                                      "Globals may have %u parts in all; give large ones as bytes.",
                                      PARTS_MAX);
        return 0;
}

static int check_basic(sd_bus_message *m, char type, Check *c, sd_bus_error *reterr)
{
        const char *s;
        int r;

        switch (type) {
        case 's':
        case 'o':
        case 'g':
                r = sd_bus_message_read_basic(m, type, &s);
                return r < 0 ? r : check_size(c, strlen(s), reterr);
        case 'h':
                return bus_error_setf(reterr, BPFKEEPER_ERROR_INVALID_ARGUMENT,
                                      "Global '%s' has a descriptor in its value; it is made of "
                                      "numbers, booleans, text, bytes, lists, and members by name.",
                                      c->name);
        default:
                r = sd_bus_message_skip(m, (char[]){type, '\0'});
                return r < 0 ? r : check_size(c, sizeof(uint64_t), reterr);
        }
}

/* As deep as sd-bus lets a message be. */
static int check_value(sd_bus_message *m, Check *c, sd_bus_error *reterr)
{
        const char *contents;
        const void *data;
        size_t size;
        char type;
        int r;

        r = sd_bus_message_peek_type(m, &type, &contents);
        if (r < 0)
                return r;
        if (!contents)
                return check_basic(m, type, c, reterr);
        if (type == 'a' && contents[0] == 'y') {
                r = sd_bus_message_read_array(m, 'y', &data, &size);
                return r < 0 ? r : check_size(c, size, reterr);
        }
        if (type == 'a' && contents[0] == '{' && contents[1] != 's')
                return bus_error_setf(reterr, BPFKEEPER_ERROR_INVALID_ARGUMENT,
                                      "Global '%s' has a dictionary of D-Bus type 'a%s' in its "
                                      "value; members have names, as in 'a{sv}'.",
                                      c->name, contents);
        r = sd_bus_message_enter_container(m, type, contents);
        if (r < 0)
                return r;
        /* A variant around a value is no part of its own. */
        r = type == 'v' ? 0 : check_size(c, 0, reterr);
        if (r < 0)
                return r;
        while ((r = sd_bus_message_at_end(m, 0)) == 0) {
                r = check_value(m, c, reterr);
                if (r < 0)
                        return r;
        }
        return r < 0 ? r : sd_bus_message_exit_container(m);
}

static int check_global(sd_bus_message *m, Check *c, sd_bus_error *reterr)
{
        int r;

        r = sd_bus_message_read_basic(m, 's', &c->name);
        if (r < 0)
                return r;
        r = bus_check_symbol(c->name, "global", reterr);
        if (r < 0)
                return r;
        if (!g_hash_table_add(c->names, (gpointer)c->name))
                return bus_error_setf(reterr, BPFKEEPER_ERROR_INVALID_ARGUMENT,
                                      "Global '%s' is given twice.", c->name);
        if (g_hash_table_size(c->names) > GLOBALS_MAX)
                return bus_error_setf(reterr, BPFKEEPER_ERROR_LIMIT_EXCEEDED,
                                      "There are more than %u globals.", GLOBALS_MAX);
        return check_value(m, c, reterr);
}

static int check_globals(sd_bus_message *m, const char *entry, sd_bus_error *reterr)
{
        g_autoptr(GHashTable) names = g_hash_table_new(g_str_hash, g_str_equal);
        Check check = {.names = names};
        int r;

        while ((r = sd_bus_message_enter_container(m, 'e', entry)) > 0) {
                r = check_global(m, &check, reterr);
                if (r < 0)
                        return r;
                r = sd_bus_message_exit_container(m);
                if (r < 0)
                        return r;
        }
        return r;
}

/* "{say}" becomes "{sv}", so that there is one kind of them. */
static int copy_bytes(sd_bus_message *m, sd_bus_message *to)
{
        int r;

        while ((r = sd_bus_message_enter_container(m, 'e', "say")) > 0) {
                const char *name;
                const void *data;
                size_t size;

                r = sd_bus_message_read_basic(m, 's', &name);
                if (r >= 0)
                        r = sd_bus_message_read_array(m, 'y', &data, &size);
                if (r >= 0)
                        r = sd_bus_message_exit_container(m);
                if (r >= 0)
                        r = sd_bus_message_open_container(to, 'e', "sv");
                if (r >= 0)
                        r = sd_bus_message_append_basic(to, 's', name);
                if (r >= 0)
                        r = sd_bus_message_open_container(to, 'v', "ay");
                if (r >= 0)
                        r = sd_bus_message_append_array(to, 'y', data, size);
                if (r >= 0)
                        r = sd_bus_message_close_container(to);
                if (r >= 0)
                        r = sd_bus_message_close_container(to);
                if (r < 0)
                        return r;
        }
        return r;
}

int bus_read_globals(sd_bus_message *m, const char *type, size_t offset, void *dest,
                     sd_bus_error *reterr)
{
        g_autoptr(sd_bus_message) copy = NULL;
        BusLoadArgs *args = dest;
        int r;

        (void)offset;
        r = sd_bus_message_enter_container(m, 'a', type + 1);
        if (r < 0)
                return r;
        /* The entry's type, without its braces */
        r = check_globals(m, g_str_equal(type, "a{sv}") ? "sv" : "say", reterr);
        if (r < 0)
                return r;
        r = sd_bus_message_rewind(m, 0);
        if (r < 0)
                return r;
        /* Never sent: a message is what carries values of any shape. */
        r = sd_bus_message_new_method_call(sd_bus_message_get_bus(m), &copy, NULL, BUS_PATH_ROOT,
                                           BUS_NAME ".Manager", "Globals");
        if (r >= 0)
                r = sd_bus_message_open_container(copy, 'a', "{sv}");
        if (r >= 0)
                r = g_str_equal(type, "a{sv}") ? sd_bus_message_copy(copy, m, 1)
                                               : copy_bytes(m, copy);
        if (r >= 0)
                r = sd_bus_message_close_container(copy);
        if (r >= 0)
                r = sd_bus_message_seal(copy, 1, 0);
        if (r < 0)
                return r;
        args->globals = g_steal_pointer(&copy);
        return sd_bus_message_exit_container(m);
}

int bus_globals_append(sd_bus_message *globals, sd_bus_message *to)
{
        int r;

        if (globals) {
                r = sd_bus_message_rewind(globals, 1);
                return r < 0 ? r : sd_bus_message_copy(to, globals, 1);
        }
        r = sd_bus_message_open_container(to, 'a', "{sv}");
        return r < 0 ? r : sd_bus_message_close_container(to);
}
