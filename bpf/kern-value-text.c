/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "kern-value-internal.h"

/* Types and values as text. */

/* What is looked at for one text: BTF of a caller's can nest a type in itself, many times over. */
#define STEPS_MAX 4096
#define MODIFIERS_MAX 32

const struct btf_type *kern_value_strip(const struct btf *btf, uint32_t type, bool typedefs)
{
        for (unsigned i = 0; i < MODIFIERS_MAX; i++) {
                const struct btf_type *t = btf__type_by_id(btf, type);

                if (!t || (!btf_is_mod(t) && !(typedefs && btf_is_typedef(t))))
                        return t;
                type = t->type;
        }
        return NULL;
}

const char *kern_value_name(const struct btf *btf, uint32_t offset)
{
        const char *name = btf__name_by_offset(btf, offset);

        return name ? name : "";
}

bool kern_value_is_char(const struct btf *btf, uint32_t type)
{
        const struct btf_type *t = kern_value_strip(btf, type, true);

        return t && btf_is_int(t) && t->size == 1 &&
               strcmp(kern_value_name(btf, t->name_off), "char") == 0;
}

bool kern_value_number(const struct btf_type *t, unsigned bitfield, KernNumber *ret)
{
        KernNumber n = {.bits = bitfield > 0 ? bitfield : t->size * 8};

        if (btf_is_int(t)) {
                if (btf_int_offset(t) != 0 || btf_int_bits(t) != t->size * 8)
                        return false;
                n.is_boolean = btf_int_encoding(t) & BTF_INT_BOOL;
                n.is_signed = btf_int_encoding(t) & BTF_INT_SIGNED;
        } else if (btf_is_any_enum(t)) {
                n.is_signed = btf_kflag(t);
                n.is_enum = true;
        } else {
                return false;
        }
        if ((t->size != 1 && t->size != 2 && t->size != 4 && t->size != 8) || n.bits > t->size * 8)
                return false;
        *ret = n;
        return true;
}

unsigned kern_value_n_enumerators(const struct btf_type *t)
{
        return btf_is_enum64(t) || (btf_is_enum(t) && t->size <= sizeof(int32_t)) ? btf_vlen(t) : 0;
}

uint64_t kern_value_enumerator(const struct btf_type *t, unsigned i, uint32_t *ret_name)
{
        if (btf_is_enum64(t)) {
                *ret_name = btf_enum64(t)[i].name_off;
                return btf_enum64_value(&btf_enum64(t)[i]);
        }
        *ret_name = btf_enum(t)[i].name_off;
        return (uint64_t)(int64_t)btf_enum(t)[i].val;
}

void kern_value_append(char *text, size_t size, size_t *used, const char *format, ...)
{
        va_list ap;
        int n;

        if (*used >= size)
                return;
        va_start(ap, format);
        n = vsnprintf(text + *used, size - *used, format, ap);
        va_end(ap);
        *used += n > 0 ? (size_t)n : 0;
}

/* Cut off in the middle of a character, or of what only looks like one. */
static char *finish(char *text, size_t size, size_t used)
{
        static const char more[] = "…";

        if (used >= size && size > sizeof(more)) {
                size_t n = size - sizeof(more);

                while (n > 0 && ((unsigned char)text[n] & 0xc0) == 0x80)
                        n--;
                memcpy(text + n, more, sizeof(more));
        }
        return kern_text_clean(text);
}

