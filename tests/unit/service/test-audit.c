/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "test-service.h"

#include <stdlib.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "audit.h"
#include "errors.h"

/* What goes to the journal, which here is a list of lines. */

static GPtrArray *journal;
static sd_bus *bus;
static int peer_fd;

int __wrap_sd_journal_sendv(const struct iovec *iov, int n);
guint __real_g_timeout_add_seconds(guint seconds, GSourceFunc function, gpointer data);
guint __wrap_g_timeout_add_seconds(guint seconds, GSourceFunc function, gpointer data);

int __wrap_sd_journal_sendv(const struct iovec *iov, int n)
{
        GString *entry = g_string_new("\n");

        for (int i = 0; i < n; i++) {
                g_string_append_len(entry, iov[i].iov_base, (gssize)iov[i].iov_len);
                g_string_append_c(entry, '\n');
        }
        g_ptr_array_add(journal, g_string_free(entry, FALSE));
        return 0;
}

guint __wrap_g_timeout_add_seconds(guint seconds, GSourceFunc function, gpointer data)
{
        return __real_g_timeout_add_seconds(seconds == 10 ? 1 : seconds, function, data);
}

static int set_up(void **state)
{
        int fds[2];

        (void)state;
        journal = g_ptr_array_new_with_free_func(g_free);
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds),
                         0);
        assert_true(sd_bus_new(&bus) >= 0);
        assert_true(sd_bus_set_fd(bus, fds[0], fds[0]) >= 0);
        assert_true(sd_bus_start(bus) >= 0);
        peer_fd = fds[1];
        return 0;
}

static int tear_down(void **state)
{
        (void)state;
        audit_flush();
        sd_bus_close_unref(bus);
        close(peer_fd);
        g_ptr_array_unref(journal);
        return 0;
}

static void fail_once(uid_t uid, bool known, const char *member)
{
        g_autoptr(GError) error = error_new(FAILED, "No.");
        Request request = {.uid = uid, .known = known};

        assert_true(sd_bus_message_new_method_call(bus, &request.m, NULL, "/org/bpfkeeper1",
                                                   "org.bpfkeeper1.Manager", member) >= 0);
        audit_failed(&request, error);
        sd_bus_message_unref(request.m);
}

static bool last_is(const char *text)
{
        return journal->len > 0 &&
               strstr(g_ptr_array_index(journal, journal->len - 1), text) != NULL;
}

static void what_was_asked_for_is_noted(void **state)
{
        Request request = {.uid = 1000, .known = true, .verdict = "denied"};
        g_autoptr(GError) error = error_new(NOT_AUTHORIZED, "No.");

        (void)state;
        request.caller = caller_new(getpid(), -1, getuid());
        assert_true(sd_bus_message_new_method_call(bus, &request.m, NULL, "/org/bpfkeeper1",
                                                   "org.bpfkeeper1.Manager", "Attach") >= 0);
        audit_begin(&request);
        audit_details(&request, (AuthzDetail[]){{"type", "tc"},
                                                {"program", "one"},
                                                {"interface", "veth0"},
                                                {"direction", "ingress"},
                                                {"cgroup", ""},
                                                {}});
        audit_details(&request, (AuthzDetail[]){{"program", "other"}, {"id", "5"}, {}});
        audit_failed(&request, error);
        assert_int_equal(journal->len, 1);
        assert_true(last_is("\nBPFKEEPER_TYPE=tc\n"));
        assert_true(last_is("\nBPFKEEPER_PROGRAM=other\n"));
        assert_false(last_is("BPFKEEPER_PROGRAM=one"));
        assert_true(last_is("\nBPFKEEPER_HOOK_INTERFACE=veth0\n"));
        assert_true(last_is("\nBPFKEEPER_HOOK=interface=veth0 direction=ingress\n"));
        assert_true(last_is("\nBPFKEEPER_VERDICT=denied\n"));
        assert_true(last_is("\nBPFKEEPER_RESULT=org.bpfkeeper1.Error.NotAuthorized\n"));
        assert_true(last_is("\nBPFKEEPER_COMM=test-audit\n"));
        assert_true(last_is("\nOBJECT_PID="));
        assert_false(last_is("CGROUP"));
        caller_unref(request.caller);
        g_ptr_array_unref(request.facts);
        sd_bus_message_unref(request.m);
}

/* A process that has ended is not looked at by its number, which is another's then. */
static void a_caller_that_ended(void **state)
{
        /* It lives until it is told, since GLib knows no number of one that has ended. */
        g_autoptr(GSubprocess) process =
                g_subprocess_new(G_SUBPROCESS_FLAGS_STDIN_PIPE, NULL, "/bin/cat", NULL);
        Caller *caller =
                caller_new((pid_t)g_ascii_strtoll(g_subprocess_get_identifier(process), NULL, 10),
                           -1, getuid());

        (void)state;
        assert_true(g_output_stream_close(g_subprocess_get_stdin_pipe(process), NULL, NULL));
        assert_true(g_subprocess_wait(process, NULL, NULL));
        caller_look(caller);
        assert_false(caller_is_alive(caller));
        assert_null(caller->comm);
        caller_unref(caller);
        /* Nor is one that is another user's. */
        caller = caller_new(getpid(), -1, getuid() + 1);
        caller_look(caller);
        assert_null(caller->comm);
        caller_unref(caller);
}

static void failures_are_noted(void **state)
{
        (void)state;
        fail_once(1000, true, "Load");
        assert_int_equal(journal->len, 1);
        assert_true(last_is("uid 1000: Load failed: No."));
        fail_once(1000, true, "Inspect");
        assert_int_equal(journal->len, 1);
}

/* Who left before that was known isn't root. */
static void nobody_is_blamed_without_a_uid(void **state)
{
        (void)state;
        fail_once(0, false, "Load");
        assert_int_equal(journal->len, 0);
        fail_once(0, true, "Load");
        assert_true(last_is("uid 0: "));
}

static void only_so_many(void **state)
{
        (void)state;
        for (int i = 0; i < 1000; i++)
                fail_once(1000, true, "Load");
        assert_int_equal(journal->len, 10);
        /* That is nobody else's fault. */
        fail_once(1001, true, "Load");
        assert_int_equal(journal->len, 11);
        run_until(journal->len == 12);
        assert_true(last_is("uid 1000: 990 more failures were not noted"));
        run_for(500);
        assert_int_equal(journal->len, 12);
        fail_once(1000, true, "Load");
        assert_int_equal(journal->len, 13);
}

static void going_down(void **state)
{
        (void)state;
        for (int i = 0; i < 11; i++)
                fail_once(1000, true, "Load");
        audit_flush();
        assert_true(last_is("uid 1000: 1 more"));
        assert_int_equal(journal->len, 11);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
        const struct CMUnitTest tests[] = {
                TEST(what_was_asked_for_is_noted),
                TEST(a_caller_that_ended),
                TEST(failures_are_noted),
                TEST(nobody_is_blamed_without_a_uid),
                TEST(only_so_many),
                TEST(going_down),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
