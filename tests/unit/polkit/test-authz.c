/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "authz.h"

/*
 * A private bus with a polkit of our own on it, which does what the action's name says. The real
 * one is met in tests/integration.
 */
static const char fake_xml[] =
        "<node><interface name='org.freedesktop.PolicyKit1.Authority'>"
        "<method name='CheckAuthorization'><arg type='(sa{sv})' direction='in'/>"
        "<arg type='s' direction='in'/><arg type='a{ss}' direction='in'/>"
        "<arg type='u' direction='in'/><arg type='s' direction='in'/>"
        "<arg type='(bba{ss})' direction='out'/></method>"
        "<method name='CancelCheckAuthorization'><arg type='s' direction='in'/></method>"
        "</interface></node>";

static struct {
        GDBusConnection *bus;
        bool comes_back; /* after "die" */
        unsigned n_checks;
        unsigned n_dialogs_closed;
        GDBusMethodInvocation *dialog; /* of "wait" */
        char *last_value;              /* of the detail "program" */
        unsigned last_flags;
} fake;

static const char *bus_address;
static GDBusConnection *caller;

static void fake_start(void);

static void fake_stop(void)
{
        g_clear_object(&fake.dialog);
        if (fake.bus)
                g_dbus_connection_close_sync(fake.bus, NULL, NULL);
        g_clear_object(&fake.bus);
}

static void reply(GDBusMethodInvocation *call, bool authorized, bool challenge, bool dismissed)
{
        GVariantBuilder details;

        g_variant_builder_init(&details, G_VARIANT_TYPE("a{ss}"));
        if (dismissed)
                g_variant_builder_add(&details, "{ss}", "polkit.dismissed", "true");
        g_dbus_method_invocation_return_value(call, g_variant_new("((bba{ss}))", authorized,
                                                                  challenge, &details));
}

static void on_call(GDBusConnection *bus, const char *sender, const char *path,
                    const char *interface, const char *method, GVariant *arguments,
                    GDBusMethodInvocation *call, gpointer userdata)
{
        g_autoptr(GVariant) details = NULL;
        const char *action;

        (void)bus, (void)sender, (void)path, (void)interface, (void)userdata;
        if (g_str_equal(method, "CancelCheckAuthorization")) {
                fake.n_dialogs_closed++;
                g_dbus_method_invocation_return_value(call, NULL);
                return;
        }

        fake.n_checks++;
        g_variant_get(arguments, "(@(sa{sv})&s@a{ss}u&s)", NULL, &action, &details,
                      &fake.last_flags, NULL);
        g_clear_pointer(&fake.last_value, g_free);
        g_variant_lookup(details, "program", "s", &fake.last_value);

        if (g_str_equal(action, "allow"))
                reply(call, true, false, false);
        else if (g_str_equal(action, "deny"))
                reply(call, false, false, false);
        else if (g_str_equal(action, "challenge"))
                reply(call, false, true, false);
        else if (g_str_equal(action, "dismiss"))
                reply(call, false, false, true);
        else if (g_str_equal(action, "nobody"))
                g_dbus_method_invocation_return_dbus_error(
                        call, "org.freedesktop.DBus.Error.NameHasNoOwner", "Could not get UID");
        else if (g_str_equal(action, "wait"))
                g_set_object(&fake.dialog, call);
        else if (g_str_equal(action, "die") && fake.n_checks == 1) {
                fake_stop();
                if (fake.comes_back)
                        fake_start();
        } else if (g_str_equal(action, "die"))
                reply(call, true, false, false);
        else
                g_dbus_method_invocation_return_dbus_error(
                        call, "org.freedesktop.PolicyKit1.Error.Failed", "not registered");
}

static GDBusConnection *connect_bus(void)
{
        return g_dbus_connection_new_for_address_sync(
                bus_address,
                G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_CLIENT |
                        G_DBUS_CONNECTION_FLAGS_MESSAGE_BUS_CONNECTION,
                NULL, NULL, NULL);
}

static void fake_start(void)
{
        static const GDBusInterfaceVTable vtable = {.method_call = on_call};
        g_autoptr(GDBusNodeInfo) info = g_dbus_node_info_new_for_xml(fake_xml, NULL);
        g_autoptr(GVariant) owned = NULL;

        fake.bus = connect_bus();
        assert_non_null(fake.bus);
        g_dbus_connection_register_object(fake.bus, "/org/freedesktop/PolicyKit1/Authority",
                                          info->interfaces[0], &vtable, NULL, NULL, NULL);
        owned = g_dbus_connection_call_sync(fake.bus, "org.freedesktop.DBus",
                                            "/org/freedesktop/DBus", "org.freedesktop.DBus",
                                            "RequestName",
                                            g_variant_new("(su)", "org.freedesktop.PolicyKit1", 4),
                                            NULL, G_DBUS_CALL_FLAGS_NONE, -1, NULL, NULL);
        assert_non_null(owned);
}

