/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "test-tools.h"

#include "json.h"

/* Compares a value, written in GVariant's text format, as JSON. */
static void assert_json(const char *value, bool pretty, const char *expected)
{
        g_autoptr(GVariant) variant = g_variant_parse(NULL, value, NULL, NULL, NULL);
        g_autoptr(GString) out = g_string_new(NULL);

        assert_non_null(variant);
        json_append(out, variant, pretty, 0);
        assert_string_equal(out->str, expected);
}

static void test_basic(void **state)
{
        (void)state;
        assert_json("true", false, "true");
        assert_json("uint64 18446744073709551615", false, "18446744073709551615");
        assert_json("int64 -9223372036854775808", false, "-9223372036854775808");
        assert_json("byte 0x07", false, "7");
        assert_json("1.5", false, "1.5");
        assert_json("inf", false, "null");
        assert_json("objectpath '/a/b'", false, "\"/a/b\"");
        assert_json("<'inside'>", false, "\"inside\"");
}

static void test_strings(void **state)
{
        (void)state;
        assert_json("'a\"b\\\\c'", false, "\"a\\\"b\\\\c\"");
        assert_json("'a\\nb\\tc'", false, "\"a\\nb\\tc\"");
        assert_json("'\\u001b[31m'", false, "\"\\u001b[31m\"");
        assert_json("'\\u009b'", false, "\"\\u009b\"");
        assert_json("'\\u202e'", false, "\"\\u202e\"");
        assert_json("'\\U000e0001'", false, "\"\\udb40\\udc01\"");
        assert_json("'ü漢'", false, "\"ü漢\"");
}

static void test_containers(void **state)
{
        (void)state;
        assert_json("@as []", false, "[]");
        assert_json("@a{sv} {}", true, "{}");
        assert_json("[1, 2]", false, "[1,2]");
        assert_json("(1, 'x')", false, "[1,\"x\"]");
        assert_json("@ay [0x00, 0xab]", false, "\"00ab\"");
        assert_json("@ay []", false, "\"\"");
        assert_json("{'a': <1>, 'b': <['x', 'y']>}", false, "{\"a\":1,\"b\":[\"x\",\"y\"]}");
        assert_json("{'k': 'v'}", false, "{\"k\":\"v\"}");
        assert_json("[{'a': 1}]", true, "[\n\t{\n\t\t\"a\": 1\n\t}\n]");
}

static void test_properties(void **state)
{
        g_autoptr(GVariant) properties = g_variant_ref_sink(
                g_variant_new_parsed("{'Id': <uint32 7>, 'RunTimeNSec': <uint64 1>,"
                                     " 'Metadata': <{'MyKey': 'MyValue'}>}"));
        g_autoptr(GVariant) json = g_variant_ref_sink(json_from_properties("/p", properties));
        g_autoptr(GString) out = g_string_new(NULL);

        (void)state;
        json_append(out, json, false, 0);
        assert_string_equal(out->str, "{\"id\":7,\"run_time_nsec\":1,"
                                      "\"metadata\":{\"MyKey\":\"MyValue\"},\"path\":\"/p\"}");
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_basic),
                cmocka_unit_test(test_strings),
                cmocka_unit_test(test_containers),
                cmocka_unit_test(test_properties),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
