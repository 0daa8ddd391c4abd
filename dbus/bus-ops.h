/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <systemd/sd-bus.h>

#include "bus-grant.h"
#include "bus-objects.h"

/*
 * What the API calls and service/ does: dbus/ knows no more of the service than this table.
 *
 * The methods take a message whose arguments were read and checked for form; what stands in @args
 * is theirs (free it with the matching bus_*_args_free()). They answer later, with bus_reply_*() or
 * bus_reply_gerror(). The getters answer at once, from memory or with a cheap system call.
 */

typedef struct BusProgramWish {
        char *name;
        char *type; /* "" : as the section says */
} BusProgramWish;

typedef struct BusMapWish {
        char *name;
        uint32_t id;
        bool optional; /* only where it fits; see Load()'s option replaces */
} BusMapWish;

typedef struct BusMapSize {
        char *name;
        uint32_t max_entries;
} BusMapSize;

typedef struct BusLoadArgs {
        int object_fd;           /* the message's; the message is kept until the answer */
        GArray *programs;        /* BusProgramWish */
        char *name;              /* or "" */
        sd_bus_message *globals; /* see bus_globals_append(); or NULL */
        GArray *maps;            /* BusMapWish */
        uint32_t replaces;       /* 0: none */
        GArray *map_sizes;       /* BusMapSize */
        char **metadata;         /* key, value, …, NULL */
        int btf_fd;              /* or -1 */
        uint32_t log_level;
        uint32_t target_program; /* freplace: 0: none */
        char *target_function;   /* or "" */
} BusLoadArgs;

BusLoadArgs *bus_load_args_new(void);
void bus_load_args_free(BusLoadArgs *args);

/* Appends them to @to as a{sv}: by name a value of any shape but descriptors. */
int bus_globals_append(sd_bus_message *globals, sd_bus_message *to);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(BusLoadArgs, bus_load_args_free)

/* What Attach() was told: a value for each of BusOps.hook_params, in their order. */
typedef struct BusAttachArgs {
        size_t n;
        BusValue values[];
} BusAttachArgs;

void bus_attach_args_free(BusAttachArgs *args);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(BusAttachArgs, bus_attach_args_free)

typedef struct BusTestRunArgs {
        const void *data; /* the message's */
        size_t data_size;
        const void *context;
        size_t context_size;
        uint32_t repeat;
        uint32_t data_out_size;
} BusTestRunArgs;

/* What List*() looks for. */
typedef struct BusFilter {
        const char *type; /* these: NULL if not given; the message's */
        const char *name;
        const char *application;
        const char *interface;
        bool managed, has_managed;
        uint32_t owner_uid, program, map;
        bool has_owner_uid, has_program, has_map;
} BusFilter;

