/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>

#include "bus-ops.h"
#include "cgroup-watch.h"
#include "devices.h"
#include "kern-attach.h"
#include "kern-info.h"
#include "netns.h"
#include "quota.h"

/*
 * What is there: the programs, maps and links of the service, by id, and those of others as far as
 * they were seen. Memory only; service/store keeps it on disk and the kernel keeps the things
 * themselves.
 *
 * A load is what one Load() made: programs, the maps that came with them, and what is common to them.
 * It lasts as long as one of its programs, or as one of its maps is used by a program of another.
 */

typedef struct Load Load;

typedef struct Program {
        BusProgram pub;       /* first: the API hands out pointers to it */
        Load *load;           /* NULL: somebody else's */
        const KernType *type; /* NULL: somebody else's */
        /* xdp: how it runs among others, if the caller of Attach() has no wishes; see kern-xdp.h */
        uint32_t xdp_priority, xdp_proceed_on;
        uint32_t extension_id; /* xdp: the kernel's id of the program as an extension, or 0 */
        bool unloading;
        unsigned n_coming;     /* links that are about to be its */
        uint32_t target_id;    /* freplace: the program that it was loaded for, */
        char *target_function; /* and its function; or NULL */
} Program;

typedef struct Map {
        BusMap pub; /* first */
        Load *load; /* NULL: somebody else's */
        enum bpf_map_type map_type;
        size_t value_size; /* of a whole value, all CPUs */
} Map;

/* A link's state file goes through these; see service/store.h. */
typedef enum LinkState {
        LINK_ATTACHING,
        LINK_ATTACHED,
        LINK_DETACHING,
        LINK_CHANGING, /* attached, and on its way to be so otherwise; files know nothing of it */
} LinkState;

/* What a usdt link has of its program's map of specs (kern-usdt.h). */
typedef struct LinkSpecs {
        uint32_t map_id; /* 0: none */
        uint32_t first, n;
} LinkSpecs;

typedef struct Link {
        BusLink pub; /* first */
        LinkState state;
        KernHook hook; /* without descriptors; its lists are of @lists */
        GPtrArray *lists;
        char *texts[_KERN_PARAM_MAX]; /* see hook-param.h */
        Netns netns;                  /* that its interface is in */
        Device *device;               /* that it is on, a share of it; or NULL */
        KernAttachment
                attachment; /* without descriptors: link_fds is NULL, n_links counts the pins */
        LinkSpecs specs;
        uint32_t kernel_link; /* the id of its kernel link where a file says it; 0: any */
        bool stand_in; /* something else calls it, or it is next to its place: see kern-change.h */
        struct Detaching *detaching; /* op-release.c's, while it goes on */
        GHashTable *claims;          /* registry_claim()'s, with this link's; or NULL */
        gint64 claim;
} Link;

/*
 * The handle of a tc filter that is made for the link: above all that the kernel chooses for filters of
 * others at the same priority, and since ids are never used twice that link's and no other's.
 */
static inline uint32_t link_tc_handle(const Link *link)
{
        return 0x80000000U | link->pub.id;
}

/* Those of a member of a chain of tc programs are of the chain's maps, see tc-chain.h. */
static inline size_t link_n_pins(const Link *link)
{
        return link->attachment.tc_slot != 0 ? 2 : link->attachment.n_links;
}

struct Load {
        uint32_t id;
        uid_t owner;
        char *application;
        char **metadata;
        char *digest;
        unsigned log_kib;    /* what is kept of the verifier's log */
        GPtrArray *programs; /* Program; the registry's */
        GPtrArray *maps;     /* Map; the registry's */
};

typedef struct Registry Registry;

/* Who shares a hook; the registry's. See sharing.h. */
struct Sharing;
struct Sharing *registry_sharing(Registry *registry);

Registry *registry_new(Quota *quota);
void registry_free(Registry *registry);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Registry, registry_free)

/* From now on comings and goings are announced. NULL: no more. */
void registry_set_api(Registry *registry, BusApi *api);

/* From now on the cgroups that links are on are watched. NULL: no more. */
void registry_set_cgroup_watch(Registry *registry, CgroupWatch *watch);

