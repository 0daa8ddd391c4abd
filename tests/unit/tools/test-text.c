/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "test-tools.h"

#include "text.h"

static void test_escape(void **state)
{
        (void)state;
        assert_text(text_escape("", false), "");
        assert_text(text_escape("plain name ü 漢", false), "plain name ü 漢");
        assert_text(text_escape("a\nb\tc", false), "a\\nb\\tc");
        assert_text(text_escape("a\nb\tc\r", true), "a\nb\tc\\x0d");
        assert_text(text_escape("\x1b[31mred\x07", true), "\\x1b[31mred\\x07");
        assert_text(text_escape("\x7f", false), "\\x7f");
        /* CSI as one character, and an override of the direction of writing */
        assert_text(text_escape("\xc2\x9b"
                                "31m",
                                false),
                    "\\x9b31m");
        assert_text(text_escape("\xe2\x80\xae", false), "\\u202e");
        assert_text(text_escape("\xf3\xa0\x80\x81", false), "\\U000e0001");
        /* invalid and incomplete UTF-8 */
        assert_text(text_escape("a\xff\xc3", false), "a\\xff\\xc3");
}

static void test_snake(void **state)
{
        (void)state;
        assert_text(text_snake("Id"), "id");
        assert_text(text_snake("OwnerUid"), "owner_uid");
        assert_text(text_snake("RunTimeNSec"), "run_time_nsec");
        assert_text(text_snake("PossibleCpus"), "possible_cpus");
        assert_text(text_snake("KernelLinkIds"), "kernel_link_ids");
        assert_text(text_snake("BytesMemlock"), "bytes_memlock");
        assert_text(text_snake("duration"), "duration");
}

static void test_sizes(void **state)
{
        (void)state;
        assert_text(text_size(0), "0B");
        assert_text(text_size(1023), "1023B");
        assert_text(text_size(4096), "4.0K");
        assert_text(text_size(UINT64_MAX), "16.0E");
        assert_text(text_duration(999), "999ns");
        assert_text(text_duration(1500), "1.5us");
        assert_text(text_duration(UINT64_C(2500000000)), "2.5s");
}

static void test_times(void **state)
{
        const uint64_t now = UINT64_C(1700000000) * G_USEC_PER_SEC;

        (void)state;
        assert_text(text_ago(0, now), "n/a");
        assert_text(text_ago(now, now), "just now");
        assert_text(text_ago(now - 59 * G_USEC_PER_SEC, now), "59s ago");
        assert_text(text_ago(now - 61 * G_USEC_PER_SEC, now), "1min ago");
        assert_text(text_ago(now - UINT64_C(7260) * G_USEC_PER_SEC, now), "2h 1min ago");
        assert_text(text_ago(now - UINT64_C(86400) * G_USEC_PER_SEC, now), "1 day ago");
        assert_text(text_ago(now + UINT64_C(60) * G_USEC_PER_SEC, now), "in the future");
        assert_text(text_time(0), "n/a");
        assert_text(text_time(UINT64_MAX), "n/a");
}

static void test_width(void **state)
{
        (void)state;
        assert_int_equal(text_width("abc"), 3);
        assert_int_equal(text_width("漢字"), 4);
        assert_int_equal(text_width("e\xcc\x81"), 1);
}

static void test_numbers(void **state)
{
        uint64_t u = 77;
        int64_t n = 77;

        (void)state;
        assert_true(text_parse_unsigned("0", 10, &u));
        assert_int_equal(u, 0);
        assert_true(text_parse_unsigned("0x1F", 255, &u));
        assert_int_equal(u, 31);
        assert_true(text_parse_unsigned("010", 255, &u));
        assert_int_equal(u, 10);
        assert_true(text_parse_unsigned("18446744073709551615", UINT64_MAX, &u));
        assert_true(u == UINT64_MAX);
        assert_false(text_parse_unsigned("18446744073709551616", UINT64_MAX, &u));
        assert_false(text_parse_unsigned("256", 255, &u));
        assert_false(text_parse_unsigned("", 255, &u));
        assert_false(text_parse_unsigned("0x", 255, &u));
        assert_false(text_parse_unsigned("-1", 255, &u));
        assert_false(text_parse_unsigned("1 ", 255, &u));
        assert_true(text_parse_signed("-1", INT32_MIN, INT32_MAX, &n));
        assert_int_equal(n, -1);
        assert_true(text_parse_signed("-9223372036854775808", INT64_MIN, INT64_MAX, &n));
        assert_true(n == INT64_MIN);
        assert_false(text_parse_signed("-9223372036854775809", INT64_MIN, INT64_MAX, &n));
        assert_false(text_parse_signed("-1", 0, 10, &n));
        assert_false(text_parse_signed("--1", INT32_MIN, INT32_MAX, &n));
        assert_false(text_parse_signed("11", 0, 10, &n));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_escape), cmocka_unit_test(test_snake),
                cmocka_unit_test(test_sizes),  cmocka_unit_test(test_times),
                cmocka_unit_test(test_width),  cmocka_unit_test(test_numbers),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