typedef struct BusOps {
        /* Getters. The objects stay valid until control returns to the main loop. */
        BusProgram *(*program)(void *service, uint32_t id);
        BusMap *(*map)(void *service, uint32_t id);
        BusLink *(*link)(void *service, uint32_t id);
        int (*program_stats)(void *service, const BusProgram *program, BusProgramStats *ret);
        int (*map_stats)(void *service, const BusMap *map, BusMapStats *ret);

        /* The ids of all objects of a kind, those of others too, in ascending order. */
        GArray *(*ids)(void *service, BusKind kind);

        const BusProgramType *(*program_types)(void *service); /* the last has a NULL name */

        /* The options of Attach(), from before the API is made: the last has a NULL name. What a link was
         * told by one of them, or has without having been told, as @ret (see bus_value_clear()) of a
         * type that the option can have, or "s" for what isn't to be had back. */
        const BusHookParam *(*hook_params)(void *service);
        void (*link_param)(void *service, const BusLink *link, size_t param, BusValue *ret);

        const BusFeature *(*features)(void *service); /* the last has a NULL name */

        /* Called for every method call to one of our interfaces, before anything else: what keeps
         * the service from leaving as idle. */
        void (*activity)(void *service);

        /* Methods. The id may be of an object that is gone by now. */
        void (*load)(void *service, sd_bus_message *m, BusLoadArgs *args);
        void (*inspect)(void *service, sd_bus_message *m, int object_fd);
        void (*describe)(void *service, sd_bus_message *m, int object_fd);
        void (*last_log)(void *service, sd_bus_message *m);
        void (*add_grant)(void *service, sd_bus_message *m, BusGrantArgs *args);
        void (*list_grants)(void *service, sd_bus_message *m);
        void (*remove_grant)(void *service, sd_bus_message *m, const char *id);
        void (*check_authorization)(void *service, sd_bus_message *m, BusCheckArgs *args);
        void (*attach)(void *service, sd_bus_message *m, uint32_t id, BusAttachArgs *args);
        void (*get_hook)(void *service, sd_bus_message *m, BusAttachArgs *args);
        void (*unload)(void *service, sd_bus_message *m, uint32_t id);
        void (*program_open_fd)(void *service, sd_bus_message *m, uint32_t id);
        void (*program_log)(void *service, sd_bus_message *m, uint32_t id);
        void (*test_run)(void *service, sd_bus_message *m, uint32_t id, const BusTestRunArgs *args);
        /* @args NULL: Detach(), which takes none */
        void (*detach)(void *service, sd_bus_message *m, uint32_t id, BusAttachArgs *args);
        void (*open_iterator)(void *service, sd_bus_message *m, uint32_t id);
        void (*update)(void *service, sd_bus_message *m, uint32_t id, BusAttachArgs *args);
        void (*replace_program)(void *service, sd_bus_message *m, uint32_t id, uint32_t program,
                                BusAttachArgs *args);
        void (*map_lookup)(void *service, sd_bus_message *m, uint32_t id, const void *key,
                           size_t size);
        void (*map_update)(void *service, sd_bus_message *m, uint32_t id, const void *key,
                           size_t size, const void *value, size_t value_size);
        void (*map_delete)(void *service, sd_bus_message *m, uint32_t id, const void *key,
                           size_t size);
        void (*map_entries)(void *service, sd_bus_message *m, uint32_t id, const void *after,
                            size_t size, uint32_t limit);
        void (*map_open_fd)(void *service, sd_bus_message *m, uint32_t id, const char *mode);
} BusOps;

/* The API of one service, on as many connections as there are. */
typedef struct BusApi BusApi;

/* Served by @ops with @service as first argument; both must outlive the API. */
BusApi *bus_api_new(const BusOps *ops, void *service);
void bus_api_free(BusApi *api);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(BusApi, bus_api_free)

/*
 * Puts all objects on @bus (referenced), and takes them from there. The bus name is the caller's to
 * request. 0 or a negative errno.
 */
int bus_api_serve(BusApi *api, sd_bus *bus);
void bus_api_leave(BusApi *api, sd_bus *bus);

/* Announce an object that is there now, one that still is and is about to go, a changed property. */
void bus_api_emit_added(BusApi *api, BusKind kind, uint32_t id);
void bus_api_emit_removed(BusApi *api, BusKind kind, uint32_t id);
void bus_api_emit_changed(BusApi *api, BusKind kind, uint32_t id, const char *property);

/* Announce that the manager's Features are others. */
void bus_api_emit_features(BusApi *api);

/* Answers. Each may fail only where the connection is gone, and then nobody is waiting. */
int bus_reply_paths(sd_bus_message *m, BusKind kind, const uint32_t *ids, size_t n);
int bus_reply_path(sd_bus_message *m, BusKind kind, uint32_t id);
int bus_reply_no_path(sd_bus_message *m);    /* "/": of nothing that there is on the bus */
int bus_reply_fd(sd_bus_message *m, int fd); /* duplicated */
int bus_reply_bytes(sd_bus_message *m, const void *data, size_t size);
int bus_reply_empty(sd_bus_message *m);

/* What is on a hook, for GetHook(); in the order in which it runs. Strings are never NULL. */
typedef struct BusOccupant {
        const char *type, *direction, *hook, *mode, *family, *attach_flags; /* borrowed */
        char *name, *route; /* the occupant's; a route may be "" */
        char **proceed_on;  /* likewise, or NULL */
        uint32_t position;
        uint32_t program_id, owner_uid; /* 0: no program */
        uint32_t link_id;               /* 0: none of ours */
        uint32_t kernel_link_id, priority, handle, index, table, metric;
        int32_t hook_priority; /* where there is a family */
        bool inherited;
} BusOccupant;

int bus_reply_hook(sd_bus_message *m, const BusOccupant *occupants, size_t n);
