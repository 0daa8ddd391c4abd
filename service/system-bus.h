/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "daemon.h"

/*
 * The service on the system bus: the connection, the name, and those who call there.
 *
 * Where callers come by the private socket too, the bus is no condition: the connection waits for a
 * bus that isn't there yet, as in early boot, and when the bus goes it waits for the next. Where the
 * bus is the only way, its end is the service's, which the next bus starts again.
 */

typedef struct SystemBus SystemBus;

/* Connects, or begins to wait. NULL only where the bus is the only way and can't be reached. */
SystemBus *system_bus_new(Daemon *daemon, bool is_only_way, GError **reterr);
void system_bus_free(SystemBus *s);

/* The API is there: serve it, and have the name. */
void system_bus_publish(SystemBus *s);

/*
 * Gives up the name, so that who calls from now on starts the next service, and calls @released with
 * the daemon when all that was sent to the name before was received; at once where there is no name.
 */
void system_bus_release(SystemBus *s, void (*released)(Daemon *daemon));
