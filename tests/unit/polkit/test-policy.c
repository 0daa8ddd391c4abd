/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>
#include <glib.h>

#include "kern-types.h"

/* The generated policy, argument of this program. */
static char *policy;

/* What stands between the tags of @element in the action @id. */
static char *action_text(const char *id, const char *element)
{
        g_autofree char *begin = g_strdup_printf("<action id=\"%s\">", id);
        g_autofree char *open = g_strdup_printf("<%s>", element);
        g_autofree char *close = g_strdup_printf("</%s>", element);
        const char *action, *end, *from, *to;

        action = strstr(policy, begin);
        end = action ? strstr(action, "</action>") : NULL;
        from = end ? strstr(action, open) : NULL;
        to = from ? strstr(from, close) : NULL;
        if (!to || to > end) {
                fail_msg("the policy has no %s of %s", element, id);
                return NULL;
        }
        from += strlen(open);
        return g_strndup(from, to - from);
}

static void assert_nobody_may(const char *id)
{
        static const struct {
                const char *element, *value;
        } defaults[] = {
                {"allow_any", "auth_admin"},
                {"allow_inactive", "auth_admin"},
                {"allow_active", "auth_admin_keep"},
        };

        for (size_t i = 0; i < G_N_ELEMENTS(defaults); i++) {
                g_autofree char *text = action_text(id, defaults[i].element);

                assert_string_equal(text, defaults[i].value);
        }
}

/* polkit shows a key that it wasn't given as it stands: only those that are always there may occur. */
static void assert_keys(const char *id, const KernType *attached, const char *const *others)
{
        g_autofree char *message = action_text(id, "message");
        g_autofree char *description = action_text(id, "description");

        assert_true(strlen(description) > 0);
        assert_null(strstr(description, "$("));
        for (const char *p = strstr(message, "$("); p; p = strstr(p + 1, "$(")) {
                g_autofree char *key = g_strndup(p + 2, strcspn(p + 2, ")"));
                bool known = g_strv_contains(others, key);

                for (int i = 0; attached && i < _KERN_PARAM_MAX; i++)
                        if ((attached->required & KERN_PARAM_BIT(i)) &&
                            strcmp(kern_params[i].name, key) == 0)
                                known = true;
                if (!known)
                        fail_msg("%s: $(%s) is not in every check's details", id, key);
        }
}

static void test_each_type_has_two_actions(void **state)
{
        static const char *const keys[] = {"program", NULL};

        (void)state;
        for (const KernType *type = kern_types; type->name; type++) {
                g_autofree char *load = NULL, *attach = NULL, *text = NULL;
                char suffix[32];

                kern_type_action_suffix(type, suffix, sizeof(suffix));
                assert_null(strchr(suffix, '_'));
                load = g_strdup_printf("org.bpfkeeper1.load.%s", suffix);
                attach = g_strdup_printf("org.bpfkeeper1.attach.%s", suffix);
                assert_nobody_may(load);
                assert_nobody_may(attach);
                /* Entities would break the text in polkitd */
                text = action_text(load, "description");
                assert_non_null(strstr(text, type->summary));
                assert_null(strchr(text, '&'));
                assert_keys(load, NULL, keys);
                assert_keys(attach, type, keys);
        }
}

static void test_where_it_goes_is_in_the_message(void **state)
{
        g_autofree char *xdp = action_text("org.bpfkeeper1.attach.xdp", "message");
        g_autofree char *lsm = action_text("org.bpfkeeper1.attach.lsm", "message");

        (void)state;
        assert_non_null(strstr(xdp, "$(interface)"));
        assert_non_null(strstr(lsm, "$(function)"));
        for (const KernType *type = kern_types; type->name; type++) {
                g_autofree char *attach = NULL, *message = NULL;
                char suffix[32];

                kern_type_action_suffix(type, suffix, sizeof(suffix));
                attach = g_strdup_printf("org.bpfkeeper1.attach.%s", suffix);
                message = action_text(attach, "message");
                for (int i = 0; i < _KERN_PARAM_MAX; i++) {
                        g_autofree char *key = g_strdup_printf("$(%s)", kern_params[i].name);

                        if ((type->required & KERN_PARAM_BIT(i)) && !strstr(message, key))
                                fail_msg("%s doesn't say its %s", attach, kern_params[i].name);
                }
        }
}

static void test_fixed_actions(void **state)
{
        static const char *const ids[] = {
                "org.bpfkeeper1.unload-others", "org.bpfkeeper1.detach-others",
                "org.bpfkeeper1.use-others",    "org.bpfkeeper1.map.read",
                "org.bpfkeeper1.map.write",     "org.bpfkeeper1.open-program",
                "org.bpfkeeper1.manage-grants",
        };
        static const char *const keys[] = {"name", "program", "id", "owner", "change", NULL};
        size_t n_actions = 0, n_types = 0;

        (void)state;
        for (size_t i = 0; i < G_N_ELEMENTS(ids); i++) {
                assert_nobody_may(ids[i]);
                assert_keys(ids[i], NULL, keys);
        }

        for (const KernType *type = kern_types; type->name; type++)
                n_types++;
        for (const char *p = strstr(policy, "<action "); p; p = strstr(p + 1, "<action "))
                n_actions++;
        assert_int_equal(n_actions, 2 * n_types + G_N_ELEMENTS(ids));
}

int main(int argc, char *argv[])
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_each_type_has_two_actions),
                cmocka_unit_test(test_where_it_goes_is_in_the_message),
                cmocka_unit_test(test_fixed_actions),
        };
        int failed;

        if (argc != 2 || !g_file_get_contents(argv[1], &policy, NULL, NULL))
                return EXIT_FAILURE;
        failed = cmocka_run_group_tests(tests, NULL, NULL);
        g_free(policy);
        return failed;
}
