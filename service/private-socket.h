/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "daemon.h"

/*
 * The private socket: D-Bus without a bus, for root, for when there is none yet, or none any more.
 * systemd listens on it and hands it over (bpfkeeper.socket). Every connection has the same objects
 * as the system bus, and signals. Other users are told to take the bus.
 */

typedef struct PrivateSocket PrivateSocket;

/* Takes the socket from systemd; NULL if there is none. */
PrivateSocket *private_socket_new(Daemon *daemon);
void private_socket_free(PrivateSocket *s);

/* Begins, and ends, to accept connections; those that come in between wait for the next service. */
void private_socket_open(PrivateSocket *s);
void private_socket_close(PrivateSocket *s);

/* Whether somebody is connected: the service doesn't leave by itself then, for the connection would
 * not outlive it. */
bool private_socket_has_clients(const PrivateSocket *s);

/* Handles all that was sent and not yet read. */
void private_socket_drain(PrivateSocket *s);
