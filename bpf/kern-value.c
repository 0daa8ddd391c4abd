/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kern-util.h"
#include "kern-value-internal.h"

/* How many members and enumerators are compared for one value: both come from a caller. */
#define STEPS_MAX (4U * 1024 * 1024)

/* A variable, a member, or an element where @name is NULL. */
typedef struct Place {
        const struct Place *up;
        const char *name;
        size_t index;
} Place;

typedef struct Writer {
        const struct btf *btf;
        KernDiag *diag;
        size_t steps;
} Writer;

static void append_place(const Place *at, char *text, size_t size, size_t *used)
{
        if (at->up)
                append_place(at->up, text, size, used);
        if (at->name)
                kern_value_append(text, size, used, "%s%.127s", at->up ? "." : "", at->name);
        else
                kern_value_append(text, size, used, "[%zu]", at->index);
}

/* "config.limits[3] is __u32" */
static void describe_place(const Writer *w, const Place *at, uint32_t type, char *ret, size_t size)
{
        char name[160];
        size_t used = 0;

        append_place(at, ret, size, &used);
        kern_value_append(ret, size, &used, " is %s",
                          kern_value_type_name(w->btf, type, name, sizeof(name)));
}

static const char *describe_value(const KernValue *v, char *ret, size_t size)
{
        switch (v->kind) {
        case KERN_VALUE_BYTES:
                snprintf(ret, size, "%zu bytes", v->bytes.size);
                break;
        case KERN_VALUE_BOOLEAN:
                snprintf(ret, size, "%s", v->boolean ? "true" : "false");
                break;
        case KERN_VALUE_NEGATIVE:
                snprintf(ret, size, "%" PRId64, v->negative);
                break;
        case KERN_VALUE_UNSIGNED:
                snprintf(ret, size, "%" PRIu64, v->number);
                break;
        case KERN_VALUE_REAL:
                snprintf(ret, size, "%.17g", v->real);
                break;
        case KERN_VALUE_TEXT:
                snprintf(ret, size, "\"%.60s%s\"", v->text, strlen(v->text) > 60 ? "…" : "");
                break;
        case KERN_VALUE_LIST:
                snprintf(ret, size, "a list of %zu", v->list.n);
                break;
        case KERN_VALUE_MEMBERS:
                snprintf(ret, size, "members by name");
                break;
        }
        return ret;
}

/* "PLACE is TYPE: WHAT FITS, not VALUE" */
static int misfit(const Writer *w, const Place *at, uint32_t type, const char *fits,
                  const KernValue *v)
{
        char place[512], value[128];

        describe_place(w, at, type, place, sizeof(place));
        return kern_fail(w->diag, -EINVAL, KERN_ERROR_INVALID_ARGUMENT, "%s: %s, not %s", place,
                         fits, describe_value(v, value, sizeof(value)));
}

static int damaged(const Writer *w, const Place *at, uint32_t type)
{
        char place[512];

        describe_place(w, at, type, place, sizeof(place));
        return kern_fail(w->diag, -EBADMSG, KERN_ERROR_INVALID_ARGUMENT,
                         "%s by the object's BTF, which makes no sense", place);
}

static int step(Writer *w)
{
        if (++w->steps <= STEPS_MAX)
                return 0;
        return kern_fail(w->diag, -E2BIG, KERN_ERROR_LIMIT_EXCEEDED,
                         "The values of global variables have too many parts; give large ones as "
                         "bytes");
}

/* Numbers */

