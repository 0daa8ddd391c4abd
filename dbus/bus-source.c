/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bus-source.h"

#include <errno.h>
#include <poll.h>

typedef struct BusSource {
        GSource source;
        sd_bus *bus;
        gpointer fd_tag;
        void (*closed)(void *userdata);
        void *userdata;
} BusSource;

G_STATIC_ASSERT(G_IO_IN == POLLIN && G_IO_OUT == POLLOUT);

static gboolean prepare(GSource *source, gint *timeout)
{
        BusSource *s = (BusSource *)source;
        uint64_t until;
        int events;

        *timeout = -1;
        /* A connection that failed has nothing to poll: let dispatch() find that out. */
        events = sd_bus_get_events(s->bus);
        if (events < 0 || sd_bus_get_timeout(s->bus, &until) < 0)
                return TRUE;
        g_source_modify_unix_fd(source, s->fd_tag, (GIOCondition)events);
        /* 0: there is a message in the queue already. */
        if (until == 0)
                return TRUE;
        g_source_set_ready_time(source, until == UINT64_MAX ? -1 : (gint64)until);
        return FALSE;
}

static gboolean check(GSource *source)
{
        BusSource *s = (BusSource *)source;
        gint64 ready = g_source_get_ready_time(source);

        return g_source_query_unix_fd(source, s->fd_tag) != 0 ||
               (ready >= 0 && ready <= g_source_get_time(source));
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
                .prepare = prepare, .check = check, .dispatch = dispatch, .finalize = finalize,
        };
        GSource *source = g_source_new(&functions, sizeof(BusSource));
        BusSource *s = (BusSource *)source;

        s->bus = sd_bus_ref(bus);
        s->closed = closed;
        s->userdata = userdata;
        s->fd_tag = g_source_add_unix_fd(source, sd_bus_get_fd(bus), G_IO_IN);
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
