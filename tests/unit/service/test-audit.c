/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "test-service.h"

#include <unistd.h>

#include <sys/socket.h>

#include "audit.h"
#include "errors.h"

/* What goes to the journal, which here is a list of lines. */

static GPtrArray *journal;
static sd_bus *bus;
static int peer_fd;

int __wrap_sd_journal_send(const char *format, ...);
guint __real_g_timeout_add_seconds(guint seconds, GSourceFunc function, gpointer data);
guint __wrap_g_timeout_add_seconds(guint seconds, GSourceFunc function, gpointer data);

int __wrap_sd_journal_send(const char *format, ...)
{
        va_list ap;

        va_start(ap, format);
        /* NOLINTNEXTLINE(clang-diagnostic-format-nonliteral) */
        g_ptr_array_add(journal, g_strdup_vprintf(format, ap));
        va_end(ap);
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
                TEST(failures_are_noted),
                TEST(nobody_is_blamed_without_a_uid),
                TEST(only_so_many),
                TEST(going_down),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
