/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "registry.h"

/*
 * Links on cgroups, which nobody keeps open: they are found by their paths, and since there may be another
 * one of that name by then, by their ids.
 */

/*
 * The directory of the link's cgroup, to be closed by the caller; -ENOENT where it has none, or that is
 * gone, or another negative errno where that can't be told.
 */
int link_open_cgroup(const Link *link);
