/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "private-socket.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include <glib-unix.h>
#include <systemd/sd-daemon.h>

#include "bus-error.h"
#include "bus-source.h"

/* Beyond these, root waits to be accepted. Of others, who come only where somebody has changed the
 * socket's mode, few are told why they are refused, and not for long. */
#define CLIENTS_MAX 64
#define STRANGERS_MAX 8
#define STRANGER_SEC 5
/* As much as a client that never stops can have handled when the service leaves. */
#define DRAIN_MAX 1024

/* Since Linux 6.5; the C library's headers may be older. */
#ifndef SO_PEERPIDFD
#define SO_PEERPIDFD 77
#endif

struct PrivateSocket {
        Daemon *daemon;
        int fd;
        guint watch;
        bool is_open;
        GQueue clients;   /* Client */
        GQueue strangers; /* Client */
};

typedef struct Client {
        PrivateSocket *socket;
        GQueue *queue; /* which of the two */
        sd_bus *bus;
        GSource *source;
        PeerTable *peers; /* NULL: a stranger */
        uid_t uid;
        guint timeout;
} Client;

static void accept_or_not(PrivateSocket *s);

static void client_free(void *p)
{
        Client *c = p;
        Daemon *daemon = c->socket->daemon;

        if (c->timeout)
                g_source_remove(c->timeout);
        if (c->peers) {
                bus_api_leave(daemon->api, c->bus);
                g_hash_table_remove(daemon->peers, c->bus);
                peer_table_vanish(c->peers);
                peer_table_free(c->peers);
        }
        bus_source_free(c->source);
        /* Not flushed: who doesn't read must not be waited for. */
        sd_bus_close_unref(c->bus);
        g_free(c);
}

static void on_closed(void *userdata)
{
        Client *c = userdata;
        PrivateSocket *s = c->socket;

        g_queue_remove(c->queue, c);
        client_free(c);
        s->daemon->last_activity = g_get_monotonic_time();
        accept_or_not(s);
}

static gboolean on_stranger_timeout(gpointer userdata)
{
        Client *c = userdata;

        c->timeout = 0;
        on_closed(c);
        return G_SOURCE_REMOVE;
}

static int refuse(sd_bus_message *m, void *userdata, sd_bus_error *reterr)
{
        const Client *c = userdata;

        (void)reterr;
        if (sd_bus_message_is_method_call(m, NULL, NULL) <= 0)
                return 0;
        (void)sd_bus_reply_method_errorf(
                m, bus_error_name(BPFKEEPER_ERROR_NOT_AUTHORIZED),
                "The private socket is for root, and this is uid %u; other users are served on the "
                "system bus.",
                c->uid);
        return 1;
}

static int start_bus(Client *c, int fd)
{
        sd_id128_t id;
        int r;

        r = sd_id128_randomize(&id);
        if (r >= 0)
                r = sd_bus_new(&c->bus);
        if (r >= 0)
                r = sd_bus_set_fd(c->bus, fd, fd);
        if (r < 0) {
                close(fd);
                return r;
        }
        (void)sd_bus_set_description(c->bus, "private");
        r = sd_bus_set_server(c->bus, 1, id);
        if (r >= 0)
                r = sd_bus_negotiate_fds(c->bus, 1);
        /* Clients that match signals by the sender do so here too. */
        if (r >= 0)
                r = sd_bus_set_sender(c->bus, BUS_NAME);
        if (r >= 0)
                r = sd_bus_start(c->bus);
        return r;
}

static int serve(Client *c, int pidfd, pid_t pid)
{
        Daemon *daemon = c->socket->daemon;
        int r;

        if (c->uid != 0) {
                r = sd_bus_add_filter(c->bus, NULL, refuse, c);
                c->timeout = g_timeout_add_seconds(STRANGER_SEC, on_stranger_timeout, c);
        } else {
                r = bus_api_serve(daemon->api, c->bus);
                c->peers = peer_table_new_direct(c->bus, c->uid, caller_new(pid, pidfd, c->uid));
                g_hash_table_insert(daemon->peers, c->bus, c->peers);
        }
        c->source = bus_source_new(c->bus, on_closed, c);
        g_queue_push_tail(c->queue, c);
        return r;
}

