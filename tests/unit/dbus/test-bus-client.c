/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "test-bus.h"

#include <errno.h>

#include "bus-client.h"

static GVariant *received;

/* Takes a call with whatever arguments and answers with them. */
static int on_any(sd_bus_message *m, void *userdata, sd_bus_error *reterr)
{
        sd_bus_message *reply = NULL;

        (void)userdata, (void)reterr;
        g_clear_pointer(&received, g_variant_unref);
        assert_int_equal(bus_client_read(m, &received), 0);
        assert_true(sd_bus_message_new_method_return(m, &reply) >= 0);
        assert_int_equal(bus_client_append(reply, received), 0);
        assert_true(sd_bus_send(pair.server, reply, NULL) >= 0);
        sd_bus_message_unref(reply);
        return 1;
}

static int set_up(void **state)
{
        (void)state;
        pair_new();
        assert_true(sd_bus_add_object(pair.server, NULL, "/x", on_any, NULL) >= 0);
        pair_start();
        return 0;
}

static int tear_down(void **state)
{
        (void)state;
        g_clear_pointer(&received, g_variant_unref);
        pair_free();
        return 0;
}

/* Text of a GVariant → message → GVariant → message → GVariant. */
static void variants_travel(void **state)
{
        static const char *const texts[] = {
                "()",
                "(true, false)",
                "(byte 0xff, int16 -1, uint16 65535, -2147483648, uint32 4294967295)",
                "(int64 -9223372036854775808, uint64 18446744073709551615, 1.5)",
                "('', 'text', objectpath '/a/b', signature 'a{sv}')",
                "([byte 0, 1, 2, 255], @ay [])",
                "(@as [], ['a', 'b'], @a{sv} {}, [('a', 'b'), ('c', 'd')])",
                "({'name': <'x'>, 'list': <[uint32 1, 2]>, 'deep': <{'a': <<<byte 1>>>}>},)",
                "([{'a': [byte 1]}, {'b': @ay []}], ('x', ('y', (uint64 1,))))",
                "({uint32 1: {objectpath '/o': {'p': <true>}}},)",
        };

        (void)state;
        for (size_t i = 0; i < G_N_ELEMENTS(texts); i++) {
                g_autoptr(GVariant) sent = g_variant_parse(NULL, texts[i], NULL, NULL, NULL);
                g_autoptr(GVariant) back = NULL;
                sd_bus_message *m = NULL;

                assert_non_null(sent);
                assert_true(sd_bus_message_new_method_call(pair.client, &m, NULL, "/x", "x.y",
                                                           "Take") >= 0);
                assert_int_equal(bus_client_append(m, sent), 0);
                assert_int_equal(bus_client_read(pair_send(m), &back), 0);
                assert_true(g_variant_equal(sent, received));
                assert_true(g_variant_equal(sent, back));
        }
}

static void maybes_are_refused(void **state)
{
        g_autoptr(GVariant) tuple =
                g_variant_ref_sink(g_variant_parse(NULL, "(just 1,)", NULL, NULL, NULL));
        sd_bus_message *m = NULL;

        (void)state;
        assert_true(sd_bus_message_new_method_call(pair.client, &m, NULL, "/x", "x.y", "Take") >=
                    0);
        assert_int_equal(bus_client_append(m, tuple), -EOPNOTSUPP);
        sd_bus_message_unref(m);
        g_variant_unref(tuple);
}

static void refusals_are_told_from_failures(void **state)
{
        static const struct {
                const char *name;
                bool refusal, no_object;
        } errors[] = {
                {"org.bpfkeeper1.Error.NotAuthorized", true, false},
                {"org.bpfkeeper1.Error.AuthorizationDismissed", true, false},
                {"org.bpfkeeper1.Error.AuthorizationRequired", true, false},
                {"org.bpfkeeper1.Error.NoAuthority", true, false},
                {SD_BUS_ERROR_ACCESS_DENIED, true, false},
                {SD_BUS_ERROR_INTERACTIVE_AUTHORIZATION_REQUIRED, true, false},
                {"org.bpfkeeper1.Error.NoSuchObject", false, true},
                {SD_BUS_ERROR_UNKNOWN_OBJECT, false, true},
                {"org.bpfkeeper1.Error.Cancelled", false, false},
                {"org.bpfkeeper1.Error.Failed", false, false},
                {SD_BUS_ERROR_FAILED, false, false},
        };

        (void)state;
        for (size_t i = 0; i < G_N_ELEMENTS(errors); i++) {
                const sd_bus_error e = SD_BUS_ERROR_MAKE_CONST(errors[i].name, "x");

                assert_int_equal(bus_client_is_refusal(&e), errors[i].refusal);
                assert_int_equal(bus_client_is_no_object(&e), errors[i].no_object);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(variants_travel, set_up, tear_down),
                cmocka_unit_test_setup_teardown(maybes_are_refused, set_up, tear_down),
                cmocka_unit_test(refusals_are_told_from_failures),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
