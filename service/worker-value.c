/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "worker-value.h"

#include <errno.h>
#include <stdlib.h>

/* sd-bus ends sooner; this is what recursion relies on. */
#define NESTING_MAX 256

void worker_value_clear(KernValue *value)
{
        if (value->kind != KERN_VALUE_LIST && value->kind != KERN_VALUE_MEMBERS)
                return;
        for (size_t i = 0; i < value->list.n; i++)
                worker_value_clear(&value->list.values[i]);
        free(value->list.values);
        value->list.values = NULL;
        value->list.n = 0;
}

static KernValue integer(int64_t n)
{
        return n < 0 ? (KernValue){.kind = KERN_VALUE_NEGATIVE, .negative = n}
                     : (KernValue){.kind = KERN_VALUE_UNSIGNED, .number = (uint64_t)n};
}

static int read_basic(sd_bus_message *m, char type, KernValue *ret)
{
        union {
                uint8_t y;
                int16_t n;
                uint16_t q;
                int32_t i;
                uint32_t u;
                int64_t x;
                uint64_t t;
                double d;
                int b;
                const char *s;
        } v;
        int r = sd_bus_message_read_basic(m, type, &v);

        if (r < 0)
                return r;
        switch (type) {
        case 'y':
                *ret = integer(v.y);
                return 0;
        case 'n':
                *ret = integer(v.n);
                return 0;
        case 'q':
                *ret = integer(v.q);
                return 0;
        case 'i':
                *ret = integer(v.i);
                return 0;
        case 'u':
                *ret = integer(v.u);
                return 0;
        case 'x':
                *ret = integer(v.x);
                return 0;
        case 't':
                *ret = (KernValue){.kind = KERN_VALUE_UNSIGNED, .number = v.t};
                return 0;
        case 'd':
                *ret = (KernValue){.kind = KERN_VALUE_REAL, .real = v.d};
                return 0;
        case 'b':
                *ret = (KernValue){.kind = KERN_VALUE_BOOLEAN, .boolean = v.b};
                return 0;
        case 's':
        case 'o':
        case 'g':
                *ret = (KernValue){.kind = KERN_VALUE_TEXT, .text = v.s};
                return 0;
        default:
                return -EINVAL;
        }
}

static int read_any(sd_bus_message *m, unsigned nesting, KernValue *ret);

/* An element of a list, or an entry of a dictionary. */
static int read_part(sd_bus_message *m, bool entry, unsigned nesting, KernValue *ret)
{
        const char *contents, *name = NULL;
        int r;

        if (!entry)
                return read_any(m, nesting, ret);
        r = sd_bus_message_peek_type(m, NULL, &contents);
        if (r < 0)
                return r;
        r = sd_bus_message_enter_container(m, 'e', contents);
        if (r < 0)
                return r;
        r = sd_bus_message_read_basic(m, 's', &name);
        if (r < 0)
                return r;
        r = read_any(m, nesting, ret);
        if (r < 0)
                return r;
        ret->name = name;
        return sd_bus_message_exit_container(m);
}

static int read_parts(sd_bus_message *m, char type, const char *contents, unsigned nesting,
                      KernValue *ret)
{
        const bool entries = contents[0] == '{';
        size_t room = 0;
        int r;

        *ret = (KernValue){.kind = entries ? KERN_VALUE_MEMBERS : KERN_VALUE_LIST};
        r = sd_bus_message_enter_container(m, type, contents);
        if (r < 0)
                return r;
        while ((r = sd_bus_message_at_end(m, 0)) == 0) {
                if (ret->list.n == room) {
                        KernValue *more;

                        room = room > 0 ? room * 2 : 8;
                        more = reallocarray(ret->list.values, room, sizeof(*more));
                        if (!more)
                                return -ENOMEM;
                        ret->list.values = more;
                }
                ret->list.values[ret->list.n] = (KernValue){.kind = KERN_VALUE_BOOLEAN};
                r = read_part(m, entries, nesting, &ret->list.values[ret->list.n++]);
                if (r < 0)
                        return r;
        }
        return r < 0 ? r : sd_bus_message_exit_container(m);
}

static int read_any(sd_bus_message *m, unsigned nesting, KernValue *ret)
{
        const char *contents;
        char type;
        int r;

        r = sd_bus_message_peek_type(m, &type, &contents);
        if (r <= 0)
                return r < 0 ? r : -EBADMSG;
        if (nesting == 0)
                return -E2BIG;
        switch (type) {
        case 'v':
                r = sd_bus_message_enter_container(m, 'v', contents);
                if (r >= 0)
                        r = read_any(m, nesting - 1, ret);
                return r < 0 ? r : sd_bus_message_exit_container(m);
        case 'a':
                if (contents[0] == 'y') {
                        *ret = (KernValue){.kind = KERN_VALUE_BYTES};
                        return sd_bus_message_read_array(m, 'y', &ret->bytes.data,
                                                         &ret->bytes.size);
                }
                return read_parts(m, 'a', contents, nesting - 1, ret);
        case 'r':
                return read_parts(m, 'r', contents, nesting - 1, ret);
        default:
                return read_basic(m, type, ret);
        }
}

int worker_value_read(sd_bus_message *m, KernValue *ret)
{
        KernValue value = {.kind = KERN_VALUE_BOOLEAN};
        int r = read_any(m, NESTING_MAX, &value);

        if (r < 0) {
                worker_value_clear(&value);
                return r;
        }
        *ret = value;
        return 0;
}
