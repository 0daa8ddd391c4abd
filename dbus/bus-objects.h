/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <glib.h>

/*
 * What is published: the properties of each kind of object, as plain data that the vtables read.
 * service/ fills and owns them; strings are never NULL (use ""). What a property means stands in the
 * interface's XML.
 */

#define BUS_NAME "org.bpfkeeper1"
#define BUS_PATH_ROOT "/org/bpfkeeper1"

/* Where root is served without a bus, see bpfkeeper.socket */
#define BUS_PRIVATE_SOCKET "/run/bpfkeeper/private"

typedef enum BusKind {
        BUS_PROGRAM,
        BUS_MAP,
        BUS_LINK,
        _BUS_KIND_MAX,
} BusKind;

/* Long enough for every object path of ours. */
#define BUS_PATH_MAX 48

/* "/org/bpfkeeper1/program/_42" in @ret, which has room for BUS_PATH_MAX. Returns @ret. */
char *bus_path(BusKind kind, uint32_t id, char *ret);

/* The id in an object path of that kind; false where it isn't one (also "_042" and "_42x"). */
bool bus_path_parse(const char *path, BusKind kind, uint32_t *ret);

/* "org.bpfkeeper1.Program" and so on */
const char *bus_interface(BusKind kind);

typedef struct BusProgram {
        struct BusApi *api; /* set by the API when it finds the object */
        uint32_t id;
        char *name;
        char *type;
        char *kernel_type;
        char *section;
        char *tag;
        int managed; /* int: what sd-bus takes for a boolean */
        uint32_t owner_uid;
        char *application;
        char **metadata; /* key, value, key, value, …, NULL */
        char *source_digest;
        uint64_t load_time;
        int gpl_compatible;
        uint32_t bytes_xlated;
        uint32_t bytes_jited;
        uint32_t verified_instructions;
        uint32_t btf_id;
        GArray *maps;  /* uint32_t: map ids */
        GArray *links; /* uint32_t: link ids */
} BusProgram;

/* What changes with every run; asked of the kernel when it is read. */
typedef struct BusProgramStats {
        uint64_t run_time_nsec;
        uint64_t run_count;
        uint64_t recursion_misses;
        uint64_t bytes_memlock;
} BusProgramStats;

typedef struct BusMap {
        struct BusApi *api; /* set by the API when it finds the object */
        uint32_t id;
        char *name;
        char *type;
        uint32_t key_size;
        uint32_t value_size;
        uint32_t max_entries;
        uint32_t flags;
        int managed;
        uint32_t owner_uid;
        char *application;
        uint32_t btf_id;
        uint32_t possible_cpus;
        int shared;
        GArray *programs; /* uint32_t: program ids */
} BusMap;

typedef struct BusMapStats {
        bool frozen;
        uint64_t bytes_memlock;
} BusMapStats;

typedef struct BusLink {
        struct BusApi *api; /* set by the API when it finds the object */
        uint32_t id;
        char *type;
        uint32_t program_id;
        char *program_name;
        uint32_t owner_uid;
        uint64_t attach_time;
        GArray *kernel_link_ids; /* uint32_t */
        const char *interface;   /* what it was told as, see BusOps.link_param */
        uint32_t interface_index;
        uint64_t netns_inode;
        uint64_t cgroup_id;
        uint64_t device_number;
        uint32_t target_program_id;
        uint32_t target_map_id;
        const char *sharing; /* static */
} BusLink;

/* A value of one of these D-Bus types: "s", "u", "i", "t", "h", "o" of a program or a map, "as", "at". */
typedef struct BusValue {
        const char *type; /* NULL: none */
        BusKind kind;     /* of "o" */
        union {
                char *s;    /* owned */
                uint32_t u; /* of "o": the object's id */
                int32_t i;
                uint64_t t;
                int h;           /* the message's; the message is kept until the answer */
                char **strings;  /* owned; never NULL */
                GArray *numbers; /* uint64_t; owned; never NULL */
        };
} BusValue;

/* Frees what the value has, which is none then. */
void bus_value_clear(BusValue *value);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(BusValue, bus_value_clear)

/* An option of Attach(): what says where the program goes. */
typedef struct BusHookParam {
        const char *name;
        const char *const
                *types; /* D-Bus types that its value can have, NULL-terminated; at most two */
} BusHookParam;

/* A row of Manager.ProgramTypes; all borrowed, NULL-terminated lists. */
typedef struct BusProgramType {
        const char *name;
        const char *description;
        const char *const *sections;
        const char *const *required;
        const char *const *optional;
        const char *sharing;
        const char *needs;
} BusProgramType;

typedef struct BusFeature {
        const char *name;
        bool available;
} BusFeature;
