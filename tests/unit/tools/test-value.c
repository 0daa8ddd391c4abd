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

static void test_global(void **state)
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
                {"str:eth0", "6574683000", "6574683000"},
                {"str:", "00", "00"},
                {"hex:10", "10", "10"},
                {"05000000", "05000000", "05000000"},
                {"deadbeef", "deadbeef", "deadbeef"},
        };
        static const char *const wrong[] = {"u8:256", "u8:-1", "s8:128", "s8:-129", "u32:", "10",
                                            "0x05",   "5",     "",       "hex:0",   "text"};

        (void)state;
        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                g_autofree char *reason = NULL;
                GBytes *bytes = value_parse_global(cases[i].value, &reason);

                assert_non_null(bytes);
                assert_text(hex_of(bytes), LITTLE ? cases[i].little : cases[i].big);
        }
        for (size_t i = 0; i < G_N_ELEMENTS(wrong); i++) {
                g_autofree char *reason = NULL;

                assert_null(value_parse_global(wrong[i], &reason));
                assert_non_null(reason);
        }
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
                cmocka_unit_test(test_numbers),
                cmocka_unit_test(test_bytes),
                cmocka_unit_test(test_global),
                cmocka_unit_test(test_format),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
