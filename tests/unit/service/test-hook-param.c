/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "test-hooks.h"

#include "hook-param.h"

static char *xml, *page;

static void all_are_options(void **state)
{
        const BusHookParam *params = hook_params();

        (void)state;
        for (int i = 0; i < _KERN_PARAM_MAX; i++) {
                assert_string_equal(params[i].name, kern_params[i].name);
                assert_non_null(params[i].types[0]);
        }
        assert_null(params[_KERN_PARAM_MAX].name);
}

/* "priority (u):" of Attach()'s options, and "--priority=" of bpfctl attach */
static void all_are_documented(void **state)
{
        const BusHookParam *params = hook_params();

        (void)state;
        for (int i = 0; i < _KERN_PARAM_MAX; i++) {
                const char *const *types = params[i].types;
                g_autofree char *in_xml = g_strdup_printf(" %s (%s", params[i].name, types[0]);
                g_auto(GStrv) words = g_strsplit(params[i].name, "_", -1);
                g_autofree char *option = g_strjoinv("\\-", words);
                g_autofree char *in_page = g_strdup_printf("\\-\\-%s=", option);

                if (!strstr(xml, in_xml))
                        fail_msg("org.bpfkeeper1.Program.xml has no \"%s\"", in_xml);
                if (!strstr(page, in_page))
                        fail_msg("bpfctl(1) has no \"%s\"", in_page);
        }
}

static void as_text(void **state)
{
        static const uint64_t cookies[] = {1, 2};
        char *texts[_KERN_PARAM_MAX] = {[KERN_PARAM_INTERFACE] = (char *)"veth0"};
        KernHook hook = {
                .ifindex = 7,
                .direction = KERN_DIRECTION_EGRESS,
                .priority = UINT32_MAX,
                .pid = -1,
                .cookie = UINT64_MAX,
                .function = "vfs_read",
                .functions = "a*,b",
                .cookies = {cookies, 2},
                .target_program_id = 9,
                .proceed_on = 1U << XDP_DROP | 1U << XDP_PASS,
        };
        static const struct {
                KernParam param;
                const char *text;
        } cases[] = {
                {KERN_PARAM_INTERFACE, "veth0"},
                {KERN_PARAM_DIRECTION, "egress"},
                {KERN_PARAM_PRIORITY, "4294967295"},
                {KERN_PARAM_MODE, "auto"},
                {KERN_PARAM_PID, "-1"},
                {KERN_PARAM_COOKIE, "18446744073709551615"},
                {KERN_PARAM_FUNCTION, "vfs_read"},
                {KERN_PARAM_FUNCTIONS, "a* b"},
                {KERN_PARAM_TARGET_PROGRAM, "9"},
                {KERN_PARAM_PROCEED_ON, "drop,pass"},
                {KERN_PARAM_TARGET, ""},
                {KERN_PARAM_EVENT, ""},
        };

        (void)state;
        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                g_autofree char *text = hook_param_text(&hook, texts, cases[i].param);

                assert_string_equal(text, cases[i].text);
        }
        assert_null(hook_param_text(&hook, texts, KERN_PARAM_COOKIES));
        hook.functions = NULL;
        hook.cookies = (KernNumbers){0};
        for (int i = 0; i < _KERN_PARAM_MAX; i++) {
                g_auto(BusValue) value = {0};

                hook_param_value(&hook, texts, (KernParam)i, &value);
                assert_non_null(value.type);
        }
}

int main(int argc, char **argv)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(all_are_options),
                cmocka_unit_test(all_are_documented),
                cmocka_unit_test(as_text),
        };
        int failed;

        if (argc != 3 || !g_file_get_contents(argv[1], &xml, NULL, NULL) ||
            !g_file_get_contents(argv[2], &page, NULL, NULL))
                return 1;
        failed = cmocka_run_group_tests(tests, NULL, NULL);
        g_free(xml);
        g_free(page);
        return failed;
}
