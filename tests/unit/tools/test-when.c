/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "test-tools.h"

#include "when.h"

#define NOW (G_GINT64_CONSTANT(1790000000) * G_USEC_PER_SEC)

static void assert_when(const char *s, gint64 seconds)
{
        gint64 usec = 0;

        if (!when_parse(s, NOW, &usec))
                fail_msg("'%s' is no time", s);
        if (usec != seconds * G_USEC_PER_SEC)
                fail_msg("'%s' is %" G_GINT64_FORMAT, s, usec / G_USEC_PER_SEC);
}

static void test_spans(void **state)
{
        const gint64 now = NOW / G_USEC_PER_SEC;

        (void)state;
        assert_when("+2h", now + 7200);
        assert_when("+90min", now + 5400);
        assert_when("+1d 12h", now + 129600);
        assert_when("+1h30m", now + 5400);
        assert_when("+2 weeks", now + 1209600);
        assert_when("+10 s", now + 10);
}

static void test_dates(void **state)
{
        (void)state;
        assert_when("2026-12-01", 1796083200);
        assert_when("2026-12-01 18:00", 1796148000);
        assert_when("2026-12-01T18:00", 1796148000);
        assert_when("2026-12-01 18:00:30", 1796148030);
        assert_when("2026-12-01 18:00 UTC", 1796148000);
        assert_when("2026-12-01T18:00:00Z", 1796148000);
        assert_when("2026-12-01T19:00:00+01:00", 1796148000);
}

static void test_local(void **state)
{
        (void)state;
        assert_true(g_setenv("TZ", "XXX-2", TRUE));
        assert_when("2026-12-01 18:00", 1796148000 - 7200);
        assert_when("2026-12-01T18:00:00Z", 1796148000);
        assert_true(g_setenv("TZ", "UTC0", TRUE));
}

static void test_wrong(void **state)
{
        static const char *const wrong[] = {
                "",
                "+",
                "+0h",
                "+2",
                "+h",
                "+2months",
                "+-2h",
                "2h",
                "tomorrow",
                "+99999999999999999999h",
                "+1h 2x",
                "2026-13-01",
                "2026-12-32",
                "2026-12-01 25:00",
                "2026-12-01x",
                "1796148000",
                "+1h,2h",
                "-1h",
                "1960-01-01",
        };
        gint64 usec;

        (void)state;
        for (size_t i = 0; i < G_N_ELEMENTS(wrong); i++)
                if (when_parse(wrong[i], NOW, &usec))
                        fail_msg("'%s' is taken for a time", wrong[i]);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_spans),
                cmocka_unit_test(test_dates),
                cmocka_unit_test(test_local),
                cmocka_unit_test(test_wrong),
        };

        (void)g_setenv("TZ", "UTC0", TRUE);
        return cmocka_run_group_tests(tests, NULL, NULL);
}