typedef struct Answer {
        bool is_there;
        AuthzVerdict verdict;
        char *message;
} Answer;

static void on_answer(GObject *source, GAsyncResult *result, gpointer userdata)
{
        Answer *answer = userdata;

        (void)source;
        assert_false(answer->is_there);
        answer->verdict = authz_check_finish(result, &answer->message);
        answer->is_there = true;
}

static void start(Authz *authz, const char *sender, uid_t uid, const char *action, bool interactive,
                  GCancellable *cancellable, Answer *answer)
{
        const AuthzDetail details[] = {{"program", "a \xc3\xa4\n\xff\xe2\x80\xae"}, {NULL, NULL}};

        *answer = (Answer){0};
        authz_check_async(authz, sender, uid, action, details, interactive, cancellable, on_answer,
                          answer);
        assert_false(answer->is_there);
}

static AuthzVerdict wait_for(Answer *answer)
{
        while (!answer->is_there)
                g_main_context_iteration(NULL, TRUE);
        g_clear_pointer(&answer->message, g_free);
        return answer->verdict;
}

static AuthzVerdict check(Authz *authz, const char *action)
{
        Answer answer;

        start(authz, g_dbus_connection_get_unique_name(caller), 1000, action, false, NULL, &answer);
        return wait_for(&answer);
}

static void wait_until(const bool *condition)
{
        while (!*condition)
                g_main_context_iteration(NULL, TRUE);
}

static gboolean set_true(gpointer p)
{
        *(bool *)p = true;
        return G_SOURCE_REMOVE;
}

/* Lets what is under way go on. */
static void wait_a_little(void)
{
        bool done = false;

        g_timeout_add(50, set_true, &done);
        wait_until(&done);
}

static int setup(void **state)
{
        fake.n_checks = fake.n_dialogs_closed = 0;
        fake.comes_back = false;
        fake_start();
        *state = authz_new();
        return 0;
}

static int teardown(void **state)
{
        authz_free(*state);
        fake_stop();
        g_clear_pointer(&fake.last_value, g_free);
        wait_a_little();
        return 0;
}

static void test_root_is_not_asked_for(void **state)
{
        Answer answer;

        start(*state, ":1.0", 0, "deny", false, NULL, &answer);
        assert_int_equal(wait_for(&answer), AUTHZ_ALLOWED);
        assert_int_equal(fake.n_checks, 0);
}

static void test_verdicts(void **state)
{
        Answer answer;

        assert_int_equal(check(*state, "allow"), AUTHZ_ALLOWED);
        assert_int_equal(check(*state, "deny"), AUTHZ_DENIED);
        assert_int_equal(check(*state, "challenge"), AUTHZ_CHALLENGE);
        assert_int_equal(check(*state, "dismiss"), AUTHZ_DISMISSED);

        start(*state, g_dbus_connection_get_unique_name(caller), 1000, "nonsense", false, NULL,
              &answer);
        while (!answer.is_there)
                g_main_context_iteration(NULL, TRUE);
        assert_int_equal(answer.verdict, AUTHZ_FAILED);
        assert_string_equal(answer.message, "not registered");
        g_free(answer.message);
}

static void test_many_before_the_connection(void **state)
{
        Answer answers[20];

        for (size_t i = 0; i < G_N_ELEMENTS(answers); i++)
                start(*state, g_dbus_connection_get_unique_name(caller), 1000,
                      i % 2 ? "allow" : "deny", false, NULL, &answers[i]);
        for (size_t i = 0; i < G_N_ELEMENTS(answers); i++)
                assert_int_equal(wait_for(&answers[i]), i % 2 ? AUTHZ_ALLOWED : AUTHZ_DENIED);
}

static void test_details_are_printable(void **state)
{
        assert_int_equal(check(*state, "allow"), AUTHZ_ALLOWED);
        assert_string_equal(fake.last_value, "a \xc3\xa4\\x0a\\xff\\u202e");
}

static void test_interactive(void **state)
{
        Answer answer;

        assert_int_equal(check(*state, "allow"), AUTHZ_ALLOWED);
        assert_int_equal(fake.last_flags, 0);
        start(*state, g_dbus_connection_get_unique_name(caller), 1000, "allow", true, NULL,
              &answer);
        assert_int_equal(wait_for(&answer), AUTHZ_ALLOWED);
        assert_int_equal(fake.last_flags, 1);
}

