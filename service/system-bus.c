/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "system-bus.h"

#include <stdlib.h>

#include "bus-source.h"
#include "errors.h"

#define DEFAULT_ADDRESS "unix:path=/run/dbus/system_bus_socket"
/* A bus that doesn't want us is asked again, but not all the time. */
#define RETRY_SEC 1

struct SystemBus {
        Daemon *daemon;
        bool is_only_way;
        bool is_published;
        bool has_name;
        sd_bus *bus;
        GSource *source;
        PeerTable *peers;
        guint retry;
        void (*released)(Daemon *daemon);
};

static void reconnect(SystemBus *s);

static void disconnect(SystemBus *s)
{
        if (!s->bus)
                return;
        bus_api_leave(s->daemon->api, s->bus);
        g_hash_table_remove(s->daemon->peers, s->bus);
        g_clear_pointer(&s->source, bus_source_free);
        peer_table_vanish(s->peers);
        g_clear_pointer(&s->peers, peer_table_free);
        s->bus = sd_bus_close_unref(s->bus);
        s->has_name = false;
}

static gboolean on_retry(gpointer userdata)
{
        SystemBus *s = userdata;

        s->retry = 0;
        reconnect(s);
        return G_SOURCE_REMOVE;
}

static void retry_later(SystemBus *s)
{
        if (!s->retry)
                s->retry = g_timeout_add_seconds(RETRY_SEC, on_retry, s);
}

static void on_closed(void *userdata)
{
        SystemBus *s = userdata;
        bool had_name = s->has_name;

        disconnect(s);
        if (s->released) /* The answer to that was an error, so it was called. */
                return;
        if (s->is_only_way) {
                g_warning("The bus closed the connection.");
                daemon_quit(s->daemon, EXIT_FAILURE);
        } else if (had_name) {
                reconnect(s);
        } else {
                retry_later(s);
        }
}

static int on_name(sd_bus_message *m, void *userdata, sd_bus_error *reterr)
{
        SystemBus *s = userdata;
        const sd_bus_error *error = sd_bus_message_get_error(m);
        uint32_t result = 0;

        (void)reterr;
        /* One that went away, or has no time for us, is not one that refuses. */
        if (error && !s->is_only_way &&
            (sd_bus_error_has_name(error, SD_BUS_ERROR_NO_REPLY) ||
             sd_bus_error_has_name(error, SD_BUS_ERROR_TIMEOUT) ||
             sd_bus_error_has_name(error, SD_BUS_ERROR_DISCONNECTED))) {
                sd_bus_close(s->bus);
                return 0;
        }
        if (!error)
                (void)sd_bus_message_read(m, "u", &result);
        if (result != 1) { /* DBUS_REQUEST_NAME_REPLY_PRIMARY_OWNER */
                g_warning("Can't get the name %s on the bus: %s", BUS_NAME,
                          error ? error->message : "another process has it");
                daemon_quit(s->daemon, EXIT_FAILURE);
                return 0;
        }
        s->has_name = true;
        daemon_is_ready(s->daemon);
        return 0;
}

/* Nothing here waits for the bus: what is asked before it is there is sent when it is. */
static int publish(SystemBus *s)
{
        int r;

        r = bus_api_serve(s->daemon->api, s->bus);
        if (r < 0)
                return r;
        return sd_bus_request_name_async(s->bus, NULL, BUS_NAME, 0, on_name, s);
}

static int start_bus(sd_bus *bus, bool wait)
{
        const char *address = g_getenv("DBUS_SYSTEM_BUS_ADDRESS");
        int r;

        r = sd_bus_set_description(bus, "bpfkeeper");
        if (r >= 0)
                r = sd_bus_set_address(bus, address ?: DEFAULT_ADDRESS);
        if (r >= 0)
                r = sd_bus_set_bus_client(bus, 1);
        if (r >= 0)
                r = sd_bus_negotiate_fds(bus, 1);
        if (r >= 0)
                r = sd_bus_set_watch_bind(bus, wait);
        if (r >= 0)
                r = sd_bus_start(bus);
        return r;
}

static int connect_bus(SystemBus *s)
{
        sd_bus *bus;
        int r;

        r = sd_bus_new(&bus);
        if (r < 0)
                return r;
        r = start_bus(bus, !s->is_only_way);
        if (r < 0) {
                sd_bus_unref(bus);
                return r;
        }
        s->bus = bus;
        s->source = bus_source_new(bus, on_closed, s);
        s->peers = peer_table_new(bus);
        g_hash_table_insert(s->daemon->peers, bus, s->peers);
        if (!s->is_published)
                return 0;
        r = publish(s);
        if (r < 0)
                disconnect(s);
        return r;
}

static void reconnect(SystemBus *s)
{
        if (connect_bus(s) < 0)
                retry_later(s);
}

SystemBus *system_bus_new(Daemon *daemon, bool is_only_way, GError **reterr)
{
        SystemBus *s = g_new0(SystemBus, 1);
        int r;

        s->daemon = daemon;
        s->is_only_way = is_only_way;
        r = connect_bus(s);
        if (r >= 0)
                return s;
        if (!is_only_way) {
                retry_later(s);
                return s;
        }
        g_propagate_error(reterr, error_from_errno(r, "connect to the system bus"));
        g_free(s);
        return NULL;
}

void system_bus_free(SystemBus *s)
{
        if (!s)
                return;
        if (s->retry)
                g_source_remove(s->retry);
        if (s->bus) {
                bus_api_leave(s->daemon->api, s->bus);
                g_hash_table_remove(s->daemon->peers, s->bus);
                bus_source_free(s->source);
                peer_table_free(s->peers);
                sd_bus_flush_close_unref(s->bus);
        }
        g_free(s);
}

void system_bus_publish(SystemBus *s)
{
        int r;

        s->is_published = true;
        if (!s->bus)
                return;
        r = publish(s);
        if (r < 0) {
                g_warning("Can't get the name %s on the bus: %s", BUS_NAME, g_strerror(-r));
                daemon_quit(s->daemon, EXIT_FAILURE);
        }
}

static int on_released(sd_bus_message *m, void *userdata, sd_bus_error *reterr)
{
        SystemBus *s = userdata;

        (void)m, (void)reterr;
        /* All that was sent to the name before was received before this answer, and is held. */
        s->released(s->daemon);
        return 0;
}

void system_bus_release(SystemBus *s, void (*released)(Daemon *daemon))
{
        s->released = released;
        /* The name may just be on its way here, but not where no bus is. */
        if (!s->is_published || !s->bus || sd_bus_is_ready(s->bus) <= 0 ||
            sd_bus_release_name_async(s->bus, NULL, BUS_NAME, on_released, s) < 0)
                released(s->daemon);
}
