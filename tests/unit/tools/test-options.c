/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "test-tools.h"

#include "options.h"

#define PARSE(options, ret_first, ...)                                                   \
        options_parse((options), (int)G_N_ELEMENTS(((char *[]){"bpfctl", __VA_ARGS__})), \
                      (char *[]){"bpfctl", __VA_ARGS__, NULL}, (ret_first))

static void test_anywhere(void **state)
{
        char *argv[] = {"bpfctl", "--json=short", "attach", "7",  "--priority", "5",
                        "eth0",   "-q",           "--",     "-x", NULL};
        Options options = {0};
        int first;

        (void)state;
        assert_true(options_parse(&options, (int)G_N_ELEMENTS(argv) - 1, argv, &first));
        assert_string_equal(options_get(&options, OPT_JSON), "short");
        assert_string_equal(options_get(&options, OPT_PRIORITY), "5");
        assert_true(options_given(&options, OPT_QUIET));
        assert_null(options_get(&options, OPT_QUIET));
        assert_false(options_given(&options, OPT_MODE));
        assert_string_equal(argv[first], "attach");
        assert_string_equal(argv[first + 1], "7");
        assert_string_equal(argv[first + 2], "eth0");
        assert_string_equal(argv[first + 3], "-x");
        options_clear(&options);
}

static void test_repeated(void **state)
{
        Options options = {0};
        int first;

        (void)state;
        assert_true(PARSE(&options, &first, "--global=a=u8:1", "--global", "b=u8:2", "-t", "xdp",
                          "--type=tc"));
        assert_int_equal(options_count(&options, OPT_GLOBAL), 2);
        assert_string_equal(options_nth(&options, OPT_GLOBAL, 0), "a=u8:1");
        assert_string_equal(options_nth(&options, OPT_GLOBAL, 1), "b=u8:2");
        assert_null(options_nth(&options, OPT_GLOBAL, 2));
        assert_string_equal(options_get(&options, OPT_TYPE), "tc");
        options_clear(&options);
        assert_int_equal(options_count(&options, OPT_GLOBAL), 0);
}

static void test_wrong(void **state)
{
        Options options = {0};
        int first;

        (void)state;
        assert_false(PARSE(&options, &first, "--nonsense"));
        assert_false(PARSE(&options, &first, "--priority"));
        assert_false(PARSE(&options, &first, "--quiet=yes"));
        assert_false(PARSE(&options, &first, "-x"));
        options_clear(&options);
}

static void test_sets(void **state)
{
        Options options = {0};
        int first;

        (void)state;
        assert_true(PARSE(&options, &first, "--cookie=1", "--interface=lo", "-j"));
        assert_int_equal(options_not_in(&options, OPTIONS(OPT_NAME, OPTIONS_HOOK)), _OPT_MAX);
        assert_int_equal(options_not_in(&options, NULL), OPT_INTERFACE);
        assert_int_equal(options_not_in(&options, OPTIONS(OPT_INTERFACE)), OPT_COOKIE);
        options_clear(&options);
        assert_string_equal(options_name(OPT_LOG_LEVEL), "log-level");
}

static void test_help(void **state)
{
        g_autoptr(GString) out = g_string_new(NULL);

        (void)state;
        options_append_help(out, NULL);
        for (int i = 0; i < _OPT_MAX; i++) {
                g_autofree char *name = g_strconcat("-", options_name((Option)i), NULL);

                if (!strstr(out->str, name))
                        options_append_help(out, OPTIONS((Option)i));
                assert_non_null(strstr(out->str, name));
        }
        /* completion reads it so */
        assert_non_null(strstr(out->str, "\n  -t  --type=TYPE "));
        assert_non_null(strstr(out->str, "\n      --priority=N "));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_anywhere), cmocka_unit_test(test_repeated),
                cmocka_unit_test(test_wrong),    cmocka_unit_test(test_sets),
                cmocka_unit_test(test_help),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