char *kern_value_type_name(const struct btf *btf, uint32_t type, char *ret, size_t size)
{
        char dimensions[128] = "";
        const struct btf_type *t = kern_value_strip(btf, type, false);
        const char *kind = "", *name;
        size_t used = 0, n = 0;

        ret[0] = '\0';
        for (unsigned i = 0; t && btf_is_array(t) && i < KERN_VALUE_DEPTH_MAX; i++) {
                kern_value_append(dimensions, sizeof(dimensions), &n, "[%u]", btf_array(t)->nelems);
                t = kern_value_strip(btf, btf_array(t)->type, false);
        }
        if (!t) {
                kern_value_append(ret, size, &used, "of no type");
                return ret;
        }
        name = kern_value_name(btf, t->name_off);
        if (btf_is_struct(t))
                kind = "struct ";
        else if (btf_is_union(t))
                kind = "union ";
        else if (btf_is_any_enum(t))
                kind = "enum ";
        else if (btf_is_fwd(t))
                kind = btf_kflag(t) ? "union " : "struct ";
        else if (btf_is_ptr(t))
                name = "pointer";
        else if (name[0] == '\0')
                name = btf_is_void(t) ? "void" : "something";
        kern_value_append(ret, size, &used, "%.*s%s%s", (int)(strlen(kind) - (kind[0] && !name[0])),
                          kind, name, dimensions);
        return finish(ret, size, used);
}

/* A value that is being shown. */
typedef struct Show {
        const struct btf *btf;
        char *text;
        size_t size, used;
        unsigned steps;
} Show;

#define say(show, ...) kern_value_append((show)->text, (show)->size, &(show)->used, __VA_ARGS__)

static void show_text(Show *s, const char *data, size_t size)
{
        say(s, "\"");
        for (size_t i = 0; i < size && data[i] != '\0'; i++) {
                unsigned char c = (unsigned char)data[i];

                if (c == '"' || c == '\\')
                        say(s, "\\%c", c);
                else if (c < 0x20 || c == 0x7f)
                        say(s, "\\u%04x", c);
                else
                        say(s, "%c", c);
        }
        say(s, "\"");
}

static uint64_t read_bits(const uint8_t *data, unsigned offset, unsigned bits)
{
        uint64_t n = 0;

        for (unsigned i = 0; i < bits; i++) {
                unsigned at = offset + i;
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
                n |= (uint64_t)(data[at / 8] >> (at % 8) & 1) << i;
#else
                n = n << 1 | (data[at / 8] >> (7 - at % 8) & 1);
#endif
        }
        return n;
}

static void show_number(Show *s, const struct btf_type *t, const KernNumber *number,
                        const uint8_t *data, unsigned offset, bool quote)
{
        const unsigned unused = 64 - number->bits;
        uint64_t n = read_bits(data, offset, number->bits);

        if (number->is_boolean && n <= 1) {
                say(s, "%s", n ? "true" : "false");
                return;
        }
        for (unsigned i = 0; i < kern_value_n_enumerators(t) && s->steps < STEPS_MAX; i++) {
                uint32_t name;

                s->steps++;
                if (kern_value_enumerator(t, i, &name) << unused != n << unused)
                        continue;
                say(s, "%s%s%s", quote ? "\"" : "", kern_value_name(s->btf, name),
                    quote ? "\"" : "");
                return;
        }
        if (number->is_signed)
                say(s, "%lld", (long long)(n << unused) >> unused);
        else
                say(s, "%llu", (unsigned long long)n);
}

static void show_bytes(Show *s, const uint8_t *data, size_t size)
{
        say(s, "\"hex:");
        for (size_t i = 0; i < size && s->used < s->size; i++)
                say(s, "%02x", data[i]);
        say(s, "\"");
}

static void show(Show *s, uint32_t type, const uint8_t *data, size_t size, unsigned depth,
                 bool quote);

static void show_array(Show *s, const struct btf_type *t, const uint8_t *data, size_t size,
                       unsigned depth)
{
        const struct btf_array *a = btf_array(t);
        int64_t each = btf__resolve_size(s->btf, a->type);

        if (each <= 0 || a->nelems > size / (size_t)each) {
                show_bytes(s, data, size);
                return;
        }
        if (kern_value_is_char(s->btf, a->type)) {
                show_text(s, (const char *)data, a->nelems);
                return;
        }
        say(s, "[");
        for (uint32_t i = 0; i < a->nelems && s->steps < STEPS_MAX && s->used < s->size; i++) {
                if (i > 0)
                        say(s, ",");
                show(s, a->type, data + i * (size_t)each, (size_t)each, depth, true);
        }
        say(s, "]");
}

