/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <glib.h>
#include <sys/socket.h>
#include <systemd/sd-bus.h>
#include <systemd/sd-id128.h>

/*
 * Two ends of one sd-bus connection in this process, without a bus daemon: what the tests send is
 * marshalled, travels, and is checked as it would be on a bus.
 */

G_GNUC_UNUSED static struct {
        sd_bus *server, *client;
        sd_bus_message *reply; /* of pair_call() */
} pair;

static inline sd_bus *pair_end(int fd, bool server)
{
        sd_bus *bus;
        sd_id128_t id;

        assert_true(sd_id128_randomize(&id) >= 0);
        assert_true(sd_bus_new(&bus) >= 0);
        assert_true(sd_bus_set_fd(bus, fd, fd) >= 0);
        if (server) {
                assert_true(sd_bus_set_server(bus, 1, id) >= 0);
                assert_true(sd_bus_set_anonymous(bus, 1) >= 0);
        }
        assert_true(sd_bus_negotiate_fds(bus, 1) >= 0);
        return bus;
}

/* One step of both ends. */
static inline void pair_step(void)
{
        int a = sd_bus_process(pair.server, NULL), b = sd_bus_process(pair.client, NULL);

        assert_true(a >= 0 && b >= 0);
        if (a == 0 && b == 0)
                g_usleep(100);
}

/* The caller puts its objects on pair.server before pair_start(). */
static inline void pair_new(void)
{
        int fds[2];

        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds),
                         0);
        pair.server = pair_end(fds[0], true);
        pair.client = pair_end(fds[1], false);
}

static inline void pair_start(void)
{
        assert_true(sd_bus_start(pair.server) >= 0);
        assert_true(sd_bus_start(pair.client) >= 0);
        /* Descriptors can't be appended before both have agreed on them. */
        while (sd_bus_is_ready(pair.server) == 0 || sd_bus_is_ready(pair.client) == 0)
                pair_step();
}

static inline void pair_free(void)
{
        pair.reply = sd_bus_message_unref(pair.reply);
        pair.client = sd_bus_flush_close_unref(pair.client);
        pair.server = sd_bus_flush_close_unref(pair.server);
}

static inline int pair_on_reply(sd_bus_message *reply, void *userdata, sd_bus_error *reterr)
{
        (void)userdata, (void)reterr;
        pair.reply = sd_bus_message_ref(reply);
        return 1;
}

/* Sends @m, takes it over, and returns the answer, an error or not, which stays pair's. */
static inline sd_bus_message *pair_send(sd_bus_message *m)
{
        pair.reply = sd_bus_message_unref(pair.reply);
        assert_true(sd_bus_call_async(pair.client, NULL, m, pair_on_reply, NULL, 0) >= 0);
        sd_bus_message_unref(m);
        while (!pair.reply)
                pair_step();
        return pair.reply;
}

static inline sd_bus_message *pair_call(const char *path, const char *interface, const char *member,
                                        const char *types, ...)
{
        sd_bus_message *m = NULL;
        va_list ap;

        assert_true(sd_bus_message_new_method_call(pair.client, &m, NULL, path, interface,
                                                   member) >= 0);
        va_start(ap, types);
        assert_true(sd_bus_message_appendv(m, types, ap) >= 0);
        va_end(ap);
        return pair_send(m);
}

/* The name of the error that was answered, or "" */
static inline const char *pair_error(void)
{
        const sd_bus_error *e = sd_bus_message_get_error(pair.reply);

        return e ? e->name : "";
}

G_GNUC_UNUSED static inline const char *pair_error_message(void)
{
        const sd_bus_error *e = sd_bus_message_get_error(pair.reply);

        return e ? e->message : "";
}