static void test_caller_left(void **state)
{
        Answer answer;

        start(*state, ":1.4711", 1000, "nobody", false, NULL, &answer);
        assert_int_equal(wait_for(&answer), AUTHZ_CANCELLED);
        start(*state, ":1.4711", 1000, "nonsense", false, NULL, &answer);
        assert_int_equal(wait_for(&answer), AUTHZ_CANCELLED);
        start(*state, "org.example.Well.Known", 1000, "allow", false, NULL, &answer);
        assert_int_equal(wait_for(&answer), AUTHZ_FAILED);
}

static void test_cancelled_before(void **state)
{
        g_autoptr(GCancellable) cancellable = g_cancellable_new();
        Answer answer;

        g_cancellable_cancel(cancellable);
        start(*state, ":1.0", 1000, "allow", false, cancellable, &answer);
        assert_int_equal(wait_for(&answer), AUTHZ_CANCELLED);
        start(*state, ":1.0", 0, "allow", false, cancellable, &answer);
        assert_int_equal(wait_for(&answer), AUTHZ_CANCELLED);
}

static void test_cancelled_while_connecting(void **state)
{
        g_autoptr(GCancellable) cancellable = g_cancellable_new();
        Answer answer, other;

        start(*state, ":1.0", 1000, "allow", false, cancellable, &answer);
        start(*state, g_dbus_connection_get_unique_name(caller), 1000, "allow", false, NULL,
              &other);
        g_cancellable_cancel(cancellable);
        assert_int_equal(wait_for(&answer), AUTHZ_CANCELLED);
        assert_int_equal(wait_for(&other), AUTHZ_ALLOWED);
        assert_int_equal(fake.n_checks, 1);
}

static void test_cancel_closes_the_dialog(void **state)
{
        g_autoptr(GCancellable) cancellable = g_cancellable_new();
        Answer answer;

        start(*state, g_dbus_connection_get_unique_name(caller), 1000, "wait", true, cancellable,
              &answer);
        while (!fake.dialog)
                g_main_context_iteration(NULL, TRUE);
        g_cancellable_cancel(cancellable);
        assert_int_equal(wait_for(&answer), AUTHZ_CANCELLED);
        while (fake.n_dialogs_closed == 0)
                g_main_context_iteration(NULL, TRUE);

        /* What polkit still says changes nothing (on_answer() refuses a second answer). */
        reply(g_steal_pointer(&fake.dialog), true, false, false);
        wait_a_little();
}

static void test_close_dialogs(void **state)
{
        const char *name = g_dbus_connection_get_unique_name(caller);
        Answer waiting, quick, later;

        start(*state, name, 1000, "wait", true, NULL, &waiting);
        while (!fake.dialog)
                g_main_context_iteration(NULL, TRUE);
        start(*state, name, 1000, "allow", false, NULL, &quick);
        authz_close_dialogs(*state);
        assert_int_equal(wait_for(&waiting), AUTHZ_CANCELLED);
        while (fake.n_dialogs_closed == 0)
                g_main_context_iteration(NULL, TRUE);
        g_clear_object(&fake.dialog);

        /* Where nobody is asked, and from now on, all is as ever. */
        assert_int_equal(wait_for(&quick), AUTHZ_ALLOWED);
        start(*state, name, 1000, "allow", true, NULL, &later);
        assert_int_equal(wait_for(&later), AUTHZ_ALLOWED);
}

/* An answer that is on its way when the caller leaves. */
static void test_cancel_beats_allowed(void **state)
{
        g_autoptr(GCancellable) cancellable = g_cancellable_new();
        Answer answer;

        start(*state, g_dbus_connection_get_unique_name(caller), 1000, "wait", false, cancellable,
              &answer);
        while (!fake.dialog)
                g_main_context_iteration(NULL, TRUE);
        reply(g_steal_pointer(&fake.dialog), true, false, false);
        g_usleep(50000);
        g_cancellable_cancel(cancellable);
        assert_int_equal(wait_for(&answer), AUTHZ_CANCELLED);
}

static void test_polkit_restarts(void **state)
{
        fake.comes_back = true;
        assert_int_equal(check(*state, "die"), AUTHZ_ALLOWED);
        assert_int_equal(fake.n_checks, 2);

        fake_stop();
        fake_start();
        assert_int_equal(check(*state, "allow"), AUTHZ_ALLOWED);
}