/* "5", "0x1f", "-3"; what begins with 0 otherwise may be octal to one and bytes to another. */
static bool parse_number(const char *s, KernValue *ret)
{
        const bool negative = s[0] == '-';
        const char *digits = negative ? s + 1 : s;
        const bool hex = digits[0] == '0' && (digits[1] == 'x' || digits[1] == 'X');
        unsigned long long n;
        char *end;

        if (hex ? !isxdigit((unsigned char)digits[2])
                : !isdigit((unsigned char)digits[0]) ||
                            (digits[0] == '0' && isdigit((unsigned char)digits[1])))
                return false;
        errno = 0;
        n = strtoull(digits, &end, hex ? 16 : 10);
        if (*end || errno || (negative && n > (uint64_t)INT64_MAX + 1))
                return false;
        if (negative && n > 0)
                *ret = (KernValue){.kind = KERN_VALUE_NEGATIVE, .negative = (int64_t)-n};
        else
                *ret = (KernValue){.kind = KERN_VALUE_UNSIGNED, .number = n};
        return true;
}

static bool find_enumerator(Writer *w, const struct btf_type *t, const char *name, uint64_t *ret)
{
        for (unsigned i = 0; i < kern_value_n_enumerators(t); i++) {
                uint32_t offset;
                uint64_t n = kern_value_enumerator(t, i, &offset);

                if (step(w) < 0)
                        return false;
                if (strcmp(kern_value_name(w->btf, offset), name) == 0) {
                        *ret = n;
                        return true;
                }
        }
        return false;
}

static void list_enumerators(const struct btf *btf, const struct btf_type *t, char *ret,
                             size_t size)
{
        size_t used = 0;

        ret[0] = '\0';
        for (unsigned i = 0; i < kern_value_n_enumerators(t) && used < size; i++) {
                uint32_t name;

                (void)kern_value_enumerator(t, i, &name);
                kern_value_append(ret, size, &used, "%s%s", i > 0 ? ", " : "",
                                  kern_value_name(btf, name));
        }
}

static int number_misfit(const Writer *w, const Place *at, uint32_t type, const struct btf_type *t,
                         const KernNumber *number, const KernValue *v)
{
        char fits[512];
        const uint64_t max = UINT64_MAX >> (64 - number->bits) >> number->is_signed;

        if (number->is_boolean)
                snprintf(fits, sizeof(fits), "true or false");
        else if (kern_value_n_enumerators(t) > 0)
                list_enumerators(w->btf, t, fits, sizeof(fits));
        else if (number->is_signed)
                snprintf(fits, sizeof(fits), "%" PRId64 " to %" PRIu64, -(int64_t)max - 1, max);
        else
                snprintf(fits, sizeof(fits), "0 to %" PRIu64, max);
        return misfit(w, at, type, fits, v);
}

/* The value as a number that such a type can hold, in two's complement. */
static int read_number(Writer *w, const Place *at, uint32_t type, const struct btf_type *t,
                       const KernNumber *number, const KernValue *given, uint64_t *ret)
{
        const unsigned unused = 64 - number->bits;
        KernValue v = *given;
        bool fits = false;
        uint64_t max;

        if (v.kind == KERN_VALUE_TEXT) {
                if (number->is_boolean && strcmp(v.text, "true") == 0)
                        v = (KernValue){.kind = KERN_VALUE_BOOLEAN, .boolean = true};
                else if (number->is_boolean && strcmp(v.text, "false") == 0)
                        v = (KernValue){.kind = KERN_VALUE_BOOLEAN, .boolean = false};
                else if (number->is_enum && find_enumerator(w, t, given->text, ret))
                        return 0;
                else if (!parse_number(given->text, &v))
                        return number_misfit(w, at, type, t, number, given);
        }
        switch (v.kind) {
        case KERN_VALUE_BOOLEAN:
                fits = number->is_boolean;
                *ret = v.boolean;
                break;
        case KERN_VALUE_NEGATIVE:
                fits = (number->is_signed || number->is_enum) && v.negative >= INT64_MIN >> unused;
                *ret = (uint64_t)v.negative;
                break;
        case KERN_VALUE_UNSIGNED:
                max = UINT64_MAX >> unused >> (number->is_signed && !number->is_enum);
                fits = v.number <= (number->is_boolean ? 1 : max);
                *ret = v.number;
                break;
        default:
                break;
        }
        return fits ? 0 : number_misfit(w, at, type, t, number, given);
}

