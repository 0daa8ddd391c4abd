/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "json-parse.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

typedef struct Parser {
        const char *text;
        const char *at;
        char *error;
} Parser;

/* Said once: what went wrong first, and where. */
__attribute__((format(printf, 2, 3))) static void *fail(Parser *p, const char *format, ...)
{
        g_autofree char *what = NULL;
        va_list ap;

        if (p->error)
                return NULL;
        va_start(ap, format);
        what = g_strdup_vprintf(format, ap);
        va_end(ap);
        p->error = g_strdup_printf("%s at character %ld", what,
                                   g_utf8_pointer_to_offset(p->text, p->at) + 1);
        return NULL;
}

static void skip_space(Parser *p)
{
        p->at += strspn(p->at, " \t\r\n");
}

static bool take(Parser *p, char c)
{
        skip_space(p);
        if (*p->at != c)
                return false;
        p->at++;
        return true;
}

static bool hex4(Parser *p, gunichar *ret)
{
        gunichar c = 0;

        for (int i = 0; i < 4; i++) {
                int digit = g_ascii_xdigit_value(p->at[i]);

                if (digit < 0)
                        return false;
                c = c << 4 | (gunichar)digit;
        }
        p->at += 4;
        *ret = c;
        return true;
}

/* Behind "\u"; half a character comes with its other half, or is an error. */
static bool parse_unicode(Parser *p, GString *out)
{
        gunichar c, low;

        if (!hex4(p, &c))
                return false;
        if (c >= 0xd800 && c < 0xdc00) {
                if (p->at[0] != '\\' || p->at[1] != 'u')
                        return false;
                p->at += 2;
                if (!hex4(p, &low) || low < 0xdc00 || low > 0xdfff)
                        return false;
                c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
        }
        if (c == 0 || !g_unichar_validate(c))
                return false;
        g_string_append_unichar(out, c);
        return true;
}

static bool parse_escape(Parser *p, GString *out)
{
        static const char letters[] = "\"\\/bfnrt", meant[] = "\"\\/\b\f\n\r\t";
        const char *letter = *p->at ? strchr(letters, *p->at) : NULL;

        if (letter) {
                g_string_append_c(out, meant[letter - letters]);
                p->at++;
                return true;
        }
        if (*p->at != 'u')
                return false;
        p->at++;
        return parse_unicode(p, out);
}

/* Behind the opening quote */
static char *parse_string(Parser *p)
{
        g_autoptr(GString) out = g_string_new(NULL);

        while (*p->at != '"') {
                if (*p->at == '\0')
                        return fail(p, "a string has no end");
                if ((guchar)*p->at < 0x20)
                        return fail(p, "a control character isn't escaped");
                if (*p->at != '\\') {
                        g_string_append_c(out, *p->at++);
                        continue;
                }
                p->at++;
                if (!parse_escape(p, out))
                        return fail(p, "no such escape");
        }
        p->at++;
        return g_string_free(g_steal_pointer(&out), FALSE);
}

static GVariant *parse_number(Parser *p)
{
        const char *start = p->at;
        const char *digits = start + (*start == '-');
        size_t n = strspn(digits, "0123456789");
        const char *end = digits + n;
        guint64 number;
        gint64 negative;
        char *stop;
        double d;

        if (n == 0 || (n > 1 && digits[0] == '0'))
                return fail(p, "a value is expected");
        if (*end != '.' && *end != 'e' && *end != 'E') {
                p->at = end;
                errno = 0;
                if (*start == '-') {
                        negative = g_ascii_strtoll(start, NULL, 10);
                        if (errno == 0)
                                return g_variant_new_int64(negative);
                } else {
                        number = g_ascii_strtoull(start, NULL, 10);
                        if (errno == 0)
                                return number <= G_MAXINT64 ? g_variant_new_int64((gint64)number)
                                                            : g_variant_new_uint64(number);
                }
                p->at = start;
                return fail(p, "a number has more than 64 bits");
        }
        /* strtod(3) takes more than JSON has. */
        if (*end == '.') {
                n = strspn(++end, "0123456789");
                end += n;
        }
        if (n > 0 && (*end == 'e' || *end == 'E')) {
                end += 1 + (end[1] == '+' || end[1] == '-');
                n = strspn(end, "0123456789");
                end += n;
        }
        if (n == 0)
                return fail(p, "a number has no end");
        errno = 0;
        d = g_ascii_strtod(start, &stop);
        if (stop != end || (errno != 0 && (d > 1 || d < -1)))
                return fail(p, "a number is too large");
        p->at = end;
        return g_variant_new_double(d);
}

