/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "test-tools.h"

#include "json-parse.h"

static void assert_value(const char *json, const char *expected)
{
        g_autofree char *reason = NULL, *text = NULL;
        g_autoptr(GVariant) value = json_parse(json, &reason);

        if (!value)
                fail_msg("%s: %s", json, reason);
        assert_false(g_variant_is_floating(value));
        text = g_variant_print(value, TRUE);
        assert_string_equal(text, expected);
}

static void assert_error(const char *json, const char *expected)
{
        g_autofree char *reason = NULL;

        assert_null(json_parse(json, &reason));
        assert_string_equal(reason, expected);
}

static void test_numbers(void **state)
{
        (void)state;
        assert_value("0", "int64 0");
        assert_value("-0", "int64 0");
        assert_value(" 42\n", "int64 42");
        assert_value("9223372036854775807", "int64 9223372036854775807");
        assert_value("9223372036854775808", "uint64 9223372036854775808");
        assert_value("18446744073709551615", "uint64 18446744073709551615");
        assert_value("-9223372036854775808", "int64 -9223372036854775808");
        assert_value("1.5", "1.5");
        assert_value("-1e3", "-1000.0");
        assert_value("1E-2", "0.01");
        assert_value("1e-999", "0.0");
        assert_error("18446744073709551616", "a number has more than 64 bits at character 1");
        assert_error("[-9223372036854775809]", "a number has more than 64 bits at character 2");
        assert_error("1e999", "a number is too large at character 1");
        for (size_t i = 0; i < 10; i++) {
                static const char *const wrong[] = {"01", "-01", "+1",  "-",    ".5",
                                                    "1.", "1e",  "1e+", "1.e1", "Infinity"};
                g_autofree char *reason = NULL;

                assert_null(json_parse(wrong[i], &reason));
        }
}

static void test_strings(void **state)
{
        (void)state;
        assert_value("\"\"", "''");
        assert_value("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", "'\"\\\\/\\b\\f\\n\\r\\t'");
        assert_value("\"\\u00e9\\uD83D\\ude00é\"", "'é😀é'");
        assert_error("\"", "a string has no end at character 2");
        assert_error("\"\\", "no such escape at character 3");
        assert_error("\"\\x\"", "no such escape at character 3");
        assert_error("\"a\nb\"", "a control character isn't escaped at character 3");
        assert_error("\"\\u0000\"", "no such escape at character 8");
        assert_error("\"\\ud800\"", "no such escape at character 8");
        assert_error("\"\\ud800\\u0041\"", "no such escape at character 14");
        assert_error("\"\\udc00\"", "no such escape at character 8");
        assert_error("\"\\u12", "no such escape at character 4");
        assert_error("\"\xff\"", "it isn't UTF-8");
}

static void test_containers(void **state)
{
        (void)state;
        assert_value("[]", "@av []");
        assert_value("{}", "@a{sv} {}");
        assert_value("[1,\t[true] , {\"a\":\"b\"}]", "[<int64 1>, <[<true>]>, <{'a': <'b'>}>]");
        assert_value("{\"b\" : false,\"a\":[ ]}", "{'b': <false>, 'a': <@av []>}");
        assert_error("{\"a\":1,\"a\":2}", "\"a\" is given twice, the second time at character 13");
        assert_error("[1,]", "a value is expected at character 4");
        assert_error("[1 2]", "',' or ']' is expected at character 4");
        assert_error("[1", "',' or ']' is expected at character 3");
        assert_error("{a:1}", "a name in quotes is expected at character 2");
        assert_error("{\"a\" 1}", "':' is expected at character 6");
        assert_error("{\"a\":1;}", "',' or '}' is expected at character 7");
        assert_error("{\"a\":1,}", "a name in quotes is expected at character 8");
        assert_error("[é", "a value is expected at character 2");
        assert_error("[null]", "null is no value that there is here at character 2");
        assert_error("[truer]", "a value is expected at character 2");
        assert_error("1 2", "there is more than one value at character 3");
        assert_error("", "a value is expected at character 1");
        assert_error("// x", "a value is expected at character 1");
}

static void test_depth(void **state)
{
        char open[JSON_DEPTH_MAX + 2], close[JSON_DEPTH_MAX + 2];
        g_autofree char *most = NULL, *more = NULL, *reason = NULL;
        g_autoptr(GVariant) value = NULL;

        (void)state;
        memset(open, '[', sizeof(open));
        memset(close, ']', sizeof(close));
        most = g_strdup_printf("%.*s%.*s", JSON_DEPTH_MAX, open, JSON_DEPTH_MAX, close);
        more = g_strdup_printf("%.*s1%.*s", JSON_DEPTH_MAX + 1, open, JSON_DEPTH_MAX + 1, close);
        value = json_parse(most, &reason);
        assert_non_null(value);
        assert_null(json_parse(more, &reason));
        assert_non_null(strstr(reason, "16 objects and arrays"));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_numbers),
                cmocka_unit_test(test_strings),
                cmocka_unit_test(test_containers),
                cmocka_unit_test(test_depth),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
