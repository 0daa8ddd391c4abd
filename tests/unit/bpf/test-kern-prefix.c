/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "kern-prefix.h"

static void test_good(void **state)
{
        static const struct {
                const char *text, *canonical;
                int family;
                uint8_t length;
        } cases[] = {
                {"10.2.0.0/16", "10.2.0.0/16", AF_INET, 16},
                {"10.2.3.4", "10.2.3.4/32", AF_INET, 32},
                {"10.2.3.4/32", "10.2.3.4/32", AF_INET, 32},
                {"0.0.0.0/0", "0.0.0.0/0", AF_INET, 0},
                {"128.0.0.0/1", "128.0.0.0/1", AF_INET, 1},
                {"10.2.2.0/23", "10.2.2.0/23", AF_INET, 23},
                {"::/0", "::/0", AF_INET6, 0},
                {"FC00:0:0:0:0:0:0:1", "fc00::1/128", AF_INET6, 128},
                {"fc00::/7", "fc00::/7", AF_INET6, 7},
                {"fc00:0::0/64", "fc00::/64", AF_INET6, 64},
                {"ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe/127",
                 "ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe/127", AF_INET6, 127},
                {"::ffff:10.2.0.0/112", "::ffff:10.2.0.0/112", AF_INET6, 112},
        };

        (void)state;
        for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
                char text[KERN_PREFIX_TEXT_MAX];
                KernPrefix prefix, again;
                KernDiag diag = {0};

                assert_int_equal(kern_prefix_parse(cases[i].text, &prefix, &diag), 0);
                assert_int_equal(prefix.family, cases[i].family);
                assert_int_equal(prefix.length, cases[i].length);
                assert_string_equal(kern_prefix_to_string(&prefix, text), cases[i].canonical);
                assert_int_equal(kern_prefix_parse(text, &again, &diag), 0);
                assert_memory_equal(again.bytes, prefix.bytes, sizeof(prefix.bytes));
        }
}

/* What is wrong is said, and for what is nearly right what would be. */
static void test_bad(void **state)
{
        static const struct {
                const char *text, *message;
        } cases[] = {
                {"", "\"\" is no route"},
                {"default", "0.0.0.0/0"},
                {"10.2.0.0/33", "an IPv4 address has 32 bits"},
                {"10.2.0.0/999", "32 bits"},
                {"10.2.0.0/1000", "0 to 32"},
                {"fc00::/129", "an IPv6 address has 128 bits"},
                {"10.2.0.0/", "0 to 32"},
                {"10.2.0.0/016", "0 to 32"},
                {"10.2.0.0/+16", "0 to 32"},
                {"10.2.0.0/16 ", "0 to 32"},
                {"10.2.0.0/-1", "0 to 32"},
                {"10.2.0.0/16/16", "0 to 32"},
                {"10.2", "give a network"},
                {"10.2.0.256", "give a network"},
                {"010.2.0.0/16", "give a network"},
                {"/16", "give a network"},
                {"fc00::1::/64", "give a network"},
                {"fe80::1%eth0", "give a network"},
                {"1111:2222:3333:4444:5555:6666:7777:8888:9999:aaaa:bbbb:cccc", "give a network"},
                {"10.2.3.4/16", "the network is 10.2.0.0/16"},
                {"10.2.3.0/23", "the network is 10.2.2.0/23"},
                {"1.0.0.0/0", "the network is 0.0.0.0/0"},
                {"fc00::1/64", "the network is fc00::/64"},
                {"::1/127", "the network is ::/127"},
        };

        (void)state;
        for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
                KernPrefix prefix;
                KernDiag diag = {0};

                assert_int_equal(kern_prefix_parse(cases[i].text, &prefix, &diag), -EINVAL);
                assert_int_equal(diag.error, KERN_ERROR_INVALID_ARGUMENT);
                assert_non_null(strstr(diag.message, cases[i].message));
                kern_diag_clear(&diag);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_good),
                cmocka_unit_test(test_bad),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
