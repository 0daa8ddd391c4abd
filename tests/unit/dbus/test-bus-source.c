/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "test-bus.h"

#include <unistd.h>

#include "bus-source.h"

/* The server's end is served by GLib's loop, as the service does it; the client's by hand. */

static unsigned n_closed, n_idle;
static GSource *source;

static void on_closed(void *userdata)
{
        assert_ptr_equal(userdata, &n_closed);
        n_closed++;
}

static void serve(void)
{
        pair_new();
        assert_true(sd_bus_start(pair.server) >= 0);
        assert_true(sd_bus_start(pair.client) >= 0);
        n_closed = 0;
        source = bus_source_new(pair.server, on_closed, &n_closed);
}

static void iterate(bool (*until)(void))
{
        gint64 end = g_get_monotonic_time() + 10 * G_USEC_PER_SEC;

        while (!until() && g_get_monotonic_time() < end) {
                (void)g_main_context_iteration(NULL, FALSE);
                if (pair.client)
                        assert_true(sd_bus_process(pair.client, NULL) >= 0);
        }
        assert_true(until());
}

static bool is_answered(void)
{
        return pair.reply != NULL;
}

static bool is_closed(void)
{
        return n_closed > 0;
}

static void ping(void)
{
        sd_bus_message *m = NULL;

        pair.reply = sd_bus_message_unref(pair.reply);
        assert_true(sd_bus_message_new_method_call(pair.client, &m, NULL, "/",
                                                   "org.freedesktop.DBus.Peer", "Ping") >= 0);
        assert_true(sd_bus_call_async(pair.client, NULL, m, pair_on_reply, NULL, 0) >= 0);
        sd_bus_message_unref(m);
}

static void finish(void)
{
        g_clear_pointer(&source, bus_source_free);
        pair_free();
}

static void calls_are_answered(void **state)
{
        (void)state;
        serve();
        for (int i = 0; i < 100; i++) {
                ping();
                iterate(is_answered);
                assert_false(sd_bus_message_is_method_error(pair.reply, NULL));
        }
        assert_int_equal(n_closed, 0);
        finish();
}

static void the_end_is_told_once(void **state)
{
        (void)state;
        serve();
        ping();
        iterate(is_answered);
        pair.reply = sd_bus_message_unref(pair.reply);
        pair.client = sd_bus_flush_close_unref(pair.client);
        iterate(is_closed);
        for (int i = 0; i < 100; i++)
                (void)g_main_context_iteration(NULL, FALSE);
        assert_int_equal(n_closed, 1);
        assert_true(g_source_is_destroyed(source));
        finish();
}

static gboolean count_idle(gpointer userdata)
{
        (void)userdata;
        n_idle++;
        return G_SOURCE_CONTINUE;
}

static void a_busy_loop_still_serves(void **state)
{
        guint idle;

        (void)state;
        serve();
        n_idle = 0;
        idle = g_idle_add_full(G_PRIORITY_DEFAULT, count_idle, NULL, NULL);
        for (int i = 0; i < 20; i++) {
                ping();
                iterate(is_answered);
        }
        assert_true(n_idle > 0);
        g_source_remove(idle);
        finish();
}

static gboolean stop(gpointer userdata)
{
        *(bool *)userdata = true;
        return G_SOURCE_REMOVE;
}

/* With nothing to do, the loop sleeps: an idle service must not wake the machine. */
static void an_idle_loop_sleeps(void **state)
{
        unsigned n_iterations = 0;
        bool done = false;

        (void)state;
        serve();
        ping();
        iterate(is_answered);
        g_timeout_add(300, stop, &done);
        while (!done) {
                (void)g_main_context_iteration(NULL, TRUE);
                n_iterations++;
        }
        assert_in_range(n_iterations, 1, 5);
        finish();
}

static int release_source(sd_bus_message *m, void *userdata, sd_bus_error *reterr)
{
        (void)userdata, (void)reterr;
        assert_true(sd_bus_reply_method_return(m, NULL) >= 0);
        g_clear_pointer(&source, bus_source_free);
        return 1;
}

static bool is_released(void)
{
        return source == NULL;
}

/* A handler may be what ends the service. */
static void freed_from_within(void **state)
{
        (void)state;
        serve();
        assert_true(sd_bus_add_object(pair.server, NULL, "/", release_source, NULL) >= 0);
        ping();
        iterate(is_answered);
        ping();
        /* Ping is sd-bus's own to answer, so ask for something else. */
        assert_true(sd_bus_call_method_async(pair.client, NULL, NULL, "/", "x.y", "Z", NULL, NULL,
                                             NULL) >= 0);
        iterate(is_released);
        assert_int_equal(n_closed, 0);
        finish();
}

static void freeing_none(void **state)
{
        (void)state;
        bus_source_free(NULL);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(calls_are_answered),       cmocka_unit_test(the_end_is_told_once),
                cmocka_unit_test(a_busy_loop_still_serves), cmocka_unit_test(an_idle_loop_sleeps),
                cmocka_unit_test(freed_from_within),        cmocka_unit_test(freeing_none),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