static GVariant *parse_value(Parser *p, unsigned depth);

static GVariant *parse_array(Parser *p, unsigned depth)
{
        g_auto(GVariantBuilder) builder = G_VARIANT_BUILDER_INIT(G_VARIANT_TYPE("av"));

        if (take(p, ']'))
                return g_variant_builder_end(&builder);
        for (;;) {
                GVariant *value = parse_value(p, depth);

                if (!value)
                        return NULL;
                g_variant_builder_add(&builder, "v", value);
                if (take(p, ']'))
                        return g_variant_builder_end(&builder);
                if (!take(p, ','))
                        return fail(p, "',' or ']' is expected");
        }
}

static GVariant *parse_object(Parser *p, unsigned depth)
{
        g_auto(GVariantBuilder) builder = G_VARIANT_BUILDER_INIT(G_VARIANT_TYPE_VARDICT);
        g_autoptr(GHashTable) names = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);

        if (take(p, '}'))
                return g_variant_builder_end(&builder);
        for (;;) {
                g_autofree char *name = NULL;
                GVariant *value;

                if (!take(p, '"'))
                        return fail(p, "a name in quotes is expected");
                name = parse_string(p);
                if (!name)
                        return NULL;
                if (!take(p, ':'))
                        return fail(p, "':' is expected");
                value = parse_value(p, depth);
                if (!value)
                        return NULL;
                g_variant_builder_add(&builder, "{sv}", name, value);
                if (!g_hash_table_add(names, g_strdup(name)))
                        return fail(p, "\"%s\" is given twice, the second time", name);
                if (take(p, '}'))
                        return g_variant_builder_end(&builder);
                if (!take(p, ','))
                        return fail(p, "',' or '}' is expected");
        }
}

static bool take_word(Parser *p, const char *word)
{
        if (!g_str_has_prefix(p->at, word) || g_ascii_isalnum(p->at[strlen(word)]))
                return false;
        p->at += strlen(word);
        return true;
}

static GVariant *parse_value(Parser *p, unsigned depth)
{
        g_autofree char *s = NULL;

        skip_space(p);
        if (depth == 0)
                return fail(p, "more than %d objects and arrays are in each other", JSON_DEPTH_MAX);
        if (take(p, '{'))
                return parse_object(p, depth - 1);
        if (take(p, '['))
                return parse_array(p, depth - 1);
        if (take(p, '"')) {
                s = parse_string(p);
                return s ? g_variant_new_string(s) : NULL;
        }
        if (take_word(p, "true"))
                return g_variant_new_boolean(TRUE);
        if (take_word(p, "false"))
                return g_variant_new_boolean(FALSE);
        if (g_str_has_prefix(p->at, "null"))
                return fail(p, "null is no value that there is here");
        return parse_number(p);
}

GVariant *json_parse(const char *text, char **reterr)
{
        Parser parser = {.text = text, .at = text};
        g_autoptr(GVariant) value = NULL;

        if (!g_utf8_validate(text, -1, NULL)) {
                *reterr = g_strdup("it isn't UTF-8");
                return NULL;
        }
        value = parse_value(&parser, JSON_DEPTH_MAX + 1);
        if (value)
                g_variant_ref_sink(value);
        skip_space(&parser);
        if (value && *parser.at != '\0')
                fail(&parser, "there is more than one value");
        if (parser.error) {
                *reterr = parser.error;
                return NULL;
        }
        return g_steal_pointer(&value);
}
