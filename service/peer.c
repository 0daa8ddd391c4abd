/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "peer.h"

#include <errno.h>
#include <unistd.h>

/*
 * A peer stays known until it leaves the bus: a few hundred bytes each. Of more than this many,
 * those that have nothing going on are forgotten; they are asked for again when needed.
 */
#define PEERS_MAX 256

/*
 * All names that go, and one match for all peers: the bus allows a connection only so many, and a
 * match for each peer would let callers use them up.
 */
#define MATCH                                                                       \
        "type='signal',sender='org.freedesktop.DBus',path='/org/freedesktop/DBus'," \
        "interface='org.freedesktop.DBus',member='NameOwnerChanged',arg2=''"

struct PeerTable {
        sd_bus *bus;
        sd_bus_slot *match;
        GHashTable *peers; /* name → Peer */
        bool is_direct;    /* no bus between: whatever name is said, there is one peer */
        Peer *only;        /* and this is it, until it leaves */
};

typedef struct Waiter {
        PeerReady ready;
        void *userdata;
} Waiter;

static void peer_free(Peer *peer)
{
        sd_bus_slot_unref(peer->query);
        g_queue_clear_full(&peer->waiting, g_free);
        g_hash_table_unref(peer->watchers);
        if (peer->log_fd >= 0)
                close(peer->log_fd);
        caller_unref(peer->caller);
        g_free(peer->name);
        g_free(peer);
}

void peer_table_free(PeerTable *table)
{
        if (!table)
                return;
        sd_bus_slot_unref(table->match);
        g_hash_table_unref(table->peers);
        if (table->only)
                peer_free(table->only);
        sd_bus_unref(table->bus);
        g_free(table);
}

static void answer_waiting(Peer *peer, bool here)
{
        Waiter *w;

        while ((w = g_queue_pop_head(&peer->waiting))) {
                w->ready(here ? peer : NULL, w->userdata);
                g_free(w);
        }
}

static void vanish(Peer *peer)
{
        GHashTableIter i;
        gpointer userdata, vanished;

        /* Out of the table first: what is called now may ask for the name again. */
        if (peer->name)
                g_hash_table_steal(peer->table->peers, peer->name);
        else
                peer->table->only = NULL;
        answer_waiting(peer, false);
        /* A callback may unwatch, its own entry or another's: begin anew after each. */
        while (g_hash_table_iter_init(&i, peer->watchers),
               g_hash_table_iter_next(&i, &userdata, &vanished)) {
                g_hash_table_iter_remove(&i);
                ((PeerVanished)vanished)(userdata);
        }
        peer_free(peer);
}

static int on_name_owner_changed(sd_bus_message *m, void *userdata, sd_bus_error *reterr)
{
        PeerTable *table = userdata;
        const char *name, *old, *new;
        Peer *peer;

        (void)reterr;
        if (sd_bus_message_read(m, "sss", &name, &old, &new) < 0 || *new != '\0')
                return 0;
        peer = g_hash_table_lookup(table->peers, name);
        if (peer)
                vanish(peer);
        return 0;
}

/* Without it no end would be seen: better none of us than one that keeps what it should give up. */
static int on_match_installed(sd_bus_message *m, void *userdata, sd_bus_error *reterr)
{
        PeerTable *table = userdata;
        const sd_bus_error *error = sd_bus_message_get_error(m);

        (void)reterr;
        if (error) {
                g_warning("The bus doesn't tell who leaves it: %s", error->message);
                sd_bus_close(table->bus);
        }
        return 0;
}

static PeerTable *table_new(sd_bus *bus)
{
        PeerTable *table = g_new0(PeerTable, 1);

        table->bus = sd_bus_ref(bus);
        table->peers =
                g_hash_table_new_full(g_str_hash, g_str_equal, NULL, (GDestroyNotify)peer_free);
        return table;
}

static Peer *peer_new(PeerTable *table, const char *name)
{
        Peer *peer = g_new0(Peer, 1);

        peer->table = table;
        peer->name = g_strdup(name);
        peer->log_fd = -1;
        peer->last_use = g_get_monotonic_time();
        peer->watchers = g_hash_table_new(NULL, NULL);
        g_queue_init(&peer->waiting);
        return peer;
}

PeerTable *peer_table_new_direct(sd_bus *bus, uid_t uid, Caller *caller)
{
        PeerTable *table = table_new(bus);

        table->is_direct = true;
        table->only = peer_new(table, NULL);
        table->only->uid = uid;
        table->only->known = true;
        table->only->caller = caller;
        return table;
}

void peer_table_vanish(PeerTable *table)
{
        GHashTableIter i;
        gpointer peer;

        if (table->only)
                vanish(table->only);
        while (g_hash_table_iter_init(&i, table->peers), g_hash_table_iter_next(&i, NULL, &peer))
                vanish(peer);
}

