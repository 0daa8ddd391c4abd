/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bus-source.h"

#include <errno.h>
#include <poll.h>
#include <stdbool.h>

typedef struct BusSource {
        GSource source;
        sd_bus *bus;
        GPollFD poll;
        uint64_t until; /* CLOCK_MONOTONIC, µs; when sd-bus wants to be called anyway */
        bool was_ready;
        bool again; /* what was read together with the end of the handshake is still to be handled */
        void (*closed)(void *userdata);
        void *userdata;
} BusSource;

G_STATIC_ASSERT(G_IO_IN == POLLIN && G_IO_OUT == POLLOUT);

/* A connection that waits for a bus to come has another descriptor when it is there. */
static void follow_descriptor(BusSource *s)
{
        int fd = sd_bus_get_fd(s->bus);

        if (fd < 0 || fd == s->poll.fd)
                return;
        /* GLib keeps the records in order, so that this one can't just be changed. */
        g_source_remove_poll(&s->source, &s->poll);
        s->poll.fd = fd;
        g_source_add_poll(&s->source, &s->poll);
}

/*
 * What to wait for is said anew each round, in the source's own poll record: GLib's setters for
 * descriptors and times would wake the loop that is about to sleep.
 */
static gboolean prepare(GSource *source, gint *timeout)
{
        BusSource *s = (BusSource *)source;
        int events;
        gint64 now;

        *timeout = -1;
        if (s->again)
                return TRUE;
        /* A connection that failed has nothing to poll: let dispatch() find that out. */
        follow_descriptor(s);
        events = sd_bus_get_events(s->bus);
        if (events < 0 || sd_bus_get_timeout(s->bus, &s->until) < 0)
                return TRUE;
        s->poll.events = (gushort)events;
        if (s->until == UINT64_MAX)
                return FALSE;
        /* 0: there is a message in the queue already. */
        now = g_source_get_time(source);
        if (s->until <= (uint64_t)now)
                return TRUE;
        *timeout = (gint)MIN((s->until - (uint64_t)now + 999) / 1000, G_MAXINT);
        return FALSE;
}

static gboolean check(GSource *source)
{
        BusSource *s = (BusSource *)source;

        return s->again || s->poll.revents != 0 || s->until <= (uint64_t)g_source_get_time(source);
}

/* One message a round, so that other sources have their turn. */
static gboolean dispatch(GSource *source, GSourceFunc callback, gpointer userdata)
{
        BusSource *s = (BusSource *)source;
        void (*closed)(void *) = s->closed;
        int r;

        (void)callback, (void)userdata;
        r = sd_bus_process(s->bus, NULL);
        if (g_source_is_destroyed(source))
                return G_SOURCE_REMOVE;
        /* A client need not wait before its first call, which sd-bus then has in its buffer: nothing
         * more comes by the descriptor, and sd_bus_get_timeout() knows of parsed messages only. */
        s->again = r > 0 && (s->again || !s->was_ready);
        if (!s->was_ready)
                s->was_ready = sd_bus_is_ready(s->bus) > 0;
        if (r >= 0 && sd_bus_is_open(s->bus) > 0)
                return G_SOURCE_CONTINUE;
        if (closed)
                closed(s->userdata);
        return G_SOURCE_REMOVE;
}

static void finalize(GSource *source)
{
        sd_bus_unref(((BusSource *)source)->bus);
}

GSource *bus_source_new(sd_bus *bus, void (*closed)(void *userdata), void *userdata)
{
        static GSourceFuncs functions = {
                .prepare = prepare,
                .check = check,
                .dispatch = dispatch,
                .finalize = finalize,
        };
        GSource *source = g_source_new(&functions, sizeof(BusSource));
        BusSource *s = (BusSource *)source;

        s->bus = sd_bus_ref(bus);
        s->closed = closed;
        s->userdata = userdata;
        s->poll.fd = sd_bus_get_fd(bus);
        s->until = UINT64_MAX;
        g_source_add_poll(source, &s->poll);
        g_source_set_static_name(source, "sd-bus");
        g_source_attach(source, NULL);
        return source;
}

void bus_source_free(GSource *source)
{
        if (!source)
                return;
        g_source_destroy(source);
        g_source_unref(source);
}