static void test_absence_is_not_remembered(void **state)
{
        fake_stop();
        assert_int_equal(check(*state, "allow"), AUTHZ_NO_AUTHORITY);
        fake_start();
        assert_int_equal(check(*state, "allow"), AUTHZ_ALLOWED);
        fake.n_checks = 0;
        assert_int_equal(check(*state, "die"), AUTHZ_NO_AUTHORITY);
        fake_start();
        assert_int_equal(check(*state, "allow"), AUTHZ_ALLOWED);
}

static void test_free_answers(void **state)
{
        Authz *authz = authz_new();
        Answer waiting, asked;

        (void)state;
        start(authz, g_dbus_connection_get_unique_name(caller), 1000, "wait", true, NULL, &asked);
        while (!fake.dialog)
                g_main_context_iteration(NULL, TRUE);
        authz_free(authz);
        assert_int_equal(wait_for(&asked), AUTHZ_CANCELLED);
        while (fake.n_dialogs_closed == 0)
                g_main_context_iteration(NULL, TRUE);

        authz = authz_new();
        start(authz, ":1.0", 1000, "allow", false, NULL, &waiting);
        authz_free(authz);
        assert_int_equal(wait_for(&waiting), AUTHZ_CANCELLED);
}

static void test_no_bus(void **state)
{
        g_autoptr(Authz) authz = authz_new();
        Answer answer;

        (void)state;
        start(authz, ":1.0", 0, "allow", false, NULL, &answer);
        assert_int_equal(wait_for(&answer), AUTHZ_ALLOWED);
        for (int i = 0; i < 2; i++) {
                start(authz, ":1.0", 1000, "allow", false, NULL, &answer);
                assert_int_equal(wait_for(&answer), AUTHZ_NO_AUTHORITY);
        }
}

int main(void)
{
        const struct CMUnitTest without_bus[] = {
                cmocka_unit_test(test_no_bus),
        };
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_root_is_not_asked_for, setup, teardown),
                cmocka_unit_test_setup_teardown(test_verdicts, setup, teardown),
                cmocka_unit_test_setup_teardown(test_many_before_the_connection, setup, teardown),
                cmocka_unit_test_setup_teardown(test_details_are_printable, setup, teardown),
                cmocka_unit_test_setup_teardown(test_interactive, setup, teardown),
                cmocka_unit_test_setup_teardown(test_caller_left, setup, teardown),
                cmocka_unit_test_setup_teardown(test_cancelled_before, setup, teardown),
                cmocka_unit_test_setup_teardown(test_cancelled_while_connecting, setup, teardown),
                cmocka_unit_test_setup_teardown(test_cancel_closes_the_dialog, setup, teardown),
                cmocka_unit_test_setup_teardown(test_close_dialogs, setup, teardown),
                cmocka_unit_test_setup_teardown(test_cancel_beats_allowed, setup, teardown),
                cmocka_unit_test_setup_teardown(test_polkit_restarts, setup, teardown),
                cmocka_unit_test_setup_teardown(test_absence_is_not_remembered, setup, teardown),
                cmocka_unit_test_setup_teardown(test_free_answers, setup, teardown),
        };
        g_autoptr(GSubprocess) daemon = NULL;
        g_autoptr(GDataInputStream) output = NULL;
        g_autofree char *address = NULL;
        int failed;

        g_setenv("DBUS_SYSTEM_BUS_ADDRESS", "unix:path=/nonexistent/bus", TRUE);
        failed = cmocka_run_group_tests_name("authz, no bus", without_bus, NULL, NULL);

        daemon =
                g_subprocess_new(G_SUBPROCESS_FLAGS_STDOUT_PIPE | G_SUBPROCESS_FLAGS_STDERR_SILENCE,
                                 NULL, "dbus-daemon", "--session", "--nofork", "--print-address",
                                 NULL);
        if (!daemon)
                return failed ? failed : 77;
        output = g_data_input_stream_new(g_subprocess_get_stdout_pipe(daemon));
        address = g_data_input_stream_read_line(output, NULL, NULL, NULL);
        if (!address)
                return EXIT_FAILURE;
        bus_address = address;
        g_setenv("DBUS_SYSTEM_BUS_ADDRESS", bus_address, TRUE);
        caller = connect_bus();

        failed += cmocka_run_group_tests_name("authz", tests, NULL, NULL);

        g_clear_object(&caller);
        g_subprocess_force_exit(daemon);
        g_subprocess_wait(daemon, NULL, NULL);
        return failed;
}
