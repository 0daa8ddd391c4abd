/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "value.h"

#include <string.h>

#include "json-parse.h"
#include "text.h"

static const char hex_digits[] = "0123456789abcdef";

bool value_is_number_size(size_t size)
{
        return size == 1 || size == 2 || size == 4 || size == 8;
}

uint64_t value_number(const guint8 *data, size_t size)
{
        uint8_t n8;
        uint16_t n16;
        uint32_t n32;
        uint64_t n64;

        switch (size) {
        case 1:
                memcpy(&n8, data, 1);
                return n8;
        case 2:
                memcpy(&n16, data, 2);
                return n16;
        case 4:
                memcpy(&n32, data, 4);
                return n32;
        case 8:
                memcpy(&n64, data, 8);
                return n64;
        default:
                g_return_val_if_reached(0);
        }
}

static GBytes *from_number(uint64_t number, size_t size)
{
        uint8_t n8 = (uint8_t)number;
        uint16_t n16 = (uint16_t)number;
        uint32_t n32 = (uint32_t)number;

        switch (size) {
        case 1:
                return g_bytes_new(&n8, 1);
        case 2:
                return g_bytes_new(&n16, 2);
        case 4:
                return g_bytes_new(&n32, 4);
        default:
                return g_bytes_new(&number, 8);
        }
}

char *value_hex(const guint8 *data, size_t size)
{
        char *out = g_malloc(size * 2 + 1);

        for (size_t i = 0; i < size; i++) {
                out[i * 2] = hex_digits[data[i] >> 4];
                out[i * 2 + 1] = hex_digits[data[i] & 15];
        }
        out[size * 2] = '\0';
        return out;
}

char *value_format(const guint8 *data, size_t size)
{
        GString *out;

        if (value_is_number_size(size))
                return g_strdup_printf("%" PRIu64, value_number(data, size));
        out = g_string_new(NULL);
        for (size_t i = 0; i < size; i++)
                g_string_append_printf(out, "%s%02x", i ? " " : "", data[i]);
        return g_string_free(out, FALSE);
}

GBytes *value_parse_hex(const char *s, char **reterr)
{
        g_autoptr(GByteArray) bytes = g_byte_array_new();

        while (*s) {
                guint8 byte;

                if (*s == ' ' || *s == ':') {
                        s++;
                        continue;
                }
                if (!g_ascii_isxdigit(s[0]) || !g_ascii_isxdigit(s[1])) {
                        *reterr =
                                g_strdup_printf("\"%.16s\" isn't two hex digits for each byte", s);
                        return NULL;
                }
                byte = (guint8)(g_ascii_xdigit_value(s[0]) << 4 | g_ascii_xdigit_value(s[1]));
                g_byte_array_append(bytes, &byte, 1);
                s += 2;
        }
        return g_byte_array_free_to_bytes(g_steal_pointer(&bytes));
}

/* An even number of hex digits and nothing else */
static bool is_bare_hex(const char *s)
{
        size_t n = strspn(s, "0123456789abcdefABCDEF");

        return n > 0 && n % 2 == 0 && s[n] == '\0';
}

static bool is_decimal(const char *s)
{
        return s[0] != '\0' && s[strspn(s, "0123456789")] == '\0';
}

static bool parse_number(const char *s, size_t size, bool negative, uint64_t *ret)
{
        uint64_t max = size == 8 ? UINT64_MAX : (UINT64_C(1) << (size * 8)) - 1;
        int64_t n;

        if (s[0] != '-')
                return text_parse_unsigned(s, max, ret);
        if (!negative || !text_parse_signed(s, -(int64_t)(max / 2) - 1, 0, &n))
                return false;
        *ret = (uint64_t)n;
        return true;
}

/* Whether @s looks like a number, in range or not; "0011" doesn't: who writes that means bytes. */
static bool looks_like_number(const char *s)
{
        if (s[0] == '-')
                return is_decimal(s + 1);
        if (s[0] == '0' && (s[1] == 'x' || s[1] == 'X'))
                return true;
        return is_decimal(s) && (s[0] != '0' || strlen(s) <= 2);
}

