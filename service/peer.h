/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include <glib.h>
#include <systemd/sd-bus.h>

/*
 * The connections on the bus that ask something of us: their uid, asked of the bus daemon once, and
 * their end, watched. Nothing here waits for the bus: sd-bus's own helpers for credentials do.
 */

typedef struct PeerTable PeerTable;

typedef struct Peer {
        char *name; /* unique name */
        uid_t uid;  /* once known */
        bool known;
        int log_fd; /* the verifier's log of its last Load(), or -1; the peer's */
        /* private */
        PeerTable *table;
        GQueue waiting;
        GHashTable *watchers;
        sd_bus_slot *query;
        gint64 last_use;
} Peer;

/* Before anybody can call: from then on ends are watched. Where the bus refuses, it is closed. */
PeerTable *peer_table_new(sd_bus *bus);
void peer_table_free(PeerTable *table);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PeerTable, peer_table_free)

/*
 * Calls @ready with the peer of that unique name, its uid known; or with NULL where it has left
 * already. At once where it is known, else when the bus has answered.
 */
typedef void (*PeerReady)(Peer *peer, void *userdata);
void peer_get(PeerTable *table, const char *name, PeerReady ready, void *userdata);

/* Has @vanished called with @userdata when the peer leaves the bus, unless unwatched before. */
typedef void (*PeerVanished)(void *userdata);
void peer_watch(Peer *peer, PeerVanished vanished, void *userdata);
void peer_unwatch(Peer *peer, void *userdata);