/* In the machine's byte order; a bit field begins at bit @offset. */
static void put_number(uint64_t n, unsigned offset, unsigned bits, uint8_t *dest)
{
        for (unsigned i = 0; i < bits; i++) {
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
                unsigned at = offset + i, shift = at % 8;
#else
                unsigned at = offset + bits - 1 - i, shift = 7 - at % 8;
#endif
                uint8_t bit = (uint8_t)(1U << shift);

                if (n >> i & 1)
                        dest[at / 8] |= bit;
                else
                        dest[at / 8] &= (uint8_t)~bit;
        }
}

/*
 * What is larger than a float or a double can be isn't made infinite, nor is it what text of too many
 * digits is; who means infinity says so.
 */
static bool real_fits(const KernValue *v, double d, size_t size)
{
        const bool finite = v->kind == KERN_VALUE_TEXT ? !strpbrk(v->text, "iI") : isfinite(d);

        return !finite || isnan(d) || isfinite(size == sizeof(float) ? (double)(float)d : d);
}

static int write_real(Writer *w, const Place *at, uint32_t type, const struct btf_type *t,
                      const KernValue *v, uint8_t *dest)
{
        double d;
        float f;
        char *end;

        switch (v->kind) {
        case KERN_VALUE_REAL:
                d = v->real;
                break;
        case KERN_VALUE_NEGATIVE:
                d = (double)v->negative;
                break;
        case KERN_VALUE_UNSIGNED:
                d = (double)v->number;
                break;
        case KERN_VALUE_TEXT:
                d = strtod(v->text, &end);
                if (end != v->text && *end == '\0')
                        break;
                /* fall through */
        default:
                return misfit(w, at, type, "a number", v);
        }
        if (!real_fits(v, d, t->size))
                return misfit(w, at, type,
                              t->size == sizeof(f) ? "-3.4028235e38 to 3.4028235e38"
                                                   : "-1.7976931348623157e308 to "
                                                     "1.7976931348623157e308",
                              v);
        f = (float)d;
        if (t->size == sizeof(f))
                memcpy(dest, &f, sizeof(f));
        else
                memcpy(dest, &d, sizeof(d));
        return 0;
}

static int write_value(Writer *w, const Place *at, uint32_t type, const KernValue *v, uint8_t *dest,
                       size_t size, unsigned depth);

static int write_array(Writer *w, const Place *at, uint32_t type, const struct btf_type *t,
                       const KernValue *v, uint8_t *dest, size_t size, unsigned depth)
{
        const struct btf_array *a = btf_array(t);
        const bool text = kern_value_is_char(w->btf, a->type);
        int64_t each = btf__resolve_size(w->btf, a->type);
        char fits[128];

        if (each <= 0 || a->nelems > size / (size_t)each)
                return damaged(w, at, type);
        if (text && v->kind == KERN_VALUE_TEXT) {
                size_t n = strlen(v->text);

                if (n < a->nelems) {
                        memset(dest, 0, a->nelems);
                        memcpy(dest, v->text, n);
                        return 0;
                }
                snprintf(fits, sizeof(fits), "text of at most %u bytes",
                         a->nelems > 0 ? a->nelems - 1 : 0);
                return misfit(w, at, type, fits, v);
        }
        if (v->kind != KERN_VALUE_LIST || v->list.n != a->nelems) {
                char place[512];

                if (v->kind == KERN_VALUE_LIST) {
                        describe_place(w, at, type, place, sizeof(place));
                        return kern_fail(w->diag, -EINVAL, KERN_ERROR_INVALID_ARGUMENT,
                                         "%s: it takes %u values, and %zu were given", place,
                                         a->nelems, v->list.n);
                }
                if (text)
                        snprintf(fits, sizeof(fits), "text, a list of %u numbers, or %zu bytes",
                                 a->nelems, size);
                else
                        snprintf(fits, sizeof(fits), "a list of %u values, or %zu bytes", a->nelems,
                                 size);
                return misfit(w, at, type, fits, v);
        }
        for (uint32_t i = 0; i < a->nelems; i++) {
                const Place element = {.up = at, .index = i};
                int r = write_value(w, &element, a->type, &v->list.values[i],
                                    dest + i * (size_t)each, (size_t)each, depth);

                if (r < 0)
                        return r;
        }
        return 0;
}

