/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "test-service.h"

#include "errors.h"

/* How many more @uid may have, up to @max. */
static unsigned room(Quota *quota, uid_t uid, Charge charge, unsigned max)
{
        unsigned n = 0;

        while (n < max && quota_charge(quota, uid, charge, 1, NULL))
                n++;
        if (n > 0)
                quota_release(quota, uid, charge, n);
        return n;
}

static void there_are_limits(void **state)
{
        g_autoptr(Quota) quota = quota_new();

        (void)state;
        assert_int_equal(room(quota, 1000, CHARGE_REQUESTS, 100000), 64);
        assert_int_equal(room(quota, 1000, CHARGE_PROGRAMS, 100000), 256);
        assert_int_equal(room(quota, 1000, CHARGE_MAPS, 100000), 1024);
        assert_int_equal(room(quota, 1000, CHARGE_LINKS, 100000), 1024);
        assert_int_equal(room(quota, 1000, CHARGE_METADATA, 100000), 64 * 1024);
        assert_int_equal(room(quota, 1000, CHARGE_LOGS, 100000), 16 * 1024);
}

static void the_error_says_what(void **state)
{
        g_autoptr(Quota) quota = quota_new();
        g_autoptr(GError) error = NULL;

        (void)state;
        quota_charge_existing(quota, 1000, CHARGE_PROGRAMS, 252);
        assert_false(quota_charge(quota, 1000, CHARGE_PROGRAMS, 5, &error));
        assert_true(g_error_matches(error, BPFKEEPER_ERROR, BPFKEEPER_ERROR_LIMIT_EXCEEDED));
        assert_non_null(strstr(error->message, "256 programs"));
        assert_non_null(strstr(error->message, "1000 has 252"));
        assert_non_null(strstr(error->message, "5 more"));
        /* All or nothing. */
        assert_true(quota_charge(quota, 1000, CHARGE_PROGRAMS, 4, NULL));
        assert_false(quota_charge(quota, 1000, CHARGE_PROGRAMS, 1, NULL));
}

static void one_persons_is_nobody_elses(void **state)
{
        g_autoptr(Quota) quota = quota_new();

        (void)state;
        assert_true(quota_charge(quota, 1000, CHARGE_REQUESTS, 64, NULL));
        assert_false(quota_charge(quota, 1000, CHARGE_REQUESTS, 1, NULL));
        assert_true(quota_charge(quota, 1001, CHARGE_REQUESTS, 64, NULL));
        assert_true(quota_charge(quota, 1000, CHARGE_LINKS, 1, NULL));
        quota_release(quota, 1000, CHARGE_REQUESTS, 1);
        assert_true(quota_charge(quota, 1000, CHARGE_REQUESTS, 1, NULL));
}

static void root_has_none(void **state)
{
        g_autoptr(Quota) quota = quota_new();

        (void)state;
        assert_true(quota_charge(quota, 0, CHARGE_REQUESTS, 100000, NULL));
        quota_release(quota, 0, CHARGE_REQUESTS, 100000);
}

/* Found at start, it counts, even above what would be granted now. */
static void what_is_there_counts(void **state)
{
        g_autoptr(Quota) quota = quota_new();

        (void)state;
        quota_charge_existing(quota, 1000, CHARGE_MAPS, 5000);
        assert_false(quota_charge(quota, 1000, CHARGE_MAPS, 1, NULL));
        quota_release(quota, 1000, CHARGE_MAPS, 4072);
        assert_int_equal(room(quota, 1000, CHARGE_MAPS, 1000), 96);
}

static void large_numbers_do_not_wrap(void **state)
{
        g_autoptr(Quota) quota = quota_new();

        (void)state;
        assert_true(quota_charge(quota, 1000, CHARGE_PROGRAMS, 1, NULL));
        assert_false(quota_charge(quota, 1000, CHARGE_PROGRAMS, UINT32_MAX, NULL));
        assert_false(quota_charge(quota, 1000, CHARGE_PROGRAMS, UINT32_MAX - 1, NULL));
        assert_false(quota_charge(quota, (uid_t)-1, CHARGE_PROGRAMS, UINT32_MAX, NULL));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(there_are_limits),
                cmocka_unit_test(the_error_says_what),
                cmocka_unit_test(one_persons_is_nobody_elses),
                cmocka_unit_test(root_has_none),
                cmocka_unit_test(what_is_there_counts),
                cmocka_unit_test(large_numbers_do_not_wrap),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
