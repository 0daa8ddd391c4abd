/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "bus-ops.h"
#include "bus-options.h"

/* What the files of the four interfaces share. */

G_DEFINE_AUTOPTR_CLEANUP_FUNC(sd_bus_message, sd_bus_message_unref)

/* One connection that the API is served on. */
typedef struct BusSeat BusSeat;

struct BusApi {
        const BusOps *ops;
        void *service;
        GPtrArray *seats;          /* BusSeat */
        BusOption *attach_options; /* of BusOps.hook_params */
        size_t n_attach_options;
        uint64_t n_messages;
        /* The stats that were asked of the kernel last, and at which message. */
        struct {
                uint64_t message;
                uint32_t id;
                BusProgramStats stats;
        } program;
        struct {
                uint64_t message;
                uint32_t id;
                BusMapStats stats;
        } map;
};

extern const sd_bus_vtable bus_manager_vtable[];
extern const sd_bus_vtable bus_program_vtable[];
extern const sd_bus_vtable bus_map_vtable[];
extern const sd_bus_vtable bus_link_vtable[];

/* Appends all properties of @object as a{sv}, from the vtable that publishes them. */
int bus_append_properties(sd_bus_message *reply, const sd_bus_vtable *vtable, const char *path,
                          const char *interface, void *object, sd_bus_error *reterr);

/* Appends an array of object paths. */
int bus_append_paths(sd_bus_message *reply, BusKind kind, const uint32_t *ids, size_t n);

/* Appends an entry of an a{sv} whose value is an array of strings. */
int bus_append_strings(sd_bus_message *reply, const char *key, const char *const *strings);

/* Reads a byte array at the message's position; @ret borrows from the message. */
int bus_read_bytes(sd_bus_message *m, const void **ret, size_t *ret_size);

/*
 * The kernel's answer, or zeros where the thing is gone by now, so that reading all properties goes
 * on. Asked for once a message: with a thousand objects it is what GetManagedObjects() waits for.
 */
const BusProgramStats *bus_program_stats(const BusProgram *program);
const BusMapStats *bus_map_stats(const BusMap *map);

/* Options of Attach(), of which the service knows the names and types. */
int bus_attach_args_read(sd_bus_message *m, const BusApi *api, BusAttachArgs **ret,
                         sd_bus_error *reterr);

int bus_method_get_hook(sd_bus_message *m, void *userdata, sd_bus_error *reterr);

/* The table by which Attach()'s options are read into BusAttachArgs. */
BusOption *bus_attach_options(const BusHookParam *params, size_t *ret_n);

/* Reads the arguments of Load(); the caller owns what it gets. */
int bus_load_args_read(sd_bus_message *m, BusLoadArgs **ret, sd_bus_error *reterr);

/* bus-grant.c */
int bus_method_add_grant(sd_bus_message *m, void *userdata, sd_bus_error *reterr);
int bus_method_list_grants(sd_bus_message *m, void *userdata, sd_bus_error *reterr);
int bus_method_remove_grant(sd_bus_message *m, void *userdata, sd_bus_error *reterr);
int bus_method_check_authorization(sd_bus_message *m, void *userdata, sd_bus_error *reterr);