/* A member, and where it is in the whole. */
typedef struct Member {
        uint32_t type;
        uint32_t offset; /* in bits */
        uint32_t bitfield;
} Member;

/* Members of nameless parts are the whole's, as in C. 1: found. */
static int find_member(Writer *w, const struct btf_type *t, const char *name, uint32_t base,
                       unsigned depth, Member *ret)
{
        for (unsigned i = 0; i < btf_vlen(t); i++) {
                const struct btf_member *m = &btf_members(t)[i];
                const char *called = kern_value_name(w->btf, m->name_off);
                uint32_t offset = btf_member_bit_offset(t, i);
                const struct btf_type *part;
                int r;

                r = step(w);
                if (r < 0)
                        return r;
                if (offset > UINT32_MAX - base)
                        continue;
                if (called[0] != '\0' && strcmp(called, name) == 0) {
                        *ret = (Member){m->type, base + offset, btf_member_bitfield_size(t, i)};
                        return 1;
                }
                part = called[0] == '\0' ? kern_value_strip(w->btf, m->type, true) : NULL;
                if (!part || !btf_is_composite(part) || depth == 0)
                        continue;
                r = find_member(w, part, name, base + offset, depth - 1, ret);
                if (r != 0)
                        return r;
        }
        return 0;
}

static void list_members(Writer *w, const struct btf_type *t, unsigned depth, char *ret,
                         size_t size, size_t *used)
{
        for (unsigned i = 0; i < btf_vlen(t) && *used < size; i++) {
                const struct btf_member *m = &btf_members(t)[i];
                const char *called = kern_value_name(w->btf, m->name_off);
                const struct btf_type *part;

                if (step(w) < 0)
                        return;
                if (called[0] != '\0') {
                        kern_value_append(ret, size, used, "%s%s", *used > 0 ? ", " : "", called);
                        continue;
                }
                part = kern_value_strip(w->btf, m->type, true);
                if (part && btf_is_composite(part) && depth > 0)
                        list_members(w, part, depth - 1, ret, size, used);
        }
}

static int write_member(Writer *w, const Place *at, const Member *m, const KernValue *v,
                        uint8_t *dest, size_t size, unsigned depth)
{
        int64_t each = btf__resolve_size(w->btf, m->type);

        if (m->bitfield > 0) {
                const struct btf_type *t = kern_value_strip(w->btf, m->type, true);
                KernNumber number;
                uint64_t n;
                int r;

                if (!t || !kern_value_number(t, m->bitfield, &number) ||
                    (uint64_t)m->offset + m->bitfield > (uint64_t)size * 8)
                        return damaged(w, at, m->type);
                r = read_number(w, at, m->type, t, &number, v, &n);
                if (r >= 0)
                        put_number(n, m->offset, m->bitfield, dest);
                return r;
        }
        if (each < 0 || m->offset % 8 != 0 || m->offset / 8 + (uint64_t)each > size)
                return damaged(w, at, m->type);
        return write_value(w, at, m->type, v, dest + m->offset / 8, (size_t)each, depth);
}

static int given_twice(Writer *w, const Place *at, const KernValue *v, size_t i)
{
        for (size_t k = 0; k < i; k++) {
                int r = step(w);

                if (r < 0)
                        return r;
                if (strcmp(v->list.values[k].name, v->list.values[i].name) == 0) {
                        char place[512];
                        size_t used = 0;

                        append_place(at, place, sizeof(place), &used);
                        return kern_fail(w->diag, -EINVAL, KERN_ERROR_INVALID_ARGUMENT,
                                         "%s is given twice", place);
                }
        }
        return 0;
}

