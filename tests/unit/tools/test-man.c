/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "test-tools.h"

#include "bus-error.h"

static const char *page;

/* The page lists every error that there is, and none that there isn't. */
static void test_errors(void **state)
{
        g_autofree char *text = NULL;
        size_t listed = 0;

        (void)state;
        assert_true(g_file_get_contents(page, &text, NULL, NULL));
        for (int code = 0; code < _BPFKEEPER_ERROR_MAX; code++) {
                const char *name = strrchr(bus_error_name((BpfkeeperError)code), '.') + 1;
                g_autofree char *entry = g_strdup_printf("\n.TP\n.B %s\n", name);

                if (!strstr(text, entry))
                        fail_msg("bpfkeeper(7) doesn't list %s", name);
        }
        for (const char *p = strstr(text, ".SH ERRORS"), *end = strstr(p, "\n.SH ");
             (p = strstr(p, "\n.TP\n")) && p < end; p++)
                listed++;
        assert_int_equal(listed, _BPFKEEPER_ERROR_MAX);
}

int main(int argc, char **argv)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_errors),
        };

        if (argc != 2)
                return 1;
        page = argv[1];
        return cmocka_run_group_tests(tests, NULL, NULL);
}
