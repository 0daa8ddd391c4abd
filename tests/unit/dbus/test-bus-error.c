/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "test-bus.h"

#include <errno.h>
#include <string.h>

#include <gio/gio.h>

#include "bus-error.h"

#define PREFIX "org.bpfkeeper1.Error."

static void names_and_codes_go_both_ways(void **state)
{
        g_autoptr(GHashTable) seen = g_hash_table_new(g_str_hash, g_str_equal);

        (void)state;
        for (int code = 0; code < _BPFKEEPER_ERROR_MAX; code++) {
                const char *name = bus_error_name((BpfkeeperError)code);

                /* A hole in the table would be a NULL here. */
                assert_non_null(name);
                assert_true(g_str_has_prefix(name, PREFIX));
                assert_true(sd_bus_interface_name_is_valid(name));
                assert_true(g_hash_table_add(seen, (gpointer)name));
                assert_int_equal(bus_error_code(name), code);
        }
        assert_string_equal(bus_error_name(BPFKEEPER_ERROR_HOOK_BUSY), PREFIX "HookBusy");
        assert_string_equal(bus_error_name(BPFKEEPER_ERROR_FAILED), PREFIX "Failed");
}

static void names_of_others_have_no_code(void **state)
{
        static const char *const names[] = {
                NULL,
                "",
                "Failed",
                PREFIX,
                PREFIX "failed",
                PREFIX "Failed ",
                PREFIX "NoSuchThing",
                "org.freedesktop.DBus.Error.Failed",
                "org.bpfkeeper1.ErrorFailed",
        };

        (void)state;
        for (size_t i = 0; i < G_N_ELEMENTS(names); i++)
                assert_int_equal(bus_error_code(names[i]), -ENOENT);
        assert_null(bus_error_name(_BPFKEEPER_ERROR_MAX));
        assert_null(bus_error_name((BpfkeeperError)-1));
}

static void every_code_becomes_an_error(void **state)
{
        (void)state;
        for (int code = 0; code < _BPFKEEPER_ERROR_MAX; code++) {
                g_autoptr(GError) error = g_error_new(BPFKEEPER_ERROR, code, "because of %d", code);
                sd_bus_error e = SD_BUS_ERROR_NULL;
                int r = bus_error_from_gerror(&e, error);

                assert_true(r < 0);
                assert_string_equal(e.name, bus_error_name((BpfkeeperError)code));
                assert_string_equal(e.message, error->message);
                sd_bus_error_free(&e);
        }
}

static void errors_of_other_domains_are_failures(void **state)
{
        g_autoptr(GError) error = g_error_new(G_IO_ERROR, G_IO_ERROR_NOT_FOUND, "Not here");
        g_autoptr(GError) wild = g_error_new(BPFKEEPER_ERROR, 12345, "What is that");
        sd_bus_error e = SD_BUS_ERROR_NULL;

        (void)state;
        assert_true(bus_error_from_gerror(&e, error) < 0);
        assert_string_equal(e.name, PREFIX "Failed");
        assert_string_equal(e.message, "Not here");
        sd_bus_error_free(&e);
        assert_true(bus_error_from_gerror(&e, wild) < 0);
        assert_string_equal(e.name, PREFIX "Failed");
        sd_bus_error_free(&e);
}

/* The bus disconnects whoever sends what isn't UTF-8, so a caller's bytes must not get that far. */
static void messages_can_be_sent(void **state)
{
        static const char *const messages[] = {
                "\xff\xfe\xfd",
                "half a letter: \xc3",
                "\xed\xa0\x80 surrogate",
                "\xc0\xaf overlong",
                "fine: \xc3\xa4",
                "",
                "%s%n%d",
        };
        g_autofree char *large = g_malloc(1000001);
        sd_bus_error e = SD_BUS_ERROR_NULL;
        g_autoptr(GError) error = NULL;

        (void)state;
        for (size_t i = 0; i < G_N_ELEMENTS(messages); i++) {
                g_autoptr(GError) one =
                        g_error_new_literal(BPFKEEPER_ERROR, BPFKEEPER_ERROR_FAILED, messages[i]);

                assert_true(bus_error_from_gerror(&e, one) < 0);
                assert_true(g_utf8_validate(e.message, -1, NULL));
                sd_bus_error_free(&e);
                assert_true(bus_error_setf(&e, BPFKEEPER_ERROR_FAILED, "<%s>", messages[i]) < 0);
                assert_true(g_utf8_validate(e.message, -1, NULL));
                sd_bus_error_free(&e);
        }
        /* Cut in the middle of a letter. */
        for (size_t i = 0; i < 1000000; i += 2)
                memcpy(large + i, "\xc3\xa4", 2);
        large[1000000] = '\0';
        for (size_t shift = 0; shift < 2; shift++) {
                error = g_error_new_literal(BPFKEEPER_ERROR, BPFKEEPER_ERROR_FAILED, large + shift);
                assert_true(bus_error_from_gerror(&e, error) < 0);
                assert_true(g_utf8_validate(e.message, -1, NULL));
                assert_true(strlen(e.message) < 5000);
                sd_bus_error_free(&e);
                g_clear_error(&error);
        }
}

static void setf_formats(void **state)
{
        sd_bus_error e = SD_BUS_ERROR_NULL;
        int r;

        (void)state;
        r = bus_error_setf(&e, BPFKEEPER_ERROR_LIMIT_EXCEEDED, "%d of %s", 3, "four");
        assert_int_equal(r, -EDQUOT);
        assert_string_equal(e.name, PREFIX "LimitExceeded");
        assert_string_equal(e.message, "3 of four");
        sd_bus_error_free(&e);
}

static int method_fail(sd_bus_message *m, void *userdata, sd_bus_error *reterr)
{
        g_autoptr(GError) error = g_error_new_literal(BPFKEEPER_ERROR, BPFKEEPER_ERROR_READ_ONLY,
                                                      "A frozen map \xff");

        (void)userdata, (void)reterr;
        assert_true(bus_reply_gerror(m, error) >= 0);
        return 1;
}

static void answers_travel(void **state)
{
        static const sd_bus_vtable vtable[] = {
                SD_BUS_VTABLE_START(0),
                SD_BUS_METHOD("Fail", "", "", method_fail, SD_BUS_VTABLE_UNPRIVILEGED),
                SD_BUS_VTABLE_END,
        };

        (void)state;
        pair_new();
        assert_true(sd_bus_add_object_vtable(pair.server, NULL, "/x", "x.y", vtable, NULL) >= 0);
        pair_start();
        pair_call("/x", "x.y", "Fail", "");
        assert_string_equal(pair_error(), PREFIX "ReadOnly");
        assert_true(g_str_has_prefix(pair_error_message(), "A frozen map "));
        assert_true(g_utf8_validate(pair_error_message(), -1, NULL));
        pair_free();
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(names_and_codes_go_both_ways),
                cmocka_unit_test(names_of_others_have_no_code),
                cmocka_unit_test(every_code_becomes_an_error),
                cmocka_unit_test(errors_of_other_domains_are_failures),
                cmocka_unit_test(messages_can_be_sent),
                cmocka_unit_test(setf_formats),
                cmocka_unit_test(answers_travel),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
