/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>
#include <systemd/sd-bus.h>

#include "bus-error.h"
#include "bus-objects.h"

/*
 * The client half of the API: synchronous calls over sd-bus whose arguments and results are
 * GVariants, so that a tool handles properties and options it has no struct for. Functions return 0
 * or a negative errno, with @reterr filled.
 */

#define BUS_INTERFACE_MANAGER "org.bpfkeeper1.Manager"

G_DEFINE_AUTOPTR_CLEANUP_FUNC(sd_bus, sd_bus_flush_close_unref)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(sd_bus_message, sd_bus_message_unref)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(sd_bus_slot, sd_bus_slot_unref)
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(sd_bus_error, sd_bus_error_free)

/*
 * Connects to the system bus; @description is what busctl shows. With @interactive, polkit may ask
 * the user for a password on behalf of every call. Since 0.1.
 */
int bus_client_open(const char *description, bool interactive, sd_bus **ret);

/*
 * Connects to the service's private socket, without a bus between, which only root may. The calls are
 * the same. Since 0.1.
 */
int bus_client_open_private(const char *description, sd_bus **ret);

/*
 * Calls a method of the service. @args is a tuple, or NULL for none; a floating reference is taken.
 * Handles ('h') in it are descriptors, which stay the caller's. @ret (may be NULL) gets the reply as
 * a tuple. There is no time limit: a person may be typing a password, and the bus itself answers
 * when the service dies. Since 0.1.
 */
int bus_client_call(sd_bus *bus, const char *path, const char *interface, const char *member,
                    GVariant *args, sd_bus_error *reterr, GVariant **ret);

/* The same for a method that returns one descriptor, which becomes the caller's. Since 0.1. */
int bus_client_call_fd(sd_bus *bus, const char *path, const char *interface, const char *member,
                       GVariant *args, sd_bus_error *reterr, int *ret);

/* All properties of an interface, as a{sv}. Since 0.1. */
int bus_client_get_all(sd_bus *bus, const char *path, const char *interface, sd_bus_error *reterr,
                       GVariant **ret);

/* One property, without the variant around it. Since 0.1. */
int bus_client_get(sd_bus *bus, const char *path, const char *interface, const char *property,
                   sd_bus_error *reterr, GVariant **ret);

/*
 * What is left of a message as a tuple. Handles come out as -1: whoever wants a descriptor reads it
 * from the message, which owns it. Since 0.1.
 */
int bus_client_read(sd_bus_message *m, GVariant **ret);

/* Appends the members of a tuple; handles are descriptors, which are duplicated. Since 0.1. */
int bus_client_append(sd_bus_message *m, GVariant *tuple);

/* Whether polkit, or the bus's policy, refused: a password might do, or not. Since 0.1. */
bool bus_client_is_refusal(const sd_bus_error *error);

/* Whether the object isn't there (any more). Since 0.1. */
bool bus_client_is_no_object(const sd_bus_error *error);
