/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "test-tools.h"

#include "value.h"

/* The bytes as hex, so that tests can say what they expect in one string. */
static char *hex_of(GBytes *bytes)
{
        g_autoptr(GBytes) owned = bytes;
        size_t size;
        const guint8 *data = g_bytes_get_data(owned, &size);

        return value_hex(data, size);
}

#define LITTLE (G_BYTE_ORDER == G_LITTLE_ENDIAN)

static void assert_value(const char *s, size_t size, const char *expected)
{
        g_autofree char *reason = NULL;
        GBytes *bytes = value_parse(s, size, &reason);

        assert_null(reason);
        assert_non_null(bytes);
        assert_text(hex_of(bytes), expected);
}

static void assert_no_value(const char *s, size_t size)
{
        g_autofree char *reason = NULL;

        assert_null(value_parse(s, size, &reason));
        assert_non_null(reason);
}

static void test_numbers(void **state)
{
        (void)state;
        assert_value("5", 1, "05");
        assert_value("10", 1, "0a");
        assert_value("05", 1, "05");
        assert_value("-1", 1, "ff");
        assert_value("-128", 1, "80");
        assert_value("256", 2, LITTLE ? "0001" : "0100");
        assert_value("0x1234", 2, LITTLE ? "3412" : "1234");
        assert_value("5", 4, LITTLE ? "05000000" : "00000005");
        assert_value("-1", 8, "ffffffffffffffff");
        assert_value("18446744073709551615", 8, "ffffffffffffffff");
        assert_no_value("256", 1);
        assert_no_value("-129", 1);
        assert_no_value("4294967296", 4);
        assert_no_value("0x", 4);
        assert_no_value("five", 4);
        assert_no_value("-", 4);
}

static void test_bytes(void **state)
{
        (void)state;
        assert_value("hex:00 01 02", 3, "000102");
        assert_value("hex:00:01:02", 3, "000102");
        assert_value("0011aabb", 4, "0011aabb");
        assert_value("00110011", 4, "00110011");
        assert_value("0011AABBCC", 5, "0011aabbcc");
        assert_value("10", 3 - 2, "0a");
        assert_value("101010", 3, "101010");
        assert_value("", 0, "");
        assert_no_value("hex:00 0", 2);
        assert_no_value("hex:0g", 1);
        assert_no_value("hex:00", 2);
        assert_no_value("0011", 4);
        assert_no_value("5", 3);
        assert_no_value("", 4);
}

static void assert_global(const char *value, const char *expected)
{
        g_autofree char *reason = NULL, *text = NULL;
        g_autoptr(GVariant) variant = value_parse_global(value, &reason);

        if (!variant)
                fail_msg("%s: %s", value, reason);
        text = g_variant_print(variant, TRUE);
        assert_string_equal(text, expected);
}

static void assert_no_global(const char *value, const char *expected)
{
        g_autofree char *reason = NULL;

        assert_null(value_parse_global(value, &reason));
        assert_non_null(strstr(reason, expected));
}

static void test_global_bytes(void **state)
{
        static const struct {
                const char *value, *little, *big;
        } cases[] = {
                {"u8:255", "ff", "ff"},
                {"u16:1", "0100", "0001"},
                {"u32:5", "05000000", "00000005"},
                {"u32:0xdeadbeef", "efbeadde", "deadbeef"},
                {"u64:1", "0100000000000000", "0000000000000001"},
                {"s8:-1", "ff", "ff"},
                {"s32:-2", "feffffff", "fffffffe"},
                {"s64:-9223372036854775808", "0000000000000080", "8000000000000000"},
                {"hex:10", "10", "10"},
                {"hex:00:1b:21:aa:bb:cc", "001b21aabbcc", "001b21aabbcc"},
                {"hex:", "", ""},
        };

        (void)state;
        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                g_autofree char *reason = NULL;
                g_autoptr(GVariant) variant = value_parse_global(cases[i].value, &reason);

                assert_non_null(variant);
                assert_true(g_variant_is_of_type(variant, G_VARIANT_TYPE_BYTESTRING));
                assert_text(value_hex(g_variant_get_data(variant), g_variant_get_size(variant)),
                            LITTLE ? cases[i].little : cases[i].big);
        }
        assert_no_global("u8:256", "8 bits");
        assert_no_global("u8:-1", "8 bits");
        assert_no_global("s8:128", "8 bits");
        assert_no_global("s8:-129", "8 bits");
        assert_no_global("u32:", "32 bits");
        assert_no_global("hex:0", "two hex digits");
}

static void test_global_words(void **state)
{
        (void)state;
        /* What these are the variable's type says, and that is in the object. */
        assert_global("5", "'5'");
        assert_global("-5", "'-5'");
        assert_global("0x05", "'0x05'");
        assert_global("0011", "'0011'");
        assert_global("deadbeef", "'deadbeef'");
        assert_global("true", "'true'");
        assert_global("MODE_ON", "'MODE_ON'");
        assert_global("", "''");
        assert_global("eth0", "'eth0'");
        assert_global("str:eth0", "'eth0'");
        assert_global("str:[x]", "'[x]'");
        assert_global("str:hex:00", "'hex:00'");
        assert_global("\"a\\\"b\"", "'a\"b'");
        assert_global("[1, \"x\"]", "[<int64 1>, <'x'>]");
        assert_global("{\"a\": {\"b\": true}}", "{'a': <{'b': <true>}>}");
        assert_no_global("{a: 1}", "str:");
        assert_no_global("[x]", "str:");
        assert_no_global("\xff", "UTF-8");
}

static void test_format(void **state)
{
        const guint8 bytes[] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff};

        (void)state;
        assert_text(value_format(bytes, 1), "255");
        assert_text(value_format(bytes, 3), "ff ff ff");
        assert_text(value_format(bytes, 8), "18446744073709551615");
        assert_text(value_format(bytes, 0), "");
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_numbers),      cmocka_unit_test(test_bytes),
                cmocka_unit_test(test_global_bytes), cmocka_unit_test(test_global_words),
                cmocka_unit_test(test_format),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
