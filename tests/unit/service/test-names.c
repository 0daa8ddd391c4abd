/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "test-service.h"

#include "names.h"

static void test_users(void **state)
{
        g_autofree char *root = names_find_user("root"), *zero = names_find_user("0");
        g_autofree char *uid = names_of_uid(0), *nobody = names_of_uid(4199999999U);

        (void)state;
        assert_string_equal(root, "root");
        assert_string_equal(zero, "root");
        assert_string_equal(uid, "root");
        assert_string_equal(nobody, "4199999999");
        assert_null(names_find_user("no such user"));
        assert_null(names_find_user(""));
        assert_null(names_find_user("4199999999"));
        assert_null(names_find_user("-1"));
        assert_null(names_find_user("4294967295"));
}

static void test_groups(void **state)
{
        g_autofree char *root = names_find_group("root"), *zero = names_find_group("0");
        g_auto(GStrv) groups = names_groups_of("root"), none = names_groups_of("no such user");

        (void)state;
        assert_string_equal(root, "root");
        assert_string_equal(zero, "root");
        assert_null(names_find_group("no such group"));
        assert_true(g_strv_contains((const char *const *)groups, "root"));
        assert_int_equal(g_strv_length(none), 0);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_users),
                cmocka_unit_test(test_groups),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
