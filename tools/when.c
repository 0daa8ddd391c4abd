/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "when.h"

#include <string.h>

/* As systemd.time(7) has them, but for months and years, whose length is a matter of taste. */
static bool unit_seconds(const char *unit, size_t n, guint64 *ret)
{
        static const struct {
                const char *names[6];
                guint64 seconds;
        } units[] = {
                {{"s", "sec", "second", "seconds"}, 1},
                {{"m", "min", "minute", "minutes"}, 60},
                {{"h", "hr", "hour", "hours"}, G_GUINT64_CONSTANT(60) * 60},
                {{"d", "day", "days"}, G_GUINT64_CONSTANT(24) * 60 * 60},
                {{"w", "week", "weeks"}, G_GUINT64_CONSTANT(7) * 24 * 60 * 60},
        };

        for (size_t i = 0; i < G_N_ELEMENTS(units); i++)
                for (const char *const *name = units[i].names; *name; name++)
                        if (strlen(*name) == n && strncmp(*name, unit, n) == 0) {
                                *ret = units[i].seconds;
                                return true;
                        }
        return false;
}

/* "1d 12h", "90min" */
static bool parse_span(const char *s, guint64 *ret)
{
        *ret = 0;
        while (*s) {
                guint64 number, seconds;
                char *end;
                size_t n;

                if (!g_ascii_isdigit(*s))
                        return false;
                number = g_ascii_strtoull(s, &end, 10);
                end += strspn(end, " ");
                n = strspn(end, "abcdefghijklmnopqrstuvwxyz");
                if (!unit_seconds(end, n, &seconds) ||
                    !g_uint64_checked_mul(&seconds, seconds, number) ||
                    !g_uint64_checked_add(ret, *ret, seconds))
                        return false;
                s = end + n;
                s += strspn(s, " ");
        }
        return *ret > 0;
}

/* What GLib doesn't take: a date alone, a time without seconds, "UTC" for "Z". */
static char *complete(const char *s)
{
        static const char day[] = "dddd-dd-dd", minute[] = "dddd-dd-dd dd:dd";
        size_t n = strlen(s);
        bool utc = n > 4 && strcmp(s + n - 4, " UTC") == 0;
        bool like_minute = true;

        if (utc)
                n -= 4;
        for (size_t i = 0; i < n && minute[i]; i++)
                if (minute[i] == 'd' ? !g_ascii_isdigit(s[i])
                                     : s[i] != minute[i] && !(minute[i] == ' ' && s[i] == 'T'))
                        like_minute = false;
        return g_strdup_printf("%.*s%s%s", (int)n, s,
                               !like_minute          ? ""
                               : n == strlen(day)    ? "T00:00:00"
                               : n == strlen(minute) ? ":00"
                                                     : "",
                               utc ? "Z" : "");
}

bool when_parse(const char *s, gint64 now, gint64 *ret)
{
        /* Far enough, and far from the end of the numbers. */
        const guint64 span_max = G_GUINT64_CONSTANT(1000) * 366 * 24 * 60 * 60;
        g_autoptr(GTimeZone) zone = NULL;
        g_autoptr(GDateTime) time = NULL;
        g_autofree char *text = NULL;
        guint64 span;

        if (*s == '+') {
                if (!parse_span(s + 1, &span) || span > span_max)
                        return false;
                *ret = now + (gint64)span * G_USEC_PER_SEC;
                return true;
        }
        zone = g_time_zone_new_local();
        text = complete(s);
        time = g_date_time_new_from_iso8601(text, zone);
        if (!time || g_date_time_to_unix(time) < 0)
                return false;
        *ret = g_date_time_to_unix(time) * G_USEC_PER_SEC;
        return true;
}
