/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "daemon.h"

/* Links on interfaces of other network namespaces: what is to be looked at from within these. */

/*
 * @given is a descriptor of the link's namespace that somebody brought, which it may be the only way to; -1:
 * it is found by its path.
 *
 * What has to be entered to find what the kernel has no link of: 0 and a descriptor, or -1 where it is in
 * the service's own namespace; -ENOENT where it went with its namespace, -EXDEV where that can't be reached.
 */
int link_open_netns(const Link *link, int given, int *ret_fd);

/*
 * kern_is_attached() for what the kernel has no link of, whatever holds it. Where the namespace or the holder
 * can't be reached, or but a worker asks it, and is there, it counts as attached.
 */
int link_is_attached(const Link *link, int given);

/* Whether the interface is there, as far as can be told: a kernel link of what is gone is left without. */
bool link_has_interface(const Daemon *daemon, const Link *link);