GBytes *value_parse(const char *s, size_t size, char **reterr)
{
        g_autoptr(GBytes) bytes = NULL;
        uint64_t number;

        if (g_str_has_prefix(s, "hex:")) {
                bytes = value_parse_hex(s + strlen("hex:"), reterr);
        } else if (value_is_number_size(size) && looks_like_number(s)) {
                if (parse_number(s, size, true, &number))
                        return from_number(number, size);
                *reterr = g_strdup_printf("\"%s\" doesn't fit into %zu byte%s", s, size,
                                          size == 1 ? "" : "s");
                return NULL;
        } else if (is_bare_hex(s) || s[0] == '\0') {
                bytes = value_parse_hex(s, reterr);
        } else if (value_is_number_size(size)) {
                *reterr = g_strdup_printf("\"%s\" is neither a number nor bytes (say 5, 0x05 or "
                                          "hex:05…)",
                                          s);
        } else {
                *reterr = g_strdup_printf("\"%s\" isn't bytes in hex, which %zu bytes are written "
                                          "as: two digits each",
                                          s, size);
        }
        if (!bytes)
                return NULL;
        if (g_bytes_get_size(bytes) != size) {
                *reterr = g_strdup_printf("\"%s\" has %zu byte%s; there must be %zu", s,
                                          g_bytes_get_size(bytes),
                                          g_bytes_get_size(bytes) == 1 ? "" : "s", size);
                return NULL;
        }
        return g_steal_pointer(&bytes);
}

/* "u32:5" and the like; *ret_is says whether it is one at all. */
static GBytes *parse_sized_number(const char *s, bool *ret_is, char **reterr)
{
        static const struct {
                const char *prefix;
                size_t size;
                bool is_signed;
        } numbers[] = {
                {"u8:", 1},       {"u16:", 2},       {"u32:", 4},       {"u64:", 8},
                {"s8:", 1, true}, {"s16:", 2, true}, {"s32:", 4, true}, {"s64:", 8, true},
        };

        *ret_is = true;
        for (size_t i = 0; i < G_N_ELEMENTS(numbers); i++) {
                const char *text = s + strlen(numbers[i].prefix);
                int bits = (int)numbers[i].size * 8;
                uint64_t number;
                int64_t n;
                bool ok;

                if (!g_str_has_prefix(s, numbers[i].prefix))
                        continue;
                if (numbers[i].is_signed) {
                        int64_t max = (int64_t)(UINT64_MAX >> (65 - bits));

                        ok = text_parse_signed(text, -max - 1, max, &n);
                        number = ok ? (uint64_t)n : 0;
                } else {
                        ok = parse_number(text, numbers[i].size, false, &number);
                }
                if (ok)
                        return from_number(number, numbers[i].size);
                *reterr = g_strdup_printf("\"%s\" isn't %s number of %d bits", text,
                                          numbers[i].is_signed ? "a signed" : "an unsigned", bits);
                return NULL;
        }
        *ret_is = false;
        return NULL;
}

GVariant *value_parse_global(const char *s, char **reterr)
{
        g_autofree char *reason = NULL;
        g_autoptr(GBytes) bytes = NULL;
        GVariant *value;
        bool is_sized;

        if (!g_utf8_validate(s, -1, NULL)) {
                *reterr = g_strdup("it isn't UTF-8; bytes are written hex:00ff…");
                return NULL;
        }
        bytes = parse_sized_number(s, &is_sized, reterr);
        if (!is_sized && g_str_has_prefix(s, "hex:"))
                bytes = value_parse_hex(s + strlen("hex:"), reterr);
        else if (!is_sized && g_str_has_prefix(s, "str:"))
                return g_variant_ref_sink(g_variant_new_string(s + strlen("str:")));
        else if (!is_sized && s[0] != '\0' && strchr("{[\"", s[0])) {
                value = json_parse(s, &reason);
                if (!value)
                        *reterr =
                                g_strdup_printf("it isn't JSON: %s; text is written str:…", reason);
                return value;
        } else if (!is_sized) {
                return g_variant_ref_sink(g_variant_new_string(s));
        }
        return bytes ? g_variant_ref_sink(
                               g_variant_new_from_bytes(G_VARIANT_TYPE_BYTESTRING, bytes, TRUE))
                     : NULL;
}
