/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "text.h"

#include <errno.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>

bool text_is_unsafe(gunichar c)
{
        switch (g_unichar_type(c)) {
        case G_UNICODE_CONTROL:
        case G_UNICODE_FORMAT: /* among them those that turn the direction of writing */
        case G_UNICODE_LINE_SEPARATOR:
        case G_UNICODE_PARAGRAPH_SEPARATOR:
        case G_UNICODE_SURROGATE:
        case G_UNICODE_PRIVATE_USE:
        case G_UNICODE_UNASSIGNED:
                return true;
        default:
                return false;
        }
}

char *text_escape(const char *s, bool multiline)
{
        GString *out = g_string_new(NULL);

        while (*s) {
                gunichar c = g_utf8_get_char_validated(s, -1);

                if (c == (gunichar)-1 || c == (gunichar)-2) {
                        g_string_append_printf(out, "\\x%02x", (unsigned char)*s++);
                        continue;
                }
                if (multiline && (c == '\n' || c == '\t'))
                        g_string_append_c(out, (char)c);
                else if (!text_is_unsafe(c))
                        g_string_append_unichar(out, c);
                else if (c == '\n')
                        g_string_append(out, "\\n");
                else if (c == '\t')
                        g_string_append(out, "\\t");
                else
                        g_string_append_printf(out,
                                               c < 0x100     ? "\\x%02x"
                                               : c < 0x10000 ? "\\u%04x"
                                                             : "\\U%08x",
                                               c);
                s = g_utf8_next_char(s);
        }
        return g_string_free(out, FALSE);
}

char *text_snake(const char *property)
{
        GString *out = g_string_new(NULL);

        for (const char *p = property; *p; p++) {
                if (g_ascii_isupper(*p) && p > property && !g_ascii_isupper(p[-1]) && p[-1] != '_')
                        g_string_append_c(out, '_');
                g_string_append_c(out, g_ascii_tolower(*p));
        }
        return g_string_free(out, FALSE);
}

char *text_size(uint64_t bytes)
{
        static const char units[] = "BKMGTPE";
        double n = (double)bytes;
        size_t unit = 0;

        while (n >= 1024 && unit + 1 < sizeof(units) - 1) {
                n /= 1024;
                unit++;
        }
        if (unit == 0)
                return g_strdup_printf("%uB", (unsigned)bytes);
        return g_strdup_printf("%.1f%c", n, units[unit]);
}

char *text_ago(uint64_t when, uint64_t now)
{
        uint64_t s;

        if (when == 0)
                return g_strdup("n/a");
        if (when > now + G_USEC_PER_SEC)
                return g_strdup("in the future");
        s = when > now ? 0 : (now - when) / G_USEC_PER_SEC;
        if (s < 1)
                return g_strdup("just now");
        if (s < 60)
                return g_strdup_printf("%us ago", (unsigned)s);
        if (s < 60 * 60)
                return g_strdup_printf("%umin ago", (unsigned)(s / 60));
        if (s < 24 * 60 * 60)
                return g_strdup_printf("%uh %umin ago", (unsigned)(s / 3600),
                                       (unsigned)(s / 60 % 60));
        return g_strdup_printf("%" PRIu64 " day%s ago", s / 86400, s / 86400 == 1 ? "" : "s");
}

char *text_time(uint64_t when)
{
        g_autoptr(GDateTime) utc = NULL, local = NULL;

        if (when == 0 || when > INT64_MAX)
                return g_strdup("n/a");
        utc = g_date_time_new_from_unix_utc((gint64)(when / G_USEC_PER_SEC));
        local = utc ? g_date_time_to_local(utc) : NULL;
        return local ? g_date_time_format(local, "%a %Y-%m-%d %H:%M:%S %Z") : g_strdup("n/a");
}

char *text_duration(uint64_t nsec)
{
        if (nsec < 1000)
                return g_strdup_printf("%" PRIu64 "ns", nsec);
        if (nsec < 1000 * 1000)
                return g_strdup_printf("%.1fus", (double)nsec / 1e3);
        if (nsec < UINT64_C(1000) * 1000 * 1000)
                return g_strdup_printf("%.1fms", (double)nsec / 1e6);
        return g_strdup_printf("%.1fs", (double)nsec / 1e9);
}

char *text_user(uint32_t uid)
{
        char buffer[4096];
        struct passwd entry, *found = NULL;

        if (getpwuid_r(uid, &entry, buffer, sizeof(buffer), &found) == 0 && found)
                return g_strdup(found->pw_name);
        return g_strdup_printf("%u", uid);
}

size_t text_width(const char *s)
{
        size_t width = 0;

        for (; *s; s = g_utf8_next_char(s)) {
                gunichar c = g_utf8_get_char(s);

                width += g_unichar_iszerowidth(c) ? 0 : g_unichar_iswide(c) ? 2 : 1;
        }
        return width;
}

bool text_parse_unsigned(const char *s, uint64_t max, uint64_t *ret)
{
        bool hex = s[0] == '0' && (s[1] == 'x' || s[1] == 'X');

        /* An octal 010 would surprise: leading zeros mean nothing. */
        return g_ascii_string_to_unsigned(hex ? s + 2 : s, hex ? 16 : 10, 0, max, ret, NULL);
}

bool text_parse_signed(const char *s, int64_t min, int64_t max, int64_t *ret)
{
        uint64_t n;

        if (s[0] == '-') {
                /* The magnitude of INT64_MIN has no int64_t. */
                if (min >= 0 || !text_parse_unsigned(s + 1, -(uint64_t)min, &n))
                        return false;
                *ret = (int64_t)-n;
                return true;
        }
        if (max < 0 || !text_parse_unsigned(s, (uint64_t)max, &n))
                return false;
        *ret = (int64_t)n;
        return true;
}
