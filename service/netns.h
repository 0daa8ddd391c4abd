/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/*
 * Network namespaces other than the service's own, in which interfaces of the same names and indexes
 * are others. A descriptor of one, and a socket in it, keeps it alive with all that is in it, when all
 * who used it have gone: so none is held for longer than it takes. What stays is its inode, which is
 * used again when it is gone, and its id in the service's own namespace, which the kernel tells the end
 * of (rtnetlink(7), RTM_DELNSID; see netwatch.h).
 */

typedef struct Netns {
        uint64_t inode; /* 0: the service's own */
        int32_t id;     /* NETNS_OWN: the service's own */
} Netns;

#define NETNS_OWN (-1)

#define NETNS_INIT ((Netns){.id = NETNS_OWN})

static inline bool netns_is(const Netns *a, const Netns *b)
{
        return a->inode == b->inode && a->id == b->id;
}

/*
 * What namespace @fd is a descriptor of. 0; -EINVAL where it is none of a network namespace. Another than
 * the service's own gets an id if it has none yet.
 */
int netns_identify(int fd, Netns *ret);

/*
 * "/run/netns/blue", where that leads to it, else "net:[4026532000]", which is how the kernel calls it.
 * What is called so can't be found again once @fd is closed.
 */
char *netns_text(int fd);
bool netns_text_is_path(const char *text);

/*
 * A descriptor of the namespace that was called so. -ENOENT: it is gone; -EXDEV: it is there, and can't be
 * reached, since it has no path or has lost it.
 */
int netns_open(const char *text, const Netns *netns);

/*
 * Calls @run from within the namespace of @fd, in a thread of its own; from right here where that is -1.
 * What @run returned, or a negative errno.
 */
int netns_run(int fd, int (*run)(void *userdata), void *userdata);

/* Interfaces from within the namespace of @fd; 0 and NULL where there is none. Room for IF_NAMESIZE. */
uint32_t netns_interface_index(int fd, const char *name);
const char *netns_interface_name(int fd, uint32_t ifindex, char *ret);
