/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "registry.h"

/*
 * Links that share a hook of which an order is kept: who they are, in the order in which they run,
 * and whose turn it is to change something there. Of two that went there at a time neither would
 * know where the other one is, and they would run in the order of their luck.
 */

typedef struct Sharing Sharing;

Sharing *sharing_new(void);
void sharing_free(Sharing *sharing);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Sharing, sharing_free)

/* The registry's: links come and go. Of one that shares nothing nothing is kept. */
void sharing_add(Sharing *sharing, Link *link);
void sharing_remove(Sharing *sharing, Link *link);

/*
 * The order of two links on a hook: that of their priorities, then of their attachment. One that was
 * put beside another has no priority, and its place from nobody else; nor has one that has its cgroup's
 * hook to itself.
 */
bool link_has_priority(const Link *link);

/* Less than 0 where @a runs before @b, more where it runs after it. */
int link_compare(const Link *a, const Link *b);

/*
 * What the hook of @link has of ours, as those who attach there are to be told of it (see KernHook):
 * numbers of 64 bits, to be freed with g_array_unref(). @link itself needn't be registered.
 */
GArray *sharing_followers(Sharing *sharing, const Link *link);
GArray *sharing_fellows(Sharing *sharing, const Link *link);

/*
 * Another link on the hook of @link that leaves it no room: it has a cgroup's to itself (kern-cgroup.h), is
 * the same program on a device or a route, or the action of that index (kern-action.h); or NULL.
 */
Link *sharing_holder(Sharing *sharing, const Link *link);

/*
 * What usdt links share is a map, of which each has a part. Until it is a link's, and after it was one, as
 * long as something reads it, it is somebody's who holds it.
 */
typedef struct SharingSpecs SharingSpecs;

/* A part of @n that neither a link has nor anybody holds; @ret says where it is. */
SharingSpecs *sharing_find_specs(Sharing *sharing, uint32_t map_id, uint32_t n, LinkSpecs *ret);

/* The very part; NULL where there is none, since @specs are no link's of such a program. */
SharingSpecs *sharing_hold_specs(Sharing *sharing, const LinkSpecs *specs);
void sharing_release_specs(SharingSpecs *held);

/* The same as the hook has it, borrowed. */
KernNumbers sharing_numbers(const GArray *numbers);

/* Those in entries of a map, Link; or NULL. */
const GPtrArray *sharing_links_in_map(Sharing *sharing, uint32_t map_id);

/* Those on an interface, Link, in the order in which they run; or NULL. @netns is the inode of its namespace. */
const GPtrArray *sharing_links(Sharing *sharing, const KernHook *hook, uint64_t netns);

/*
 * Waits for a turn on @link's hook and calls @func, at once where nobody has it. It lasts until
 * sharing_leave() is called with what @func got. Where there is no order to be kept it is a turn on the
 * link alone, as it is for those that share a map. @link may be gone by then.
 */
typedef struct SharingTurn SharingTurn;
typedef void (*SharingFunc)(SharingTurn *turn, void *userdata);
void sharing_enter(Sharing *sharing, const Link *link, SharingFunc func, void *userdata);
void sharing_leave(SharingTurn *turn);
