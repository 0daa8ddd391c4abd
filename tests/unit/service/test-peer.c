/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "test-service.h"

#include <gio/gio.h>
#include <systemd/sd-bus.h>
#include <unistd.h>

#include "bus-source.h"
#include "peer.h"

/* A private bus with a real bus daemon, the service's connection, and callers that come and go. */

static const char *address;
static sd_bus *bus;
static GSource *source;
static PeerTable *table;

static sd_bus *connect_bus(const char **ret_name)
{
        sd_bus *b;

        assert_true(sd_bus_new(&b) >= 0);
        assert_true(sd_bus_set_address(b, address) >= 0);
        assert_true(sd_bus_set_bus_client(b, 1) >= 0);
        assert_true(sd_bus_start(b) >= 0);
        assert_true(sd_bus_get_unique_name(b, ret_name) >= 0);
        return b;
}

static int set_up(void **state)
{
        const char *name;

        (void)state;
        bus = connect_bus(&name);
        source = bus_source_new(bus, NULL, NULL);
        table = peer_table_new(bus);
        return 0;
}

static int tear_down(void **state)
{
        (void)state;
        peer_table_free(table);
        bus_source_free(source);
        sd_bus_flush_close_unref(bus);
        return 0;
}

typedef struct Answer {
        unsigned n;
        Peer *peer;
        unsigned n_vanished;
} Answer;

static void on_ready(Peer *peer, void *userdata)
{
        Answer *a = userdata;

        a->n++;
        a->peer = peer;
}

static void on_vanished(void *userdata)
{
        ((Answer *)userdata)->n_vanished++;
}

static void the_uid_is_known(void **state)
{
        Answer first = {0}, second = {0}, third = {0};
        const char *name;
        sd_bus *caller = connect_bus(&name);

        (void)state;
        peer_get(table, name, on_ready, &first);
        peer_get(table, name, on_ready, &second);
        assert_int_equal(first.n, 0);
        run_until(first.n == 1 && second.n == 1);
        assert_non_null(first.peer);
        assert_ptr_equal(first.peer, second.peer);
        assert_true(first.peer->known);
        assert_int_equal(first.peer->uid, getuid());
        assert_string_equal(first.peer->name, name);
        /* At once from then on. */
        peer_get(table, name, on_ready, &third);
        assert_int_equal(third.n, 1);
        assert_ptr_equal(third.peer, first.peer);
        sd_bus_flush_close_unref(caller);
}

static void nobody_of_that_name(void **state)
{
        Answer a = {0}, b = {0};

        (void)state;
        peer_get(table, ":1.999999", on_ready, &a);
        run_until(a.n == 1);
        assert_null(a.peer);
        /* That isn't kept. */
        peer_get(table, ":1.999999", on_ready, &b);
        run_until(b.n == 1);
        assert_null(b.peer);
}

static void left_before_the_answer(void **state)
{
        Answer a = {0};
        const char *name;
        sd_bus *caller = connect_bus(&name);
        g_autofree char *copy = g_strdup(name);

        (void)state;
        sd_bus_flush_close_unref(caller);
        peer_get(table, copy, on_ready, &a);
        run_until(a.n == 1);
        assert_null(a.peer);
}

static void the_end_is_told(void **state)
{
        Answer watching = {0}, also = {0}, no_more = {0};
        const char *name;
        sd_bus *caller = connect_bus(&name);
        g_autofree char *copy = g_strdup(name);

        (void)state;
        peer_get(table, name, on_ready, &watching);
        run_until(watching.n == 1);
        peer_watch(watching.peer, on_vanished, &watching);
        peer_watch(watching.peer, on_vanished, &also);
        peer_watch(watching.peer, on_vanished, &no_more);
        peer_unwatch(watching.peer, &no_more);
        sd_bus_flush_close_unref(caller);
        run_until(watching.n_vanished > 0);
        run_for(50);
        assert_int_equal(watching.n_vanished, 1);
        assert_int_equal(also.n_vanished, 1);
        assert_int_equal(no_more.n_vanished, 0);
        /* And it is forgotten. */
        watching = (Answer){0};
        peer_get(table, copy, on_ready, &watching);
        run_until(watching.n == 1);
        assert_null(watching.peer);
}

/* The service goes down while somebody waits: nothing is called, nothing is lost. */
static void freed_while_somebody_waits(void **state)
{
        Answer a = {0};
        const char *name;
        sd_bus *caller = connect_bus(&name);

        (void)state;
        peer_get(table, name, on_ready, &a);
        peer_table_free(table);
        table = NULL;
        run_for(100);
        assert_int_equal(a.n, 0);
        sd_bus_flush_close_unref(caller);
}

static void a_log_goes_with_its_peer(void **state)
{
        Answer a = {0};
        const char *name;
        sd_bus *caller = connect_bus(&name);
        int fds[2];
        char c;

        (void)state;
        assert_int_equal(pipe(fds), 0);
        peer_get(table, name, on_ready, &a);
        run_until(a.n == 1);
        assert_int_equal(a.peer->log_fd, -1);
        a.peer->log_fd = fds[1];
        peer_watch(a.peer, on_vanished, &a);
        sd_bus_flush_close_unref(caller);
        run_until(a.n_vanished == 1);
        assert_int_equal(read(fds[0], &c, 1), 0);
        close(fds[0]);
}

static void many_callers(void **state)
{
        (void)state;
        for (int i = 0; i < 300; i++) {
                Answer a = {0};
                const char *name;
                sd_bus *caller = connect_bus(&name);

                peer_get(table, name, on_ready, &a);
                run_until(a.n == 1);
                assert_non_null(a.peer);
                sd_bus_flush_close_unref(caller);
        }
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
        const struct CMUnitTest tests[] = {
                TEST(the_uid_is_known),
                TEST(nobody_of_that_name),
                TEST(left_before_the_answer),
                TEST(the_end_is_told),
                TEST(freed_while_somebody_waits),
                TEST(a_log_goes_with_its_peer),
                TEST(many_callers),
        };
        g_autofree char *daemon = g_find_program_in_path("dbus-daemon");
        GTestDBus *test_bus;
        int r;

        if (!daemon) {
                g_printerr("skipped: there is no dbus-daemon\n");
                return 77;
        }
        test_bus = g_test_dbus_new(G_TEST_DBUS_NONE);
        g_test_dbus_up(test_bus);
        address = g_test_dbus_get_bus_address(test_bus);
        r = cmocka_run_group_tests(tests, NULL, NULL);
        g_test_dbus_down(test_bus);
        g_object_unref(test_bus);
        return r;
}