PeerTable *peer_table_new(sd_bus *bus)
{
        PeerTable *table = table_new(bus);
        int r;

        r = sd_bus_add_match_async(bus, &table->match, MATCH, on_name_owner_changed,
                                   on_match_installed, table);
        if (r < 0) {
                g_warning("Can't watch who leaves the bus: %s", g_strerror(-r));
                sd_bus_close(bus);
        }
        return table;
}

typedef struct Credentials {
        bool has_uid;
        uint32_t uid, pid;
        int pidfd; /* the message's */
} Credentials;

static int read_credential(sd_bus_message *m, Credentials *ret)
{
        const char *key;
        int r;

        r = sd_bus_message_read_basic(m, 's', &key);
        if (r < 0)
                return r;
        if (g_str_equal(key, "UnixUserID")) {
                ret->has_uid = true;
                return sd_bus_message_read(m, "v", "u", &ret->uid);
        }
        if (g_str_equal(key, "ProcessID"))
                return sd_bus_message_read(m, "v", "u", &ret->pid);
        /* Since dbus 1.15.8 */
        if (g_str_equal(key, "ProcessFD"))
                return sd_bus_message_read(m, "v", "h", &ret->pidfd);
        return sd_bus_message_skip(m, "v");
}

static int read_credentials(sd_bus_message *m, Credentials *ret)
{
        int r;

        *ret = (Credentials){.pidfd = -1};
        r = sd_bus_message_enter_container(m, 'a', "{sv}");
        if (r < 0)
                return r;
        while ((r = sd_bus_message_enter_container(m, 'e', "sv")) > 0) {
                r = read_credential(m, ret);
                if (r >= 0)
                        r = sd_bus_message_exit_container(m);
                if (r < 0)
                        return r;
        }
        return r < 0 ? r : ret->has_uid ? 0 : -ENODATA;
}

static int on_credentials(sd_bus_message *m, void *userdata, sd_bus_error *reterr)
{
        Peer *peer = userdata;
        Credentials c;

        (void)reterr;
        peer->query = sd_bus_slot_unref(peer->query);
        if (sd_bus_message_is_method_error(m, NULL) || read_credentials(m, &c) < 0) {
                vanish(peer);
                return 0;
        }
        peer->uid = c.uid;
        peer->caller = caller_new((pid_t)c.pid, c.pidfd, c.uid);
        peer->known = true;
        answer_waiting(peer, true);
        return 0;
}

static void forget_idle(PeerTable *table)
{
        gint64 horizon = g_get_monotonic_time() - 10 * G_USEC_PER_SEC;
        GHashTableIter i;
        gpointer value;

        g_hash_table_iter_init(&i, table->peers);
        while (g_hash_table_iter_next(&i, NULL, &value)) {
                Peer *peer = value;

                if (peer->known && g_hash_table_size(peer->watchers) == 0 &&
                    peer->last_use < horizon)
                        g_hash_table_iter_remove(&i);
        }
}

/*
 * The bus answers in order, and was told of the match first: once the uid is there, no end is missed.
 * Of who has left already the bus knows no uid.
 */
static int ask_bus(PeerTable *table, Peer *peer)
{
        return sd_bus_call_method_async(table->bus, &peer->query, "org.freedesktop.DBus",
                                        "/org/freedesktop/DBus", "org.freedesktop.DBus",
                                        "GetConnectionCredentials", on_credentials, peer, "s",
                                        peer->name);
}

void peer_get(PeerTable *table, const char *name, PeerReady ready, void *userdata)
{
        Waiter *w;
        Peer *peer;

        if (table->is_direct) {
                ready(table->only, userdata);
                return;
        }
        peer = g_hash_table_lookup(table->peers, name);
        if (peer && peer->known) {
                peer->last_use = g_get_monotonic_time();
                ready(peer, userdata);
                return;
        }
        if (!peer) {
                if (g_hash_table_size(table->peers) >= PEERS_MAX)
                        forget_idle(table);
                peer = peer_new(table, name);
                g_hash_table_insert(table->peers, peer->name, peer);
                if (ask_bus(table, peer) < 0) {
                        g_hash_table_remove(table->peers, name);
                        ready(NULL, userdata);
                        return;
                }
        }
        w = g_new(Waiter, 1);
        *w = (Waiter){ready, userdata};
        g_queue_push_tail(&peer->waiting, w);
}

void peer_watch(Peer *peer, PeerVanished vanished, void *userdata)
{
        g_hash_table_insert(peer->watchers, userdata, (gpointer)vanished);
}

void peer_unwatch(Peer *peer, void *userdata)
{
        g_hash_table_remove(peer->watchers, userdata);
}