/* Lookups; NULL where there is none. Only things of the service. */
Program *registry_program(Registry *registry, uint32_t id);
Map *registry_map(Registry *registry, uint32_t id);
Link *registry_link(Registry *registry, uint32_t id);
Load *registry_load(Registry *registry, uint32_t id);

/* The program of the service of which @id is the extension. It is no program of its own on the bus. */
Program *registry_extension(Registry *registry, uint32_t id);

/* Whether a program of the service was loaded to replace a function of that one. */
bool registry_is_target(Registry *registry, uint32_t id);

/* Lookups as above, with those of others, which are looked for in the kernel. */
Program *registry_any_program(Registry *registry, uint32_t id);
Map *registry_any_map(Registry *registry, uint32_t id);

/*
 * The map that loads of @owner get where their objects want one of that name pinned, NULL where there is
 * none yet.
 */
Map *registry_shared_map(Registry *registry, uid_t owner, const char *name);

/* Ids of everything of that kind on the machine, ascending; free with g_array_unref(). */
GArray *registry_ids(Registry *registry, BusKind kind);

/* Ascending; the ids are uint32_t. */
void registry_sort_ids(GArray *ids);

/* The service's own, in no order, for walking. */
GHashTable *registry_loads(Registry *registry);
GHashTable *registry_links(Registry *registry);
bool registry_is_empty(Registry *registry);

/* Makes parts of a load that isn't registered yet; they are the load's until it is. */
Load *load_new(uint32_t id, uid_t owner, const char *application, char **metadata,
               const char *digest);
Program *load_add_program(Load *load, const KernType *type, const char *name, const char *section,
                          const KernProgramInfo *info);
/* 0, or a negative errno where the kernel's description makes no sense. */
int load_add_map(Load *load, const char *name, bool shared, const KernMapInfo *info);
/* What its metadata is charged with, in bytes. */
unsigned load_metadata_size(char *const *metadata);
void load_free(Load *load);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Load, load_free)

Link *link_new(uint32_t id, uid_t owner, const Program *program, const KernHook *hook);

/* The network namespace that its interface is in; until this is called the service's own. */
void link_set_netns(Link *link, const Netns *netns);

/* The device that it is on, of which the link takes the caller's share. */
void link_set_device(Link *link, Device *device);

/* Whether a kernel link is one of the link's: of its program or, where the kernel tells none, its map. */
bool link_has(const Link *link, const KernLinkInfo *info);

/* What an interface or a file of the hook is called. */
void link_set_text(Link *link, KernParam param, const char *text);

/* A property: what the link was told, or, of XDP programs, how it ended up. */
void link_param(const Link *link, KernParam param, BusValue *ret);

/*
 * Marks that @link's member is, or is to be, on @link's interface, for as long as @link is there: false
 * where another link has that place. libxdp knows members by their ids alone, so what one link undoes
 * would be the other's.
 */
bool registry_claim(Registry *registry, Link *link);

/* Publishes how the program got attached: alone, or with company. */
void link_publish_attachment(Link *link);
void link_free(Link *link);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Link, link_free)

/*
 * Registers, charges the owner (without a question: that was asked before) and announces. The
 * registry owns it from then on.
 */
void registry_add_load(Registry *registry, Load *load);
void registry_add_link(Registry *registry, Link *link);

/*
 * Has @change change the link's program, its priority or its member, and everything that goes by these
 * follow.
 */
void registry_change_link(Registry *registry, Link *link,
                          void (*change)(Link *link, void *userdata), void *userdata);

/* Whether a link has that member's place on the interface. */
bool registry_is_claimed(Registry *registry, uint32_t ifindex, uint32_t member);

/* Forgets a load without programs, and its maps. */
void registry_drop_load(Registry *registry, uint32_t id);

/* Announces and forgets. */
void registry_remove_link(Registry *registry, Link *link);

/*
 * Takes a program, which has no links any more, out of its load, announces and forgets it, and with it the maps that nothing
 * needs any more; @maps_gone gets their ids (uint32_t). Loads that have become empty are gone then:
 * @loads_changed and @loads_gone get the ids of those whose state files are to be written or
 * removed.
 */
void registry_remove_program(Registry *registry, Program *program, GArray *maps_gone,
                             GArray *loads_changed, GArray *loads_gone);
