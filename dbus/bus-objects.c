/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bus-objects.h"

#include <string.h>

static const struct {
        const char *prefix;
        const char *interface;
} kinds[_BUS_KIND_MAX] = {
        [BUS_PROGRAM] = {BUS_PATH_ROOT "/program/_", "org.bpfkeeper1.Program"},
        [BUS_MAP] = {BUS_PATH_ROOT "/map/_", "org.bpfkeeper1.Map"},
        [BUS_LINK] = {BUS_PATH_ROOT "/link/_", "org.bpfkeeper1.Link"},
};

char *bus_path(BusKind kind, uint32_t id, char *ret)
{
        g_snprintf(ret, BUS_PATH_MAX, "%s%u", kinds[kind].prefix, id);
        return ret;
}

bool bus_path_parse(const char *path, BusKind kind, uint32_t *ret)
{
        size_t n = strlen(kinds[kind].prefix);
        guint64 id;

        if (strncmp(path, kinds[kind].prefix, n) != 0)
                return false;
        /* One spelling an object: a second one would be a second path for the same thing. GLib takes
         * vertical tabs before a number, so its look at the first character isn't enough. */
        if (path[n] < '1' || path[n] > '9' ||
            !g_ascii_string_to_unsigned(path + n, 10, 1, G_MAXUINT32, &id, NULL))
                return false;
        *ret = (uint32_t)id;
        return true;
}

const char *bus_interface(BusKind kind)
{
        return kinds[kind].interface;
}

void bus_value_clear(BusValue *value)
{
        if (g_strcmp0(value->type, "s") == 0)
                g_free(value->s);
        else if (g_strcmp0(value->type, "as") == 0)
                g_strfreev(value->strings);
        else if (g_strcmp0(value->type, "at") == 0)
                g_array_unref(value->numbers);
        *value = (BusValue){0};
}
