/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <systemd/sd-bus.h>

/*
 * Reading an a{sv} of options by a table of those that there are: what isn't in the table, comes
 * twice or has another type than the table says is refused with an error that says what would do.
 */

typedef struct BusOption {
        const char *name;
        const char *types[3]; /* D-Bus types of the value, NULL-terminated */
        /*
         * Reads the value, of type @type, from @m into the struct that bus_options_read() was given.
         * A negative errno, with @reterr filled where it is the caller's fault.
         */
        int (*read)(sd_bus_message *m, const char *type, size_t offset, void *dest,
                    sd_bus_error *reterr);
        size_t offset;     /* of the member that it fills, for the readers below */
        size_t has_offset; /* of the bool to set; 0: none, so it is never the first member */
} BusOption;

/* Reads the array at the message's position. The table's last row has a NULL name. */
int bus_options_read(sd_bus_message *m, const BusOption *table, void *dest, sd_bus_error *reterr);

/* Readers for plain members: uint32_t, uint64_t, int32_t; char * (a copy, freeing what was there);
 * const char * (the message's); bool; int (descriptor, the message's); char ** (a copy). */
int bus_option_u32(sd_bus_message *m, const char *type, size_t offset, void *dest, sd_bus_error *e);
int bus_option_u64(sd_bus_message *m, const char *type, size_t offset, void *dest, sd_bus_error *e);
int bus_option_i32(sd_bus_message *m, const char *type, size_t offset, void *dest, sd_bus_error *e);
int bus_option_string(sd_bus_message *m, const char *type, size_t offset, void *dest,
                      sd_bus_error *e);
int bus_option_borrow(sd_bus_message *m, const char *type, size_t offset, void *dest,
                      sd_bus_error *e);
int bus_option_strv(sd_bus_message *m, const char *type, size_t offset, void *dest,
                    sd_bus_error *e);
int bus_option_bool(sd_bus_message *m, const char *type, size_t offset, void *dest,
                    sd_bus_error *e);
/* The id in the object path of a program; an error where it is the path of something else. */
int bus_option_program(sd_bus_message *m, uint32_t *ret, sd_bus_error *reterr);
int bus_option_fd(sd_bus_message *m, const char *type, size_t offset, void *dest, sd_bus_error *e);
/* BusValue, of the type that it has in the message */
int bus_option_value(sd_bus_message *m, const char *type, size_t offset, void *dest,
                     sd_bus_error *e);
