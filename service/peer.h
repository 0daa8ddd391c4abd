/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include <glib.h>
#include <systemd/sd-bus.h>

#include "caller.h"

/*
 * Those who ask something of us: on the bus, its connections, with their uid, asked of the bus daemon
 * once, and their end, watched; on the private socket, the process at the other end. Nothing here waits for the bus: sd-bus's own helpers for credentials do.
 */

typedef struct PeerTable PeerTable;

typedef struct Peer {
        char *name; /* unique name; NULL where there is no bus between */
        uid_t uid;  /* once known */
        bool known;
        Caller *caller; /* the process, once known */
        int log_fd;     /* the verifier's log of its last Load(), or -1; the peer's */
        /* private */
        PeerTable *table;
        GQueue waiting;
        GHashTable *watchers;
        sd_bus_slot *query;
        gint64 last_use;
} Peer;

/* Before anybody can call: from then on ends are watched. Where the bus refuses, it is closed. */
PeerTable *peer_table_new(sd_bus *bus);
/* One peer and no bus: whoever is at the other end of @bus, a process (taken) of that uid. */
PeerTable *peer_table_new_direct(sd_bus *bus, uid_t uid, Caller *caller);
void peer_table_free(PeerTable *table);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PeerTable, peer_table_free)

/* The connection is gone, and all peers with it. */
void peer_table_vanish(PeerTable *table);

/*
 * Calls @ready with the peer of that unique name (NULL: without a bus, the only one), its uid known; or with NULL where it has left
 * already. At once where it is known, else when the bus has answered.
 */
typedef void (*PeerReady)(Peer *peer, void *userdata);
void peer_get(PeerTable *table, const char *name, PeerReady ready, void *userdata);

/* Has @vanished called with @userdata when the peer leaves the bus, unless unwatched before. */
typedef void (*PeerVanished)(void *userdata);
void peer_watch(Peer *peer, PeerVanished vanished, void *userdata);
void peer_unwatch(Peer *peer, void *userdata);
