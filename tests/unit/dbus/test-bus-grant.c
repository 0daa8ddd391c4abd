/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "test-bus.h"

#include <errno.h>
#include <inttypes.h>
#include <unistd.h>

#include "bus-api-internal.h"
#include "fake-ops.h"

#define MANAGER "/org/bpfkeeper1", "org.bpfkeeper1.Manager"
#define ERROR "org.bpfkeeper1.Error."

static BusApi *api;

static int set_up(void **state)
{
        (void)state;
        fake_new();
        pair_new();
        api = bus_api_new(&fake_ops, &fake);
        assert_int_equal(bus_api_serve(api, pair.server), 0);
        pair_start();
        return 0;
}

static int tear_down(void **state)
{
        (void)state;
        g_clear_pointer(&api, bus_api_free);
        pair_free();
        fake_free();
        return 0;
}

/* What the operations were asked by this call, or the error's name. */
#define asked(...)                                                 \
        (g_string_truncate(fake.asked, 0), pair_call(__VA_ARGS__), \
         *pair_error() ? pair_error() : fake.asked->str)

static void add_arguments(void **state)
{
        const char *id;

        (void)state;
        assert_string_equal(asked(MANAGER, "AddGrant", "a{sv}", 0), "add_grant");
        assert_string_equal(asked(MANAGER, "AddGrant", "a{sv}", 7, "user", "s", "alice", "types",
                                  "as", 2, "xdp", "tc", "verbs", "as", 1, "load", "interface", "s",
                                  "veth*", "cgroup", "s", "/x", "signed_by", "s", "me", "until",
                                  "t", UINT64_MAX),
                            "add_grant user:alice types:xdp,tc verbs:load interface:veth* "
                            "cgroup:/x signed_by:me until:18446744073709551615");
        assert_true(sd_bus_message_read_basic(pair.reply, 's', &id) > 0);
        assert_string_equal(id, "alice-xdp");
        /* Nothing isn't the same as not told. */
        assert_string_equal(asked(MANAGER, "AddGrant", "a{sv}", 3, "group", "s", "", "types", "as",
                                  0, "until", "t", UINT64_C(0)),
                            "add_grant group: types: until:0");
}

static void add_refuses(void **state)
{
        (void)state;
        assert_string_equal(asked(MANAGER, "AddGrant", "a{sv}", 1, "types", "s", "xdp"),
                            ERROR "WrongType");
        assert_string_equal(asked(MANAGER, "AddGrant", "a{sv}", 1, "until", "s", "+2h"),
                            ERROR "WrongType");
        /* What would be a limit that isn't kept */
        assert_string_equal(asked(MANAGER, "AddGrant", "a{sv}", 1, "netns", "s", "me"),
                            ERROR "UnknownOption");
        assert_non_null(strstr(pair_error_message(), "interface"));
        assert_string_equal(asked(MANAGER, "AddGrant", "a{sv}", 2, "user", "s", "a", "user", "s",
                                  "b"),
                            ERROR "InvalidArgument");
}

static void list(void **state)
{
        sd_bus_message *reply;
        const char *id, *key, *contents, *value;
        char **types = NULL;

        (void)state;
        assert_string_equal(asked(MANAGER, "ListGrants", ""), "list_grants");
        reply = pair.reply;
        assert_true(sd_bus_message_has_signature(reply, "a(sa{sv})"));
        assert_true(sd_bus_message_enter_container(reply, 'a', "(sa{sv})") > 0);
        assert_true(sd_bus_message_enter_container(reply, 'r', "sa{sv}") > 0);
        assert_true(sd_bus_message_read(reply, "s", &id) > 0);
        assert_string_equal(id, "alice-xdp");
        assert_true(sd_bus_message_enter_container(reply, 'a', "{sv}") > 0);
        assert_true(sd_bus_message_read(reply, "{sv}", &key, "s", &value) > 0);
        assert_string_equal(key, "State");
        assert_string_equal(value, "active");
        while (sd_bus_message_enter_container(reply, 'e', "sv") > 0) {
                assert_true(sd_bus_message_read(reply, "s", &key) > 0);
                if (g_str_equal(key, "Types")) {
                        assert_true(sd_bus_message_enter_container(reply, 'v', "as") > 0);
                        assert_true(sd_bus_message_read_strv(reply, &types) > 0);
                        assert_true(sd_bus_message_exit_container(reply) > 0);
                } else {
                        assert_true(sd_bus_message_peek_type(reply, NULL, &contents) > 0);
                        assert_true(sd_bus_message_skip(reply, "v") > 0);
                }
                assert_true(sd_bus_message_exit_container(reply) > 0);
        }
        if (!types || !types[0]) {
                fail_msg("no types");
                return;
        }
        assert_string_equal(types[0], "xdp");
        assert_null(types[1]);
        free(types[0]);
        free(types);
}

static void remove_arguments(void **state)
{
        (void)state;
        assert_string_equal(asked(MANAGER, "RemoveGrant", "s", "alice-xdp"),
                            "remove_grant alice-xdp");
}

static void check_arguments(void **state)
{
        const char *verdict;

        (void)state;
        assert_string_equal(asked(MANAGER, "CheckAuthorization", "ssa{ss}", "attach", "xdp", 2,
                                  "interface", "lo", "mode", ""),
                            "check attach xdp interface=lo mode=");
        assert_true(sd_bus_message_has_signature(pair.reply, "sa{sv}"));
        assert_true(sd_bus_message_read_basic(pair.reply, 's', &verdict) > 0);
        assert_string_equal(verdict, "challenge");
}

static void check_has_limits(void **state)
{
        g_autofree char *longest = g_strnfill(4096, 'x'), *longer = g_strnfill(4097, 'x');
        sd_bus_message *m = NULL;
        char name[16];

        (void)state;
        assert_string_equal(asked(MANAGER, "CheckAuthorization", "ssa{ss}", "load", "xdp", 2, "a",
                                  "x", "a", "y"),
                            ERROR "InvalidArgument");
        assert_string_equal(asked(MANAGER, "CheckAuthorization", "ssa{ss}", "load", "xdp", 1, "a",
                                  longer),
                            ERROR "LimitExceeded");
        assert_non_null(strstr(asked(MANAGER, "CheckAuthorization", "ssa{ss}", "load", "xdp", 1,
                                     "a", longest),
                               longest));
        assert_true(sd_bus_message_new_method_call(pair.client, &m, NULL, MANAGER,
                                                   "CheckAuthorization") >= 0);
        assert_true(sd_bus_message_append(m, "ss", "load", "xdp") >= 0);
        assert_true(sd_bus_message_open_container(m, 'a', "{ss}") >= 0);
        for (unsigned i = 0; i < 33; i++) {
                g_snprintf(name, sizeof(name), "k%u", i);
                assert_true(sd_bus_message_append(m, "{ss}", name, "") >= 0);
        }
        assert_true(sd_bus_message_close_container(m) >= 0);
        pair_send(m);
        assert_string_equal(pair_error(), ERROR "LimitExceeded");
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
        const struct CMUnitTest tests[] = {
                TEST(add_arguments),    TEST(add_refuses),     TEST(list),
                TEST(remove_arguments), TEST(check_arguments), TEST(check_has_limits),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
