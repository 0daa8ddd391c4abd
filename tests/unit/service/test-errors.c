/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "test-service.h"

#include <errno.h>

#include "errors.h"

static void every_kern_error_has_a_name_on_the_bus(void **state)
{
        (void)state;
        for (int e = 0; e < _KERN_ERROR_MAX; e++) {
                g_autoptr(GError) error = error_from_kern((KernError)e, "words");

                assert_int_equal(error->domain, BPFKEEPER_ERROR);
                assert_non_null(bus_error_name((BpfkeeperError)error->code));
                /* Those that have a name of their own don't end as a mere failure. */
                if (e > KERN_ERROR_FAILED)
                        assert_int_not_equal(error->code, BPFKEEPER_ERROR_FAILED);
                assert_string_equal(error->message, "words");
        }
}

static void some_of_them(void **state)
{
        static const struct {
                KernError kern;
                BpfkeeperError code;
        } pairs[] = {
                {KERN_ERROR_VERIFIER, BPFKEEPER_ERROR_VERIFIER_REFUSED},
                {KERN_ERROR_NOT_ELF, BPFKEEPER_ERROR_NOT_ELF},
                {KERN_ERROR_NO_SUCH_PROGRAM, BPFKEEPER_ERROR_NO_SUCH_FUNCTION_IN_OBJECT},
                {KERN_ERROR_HOOK_BUSY, BPFKEEPER_ERROR_HOOK_BUSY},
                {KERN_ERROR_NO_SUCH_INTERFACE, BPFKEEPER_ERROR_NO_SUCH_INTERFACE},
                {KERN_ERROR_READ_ONLY, BPFKEEPER_ERROR_READ_ONLY},
        };

        (void)state;
        for (size_t i = 0; i < G_N_ELEMENTS(pairs); i++) {
                g_autoptr(GError) error = error_from_kern(pairs[i].kern, "");

                assert_int_equal(error->code, pairs[i].code);
        }
}

/* A worker's answer is a number from outside. */
static void numbers_from_outside(void **state)
{
        static const unsigned numbers[] = {_KERN_ERROR_MAX, 1000, UINT32_MAX, 0x80000000};

        (void)state;
        for (size_t i = 0; i < G_N_ELEMENTS(numbers); i++) {
                g_autoptr(GError) error = error_from_kern((KernError)numbers[i], "%s%n");

                assert_int_equal(error->code, BPFKEEPER_ERROR_FAILED);
                assert_string_equal(error->message, "%s%n");
        }
}

static void from_diagnosis_and_errno(void **state)
{
        KernDiag diag = {0};
        g_autoptr(GError) bare = error_from_diag(&diag, -ENOSPC);
        g_autoptr(GError) with_errno = error_from_errno(-EBUSY, "do that");
        g_autoptr(GError) said = NULL;

        (void)state;
        assert_int_equal(bare->code, BPFKEEPER_ERROR_FAILED);
        assert_non_null(strstr(bare->message, g_strerror(ENOSPC)));
        assert_true(g_str_has_prefix(with_errno->message, "Can't do that: "));
        (void)kern_fail(&diag, -ENODEV, KERN_ERROR_NO_SUCH_INTERFACE, "No %s", "eth7");
        said = error_from_diag(&diag, -ENODEV);
        assert_int_equal(said->code, BPFKEEPER_ERROR_NO_SUCH_INTERFACE);
        assert_true(g_str_has_prefix(said->message, "No eth7"));
        kern_diag_clear(&diag);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(every_kern_error_has_a_name_on_the_bus),
                cmocka_unit_test(some_of_them),
                cmocka_unit_test(numbers_from_outside),
                cmocka_unit_test(from_diagnosis_and_errno),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