static void show_member(Show *s, const struct btf_type *t, unsigned i, const uint8_t *data,
                        size_t size, unsigned depth)
{
        const struct btf_member *m = &btf_members(t)[i];
        const struct btf_type *mt = kern_value_strip(s->btf, m->type, true);
        uint32_t offset = btf_member_bit_offset(t, i), bits = btf_member_bitfield_size(t, i);
        int64_t each = btf__resolve_size(s->btf, m->type);
        KernNumber number;

        if (bits > 0) {
                if (!mt || !kern_value_number(mt, bits, &number) ||
                    (uint64_t)offset + bits > (uint64_t)size * 8)
                        say(s, "null");
                else
                        show_number(s, mt, &number, data, offset, true);
                return;
        }
        if (each < 0 || offset % 8 != 0 || (uint64_t)offset / 8 + (uint64_t)each > size)
                say(s, "null");
        else
                show(s, m->type, data + offset / 8, (size_t)each, depth, true);
}

/* What is in nameless parts stands among the members of the whole, as in C. */
static void show_members(Show *s, const struct btf_type *t, const uint8_t *data, size_t size,
                         unsigned depth, bool *first)
{
        for (unsigned i = 0; i < btf_vlen(t) && s->steps < STEPS_MAX && s->used < s->size; i++) {
                const struct btf_member *m = &btf_members(t)[i];
                const char *name = kern_value_name(s->btf, m->name_off);
                const struct btf_type *mt = kern_value_strip(s->btf, m->type, true);
                uint32_t offset = btf_member_bit_offset(t, i) / 8;

                s->steps++;
                if (name[0] == '\0' && mt && btf_is_composite(mt) && depth > 0 && offset <= size &&
                    mt->size <= size - offset) {
                        show_members(s, mt, data + offset, mt->size, depth - 1, first);
                } else if (name[0] != '\0') {
                        say(s, "%s\"%s\":", *first ? "" : ",", name);
                        *first = false;
                        show_member(s, t, i, data, size, depth);
                }
                /* Of a union, one way to see it */
                if (btf_is_union(t))
                        return;
        }
}

static void show(Show *s, uint32_t type, const uint8_t *data, size_t size, unsigned depth,
                 bool quote)
{
        const struct btf_type *t = kern_value_strip(s->btf, type, true);
        KernNumber number;
        bool first = true;

        s->steps++;
        if (!t || depth == 0) {
                say(s, "null");
        } else if (kern_value_number(t, 0, &number) && t->size <= size) {
                show_number(s, t, &number, data, 0, quote);
        } else if (btf_is_float(t) && t->size == sizeof(float) && t->size <= size) {
                float f;

                memcpy(&f, data, sizeof(f));
                say(s, "%.9g", (double)f);
        } else if (btf_is_float(t) && t->size == sizeof(double) && t->size <= size) {
                double d;

                memcpy(&d, data, sizeof(d));
                say(s, "%.17g", d);
        } else if (btf_is_array(t)) {
                show_array(s, t, data, size, depth - 1);
        } else if (btf_is_composite(t) && t->size <= size) {
                say(s, "{");
                show_members(s, t, data, t->size, depth - 1, &first);
                say(s, "}");
        } else {
                show_bytes(s, data, size);
        }
}

char *kern_value_format(const struct btf *btf, uint32_t type, const void *data, size_t data_size,
                        char *ret, size_t size)
{
        Show s = {.btf = btf, .text = ret, .size = size};

        ret[0] = '\0';
        show(&s, type, data, data_size, KERN_VALUE_DEPTH_MAX, false);
        return finish(ret, size, s.steps < STEPS_MAX ? s.used : size);
}
