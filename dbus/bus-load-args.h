/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <systemd/sd-bus.h>

/* What the files that read the arguments of Load() share. */

/*
 * Names of functions, variables and maps: what no compiler makes is refused before it is carried
 * around, into polkit's details for one. @what it is the name of is for the message.
 */
int bus_check_symbol(const char *name, const char *what, sd_bus_error *reterr);

/* Reads the option "globals", see bus-options.h; @dest are the BusLoadArgs. */
int bus_read_globals(sd_bus_message *m, const char *type, size_t offset, void *dest,
                     sd_bus_error *reterr);