/* Takes @fd, whose other end is that process. */
static void add_client(PrivateSocket *s, int fd, const struct ucred *cred)
{
        Client *c = g_new0(Client, 1);
        socklen_t size = sizeof(int);
        int pidfd = -1;

        if (getsockopt(fd, SOL_SOCKET, SO_PEERPIDFD, &pidfd, &size) < 0)
                pidfd = -1;
        c->socket = s;
        c->uid = cred->uid;
        c->queue = cred->uid == 0 ? &s->clients : &s->strangers;
        if (start_bus(c, fd) < 0) {
                sd_bus_unref(c->bus);
                g_free(c);
        } else if (serve(c, pidfd, cred->pid) < 0) {
                on_closed(c);
        }
        if (pidfd >= 0)
                close(pidfd);
}

static gboolean on_connection(gint fd, GIOCondition condition, gpointer userdata)
{
        PrivateSocket *s = userdata;
        struct ucred cred;
        socklen_t size = sizeof(cred);
        int client;

        (void)condition;
        client = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (client < 0)
                return G_SOURCE_CONTINUE;
        /* The uid at the time of connect(2), which nobody can pretend to have. */
        if (getsockopt(client, SOL_SOCKET, SO_PEERCRED, &cred, &size) < 0 ||
            (cred.uid != 0 && g_queue_get_length(&s->strangers) >= STRANGERS_MAX)) {
                close(client);
                return G_SOURCE_CONTINUE;
        }
        s->daemon->last_activity = g_get_monotonic_time();
        add_client(s, client, &cred);
        accept_or_not(s);
        return G_SOURCE_CONTINUE;
}

static void accept_or_not(PrivateSocket *s)
{
        bool wanted = s->is_open && g_queue_get_length(&s->clients) < CLIENTS_MAX;

        if (wanted && !s->watch) {
                s->watch = g_unix_fd_add(s->fd, G_IO_IN, on_connection, s);
        } else if (!wanted && s->watch) {
                g_source_remove(s->watch);
                s->watch = 0;
        }
}

PrivateSocket *private_socket_new(Daemon *daemon)
{
        const int end = SD_LISTEN_FDS_START + daemon->n_passed;
        int fd = SD_LISTEN_FDS_START;
        PrivateSocket *s;

        while (fd < end && sd_is_socket_unix(fd, SOCK_STREAM, 1, NULL, 0) <= 0)
                fd++;
        if (fd == end)
                return NULL;
        s = g_new0(PrivateSocket, 1);
        s->daemon = daemon;
        s->fd = fd;
        g_queue_init(&s->clients);
        g_queue_init(&s->strangers);
        return s;
}

void private_socket_free(PrivateSocket *s)
{
        if (!s)
                return;
        private_socket_close(s);
        g_queue_clear_full(&s->clients, client_free);
        g_queue_clear_full(&s->strangers, client_free);
        close(s->fd);
        g_free(s);
}

void private_socket_open(PrivateSocket *s)
{
        s->is_open = true;
        accept_or_not(s);
}

void private_socket_close(PrivateSocket *s)
{
        s->is_open = false;
        accept_or_not(s);
}

bool private_socket_has_clients(const PrivateSocket *s)
{
        return !g_queue_is_empty((GQueue *)&s->clients);
}

void private_socket_drain(PrivateSocket *s)
{
        for (GList *l = s->clients.head; l; l = l->next)
                for (int i = 0; i < DRAIN_MAX; i++)
                        if (sd_bus_process(((Client *)l->data)->bus, NULL) <= 0)
                                break;
}
