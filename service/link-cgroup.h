/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "registry.h"

/*
 * Links on cgroups, which nobody keeps open: they are found by their paths, and since there may be another
 * one of that name by then, by their ids.
 */

/* Whether the cgroup itself holds the program (kern-cgroup.h): the kernel has no link then. */
bool link_is_held(const Link *link);

/*
 * The directory of the link's cgroup, to be closed by the caller; -ENOENT where it has none, or that is
 * gone, or another negative errno where that can't be told.
 */
int link_open_cgroup(const Link *link);

/* Whether the cgroup of a link that is held has @program_id there: 1, 0 or a negative errno. */
int link_cgroup_has(const Link *link, uint32_t program_id);