static int write_members(Writer *w, const Place *at, uint32_t type, const struct btf_type *t,
                         const KernValue *v, uint8_t *dest, size_t size, unsigned depth)
{
        char place[512], names[1024] = "";
        size_t used = 0;

        if (t->size > size)
                return damaged(w, at, type);
        if (v->kind != KERN_VALUE_MEMBERS)
                return misfit(w, at, type, "its members by name, or its bytes", v);
        if (btf_is_union(t) && v->list.n != 1) {
                describe_place(w, at, type, place, sizeof(place));
                list_members(w, t, KERN_VALUE_DEPTH_MAX, names, sizeof(names), &used);
                return kern_fail(w->diag, -EINVAL, KERN_ERROR_INVALID_ARGUMENT,
                                 "%s: it takes one of %s, and %zu were given", place, names,
                                 v->list.n);
        }
        for (size_t i = 0; i < v->list.n; i++) {
                const KernValue *value = &v->list.values[i];
                const Place member = {.up = at, .name = value->name};
                Member m;
                int r;

                r = given_twice(w, &member, v, i);
                if (r < 0)
                        return r;
                r = find_member(w, t, value->name, 0, KERN_VALUE_DEPTH_MAX, &m);
                if (r < 0)
                        return r;
                if (r == 0) {
                        describe_place(w, at, type, place, sizeof(place));
                        list_members(w, t, KERN_VALUE_DEPTH_MAX, names, sizeof(names), &used);
                        return kern_fail(w->diag, -EINVAL, KERN_ERROR_INVALID_ARGUMENT,
                                         "%s, which has no member \"%.127s\"; it has %s", place,
                                         value->name, names);
                }
                r = write_member(w, &member, &m, value, dest, t->size, depth);
                if (r < 0)
                        return r;
        }
        return 0;
}

static int write_value(Writer *w, const Place *at, uint32_t type, const KernValue *v, uint8_t *dest,
                       size_t size, unsigned depth)
{
        const struct btf_type *t = kern_value_strip(w->btf, type, true);
        KernNumber number;
        char place[512];
        uint64_t n;
        int r;

        r = step(w);
        if (r < 0)
                return r;
        if (v->kind == KERN_VALUE_BYTES) {
                if (v->bytes.size == size) {
                        if (size > 0)
                                memcpy(dest, v->bytes.data, size);
                        return 0;
                }
                describe_place(w, at, type, place, sizeof(place));
                return kern_fail(w->diag, -EINVAL, KERN_ERROR_INVALID_ARGUMENT,
                                 "%s, which has %zu bytes, not %zu", place, size, v->bytes.size);
        }
        if (!t || depth == 0)
                return damaged(w, at, type);
        if (btf_is_array(t))
                return write_array(w, at, type, t, v, dest, size, depth - 1);
        if (btf_is_composite(t))
                return write_members(w, at, type, t, v, dest, size, depth - 1);
        if (btf_is_float(t) && (t->size == sizeof(float) || t->size == sizeof(double)))
                return t->size <= size ? write_real(w, at, type, t, v, dest) : damaged(w, at, type);
        if (kern_value_number(t, 0, &number)) {
                if (t->size > size)
                        return damaged(w, at, type);
                r = read_number(w, at, type, t, &number, v, &n);
                if (r >= 0)
                        put_number(n, 0, number.bits, dest);
                return r;
        }
        describe_place(w, at, type, place, sizeof(place));
        return kern_fail(w->diag, -EINVAL, KERN_ERROR_INVALID_ARGUMENT,
                         "%s, which can be given as %zu bytes only", place, size);
}

int kern_value_write(const struct btf *btf, uint32_t type, const char *name, const KernValue *value,
                     void *dest, size_t size, KernDiag *reterr_diag)
{
        Writer w = {.btf = btf, .diag = reterr_diag};
        const Place variable = {.name = name};

        return write_value(&w, &variable, type, value, dest, size, KERN_VALUE_DEPTH_MAX);
}
