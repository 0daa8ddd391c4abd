/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "json.h"

#include "text.h"
#include "value.h"

static void append_string(GString *out, const char *s)
{
        g_string_append_c(out, '"');
        for (; *s; s = g_utf8_next_char(s)) {
                gunichar c = g_utf8_get_char(s);

                if (c == '"' || c == '\\')
                        g_string_append_printf(out, "\\%c", (char)c);
                else if (c == '\n')
                        g_string_append(out, "\\n");
                else if (c == '\t')
                        g_string_append(out, "\\t");
                else if (!text_is_unsafe(c))
                        g_string_append_unichar(out, c);
                else if (c < 0x10000)
                        g_string_append_printf(out, "\\u%04x", c);
                else
                        g_string_append_printf(out, "\\u%04x\\u%04x",
                                               0xd800 + ((c - 0x10000) >> 10),
                                               0xdc00 + ((c - 0x10000) & 0x3ff));
        }
        g_string_append_c(out, '"');
}

static void new_line(GString *out, bool pretty, unsigned indent)
{
        if (!pretty)
                return;
        g_string_append_c(out, '\n');
        for (unsigned i = 0; i < indent; i++)
                g_string_append_c(out, '\t');
}

static void append_members(GString *out, GVariant *value, bool object, bool pretty, unsigned indent)
{
        size_t n = g_variant_n_children(value);

        g_string_append_c(out, object ? '{' : '[');
        for (size_t i = 0; i < n; i++) {
                g_autoptr(GVariant) child = g_variant_get_child_value(value, i);

                if (i > 0)
                        g_string_append_c(out, ',');
                new_line(out, pretty, indent + 1);
                if (object) {
                        g_autoptr(GVariant) key = g_variant_get_child_value(child, 0);
                        g_autoptr(GVariant) member = g_variant_get_child_value(child, 1);

                        append_string(out, g_variant_get_string(key, NULL));
                        g_string_append(out, pretty ? ": " : ":");
                        json_append(out, member, pretty, indent + 1);
                } else {
                        json_append(out, child, pretty, indent + 1);
                }
        }
        if (n > 0)
                new_line(out, pretty, indent);
        g_string_append_c(out, object ? '}' : ']');
}

static void append_double(GString *out, double d)
{
        char buffer[G_ASCII_DTOSTR_BUF_SIZE];

        /* JSON has no infinity. */
        g_string_append(out, d - d == 0 ? g_ascii_dtostr(buffer, sizeof(buffer), d) : "null");
}

void json_append(GString *out, GVariant *value, bool pretty, unsigned indent)
{
        switch (g_variant_classify(value)) {
        case G_VARIANT_CLASS_BOOLEAN:
                g_string_append(out, g_variant_get_boolean(value) ? "true" : "false");
                return;
        case G_VARIANT_CLASS_BYTE:
                g_string_append_printf(out, "%u", g_variant_get_byte(value));
                return;
        case G_VARIANT_CLASS_INT16:
                g_string_append_printf(out, "%d", g_variant_get_int16(value));
                return;
        case G_VARIANT_CLASS_UINT16:
                g_string_append_printf(out, "%u", g_variant_get_uint16(value));
                return;
        case G_VARIANT_CLASS_INT32:
                g_string_append_printf(out, "%d", g_variant_get_int32(value));
                return;
        case G_VARIANT_CLASS_UINT32:
                g_string_append_printf(out, "%u", g_variant_get_uint32(value));
                return;
        case G_VARIANT_CLASS_INT64:
                g_string_append_printf(out, "%" G_GINT64_FORMAT, g_variant_get_int64(value));
                return;
        case G_VARIANT_CLASS_UINT64:
                g_string_append_printf(out, "%" G_GUINT64_FORMAT, g_variant_get_uint64(value));
                return;
        case G_VARIANT_CLASS_DOUBLE:
                append_double(out, g_variant_get_double(value));
                return;
        case G_VARIANT_CLASS_STRING:
        case G_VARIANT_CLASS_OBJECT_PATH:
        case G_VARIANT_CLASS_SIGNATURE:
                append_string(out, g_variant_get_string(value, NULL));
                return;
        case G_VARIANT_CLASS_VARIANT: {
                g_autoptr(GVariant) inner = g_variant_get_variant(value);

                json_append(out, inner, pretty, indent);
                return;
        }
        case G_VARIANT_CLASS_ARRAY:
                if (g_variant_is_of_type(value, G_VARIANT_TYPE_BYTESTRING)) {
                        size_t size;
                        const guint8 *data = g_variant_get_fixed_array(value, &size, 1);
                        g_autofree char *hex = value_hex(data, size);

                        append_string(out, hex);
                        return;
                }
                append_members(out, value,
                               g_variant_is_of_type(value, G_VARIANT_TYPE("a{s*}")) ||
                                       g_variant_is_of_type(value, G_VARIANT_TYPE("a{o*}")),
                               pretty, indent);
                return;
        case G_VARIANT_CLASS_TUPLE:
        case G_VARIANT_CLASS_DICT_ENTRY:
                append_members(out, value, false, pretty, indent);
                return;
        default:
                g_string_append(out, "null");
        }
}

void json_add_properties(GVariantBuilder *builder, GVariant *properties)
{
        GVariantIter iter;
        const char *name;
        GVariant *value;

        g_variant_iter_init(&iter, properties);
        while (g_variant_iter_loop(&iter, "{&sv}", &name, &value)) {
                g_autofree char *snake = text_snake(name);

                g_variant_builder_add(builder, "{sv}", snake, value);
        }
}

GVariant *json_from_properties(const char *path, GVariant *properties)
{
        GVariantBuilder builder;

        g_variant_builder_init(&builder, G_VARIANT_TYPE_VARDICT);
        json_add_properties(&builder, properties);
        g_variant_builder_add(&builder, "{sv}", "path", g_variant_new_string(path));
        return g_variant_builder_end(&builder);
}
