/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <systemd/sd-bus.h>

/*
 * Serves @bus from GLib's default main context, at G_PRIORITY_DEFAULT, until the source is destroyed
 * or the connection ends; then @closed is called, once. See sd_bus_get_fd(3) for the protocol of a
 * foreign loop. The source holds a reference of the bus. Free with bus_source_free().
 */
GSource *bus_source_new(sd_bus *bus, void (*closed)(void *userdata), void *userdata);

/* Ends the source and drops the reference; NULL is fine. */
void bus_source_free(GSource *source);
