/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "test-util.h"

static void test_first_stays(void **state)
{
        KernDiag diag = {0};

        (void)state;
        assert_int_equal(kern_fail(&diag, -ENOENT, KERN_ERROR_NO_SUCH_MAP, "no map %d", 7),
                         -ENOENT);
        assert_int_equal(kern_fail(&diag, -EINVAL, KERN_ERROR_FAILED, "later"), -EINVAL);
        assert_int_equal(diag.error, KERN_ERROR_NO_SUCH_MAP);
        assert_string_equal(diag.message, "no map 7.");
        assert_int_equal(kern_fail(NULL, -EIO, KERN_ERROR_FAILED, "nobody listens"), -EIO);

        kern_diag_clear(&diag);
        assert_int_equal(diag.error, KERN_ERROR_NONE);
        kern_diag_clear(NULL);
}

static void test_full_stop(void **state)
{
        KernDiag diag = {0};

        (void)state;
        kern_fail(&diag, -1, KERN_ERROR_FAILED, "already.");
        assert_string_equal(diag.message, "already.");
        kern_diag_clear(&diag);
        kern_fail(&diag, -1, KERN_ERROR_FAILED, "first\nand a log");
        assert_string_equal(diag.message, "first\nand a log");
        kern_diag_clear(&diag);
        kern_fail(&diag, -1, KERN_ERROR_FAILED, "%s", "");
        assert_string_equal(diag.message, "");
}

static void test_long_message(void **state)
{
        char text[8192];
        KernDiag diag = {0};

        (void)state;
        /* cut within a character: what is left of it must not stay */
        for (size_t i = 0; i < sizeof(text) - 1; i++)
                text[i] = i % 2 ? '\xa4' : '\xc3';
        text[sizeof(text) - 1] = '\0';
        kern_fail(&diag, -1, KERN_ERROR_FAILED, "%s", text);
        assert_int_equal(strlen(diag.message), sizeof(diag.message) - 1);
        assert_int_equal(diag.message[sizeof(diag.message) - 2], '?');
}

static void test_clean(void **state)
{
        static const struct {
                const char *text, *clean;
        } cases[] = {
                {"plain\n\tlines", "plain\n\tlines"},
                {"\x1b[31mred\x7f", "?[31mred?"},
                {"gr\xc3\xbc\xc3\x9f \xe2\x86\x92 \xf0\x9f\x90\x9d",
                 "gr\xc3\xbc\xc3\x9f \xe2\x86\x92 \xf0\x9f\x90\x9d"},
                {"\xff\xfe", "??"},
                {"\xc3", "?"},
                {"\xc0\x80", "??"},           /* overlong */
                {"\xed\xa0\x80", "???"},      /* surrogate */
                {"\xf4\x90\x80\x80", "????"}, /* beyond Unicode */
                {"\xe2\x86", "??"},
                {"", ""},
        };

        (void)state;
        for (size_t i = 0; i < KERN_ELEMENTSOF(cases); i++) {
                char text[64];

                snprintf(text, sizeof(text), "%s", cases[i].text);
                assert_string_equal(kern_text_clean(text), cases[i].clean);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_first_stays),
                cmocka_unit_test(test_full_stop),
                cmocka_unit_test(test_long_message),
                cmocka_unit_test(test_clean),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
