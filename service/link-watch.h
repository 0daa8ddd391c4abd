/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "daemon.h"

/*
 * Links that end without the service: their interface or cgroup goes, or somebody else takes their
 * program off it. The kernel tells of interfaces, and of what is on them while they are up; what is on one that is
 * down, it tells when it is asked.
 */
void link_watch_start(Daemon *daemon);
void link_watch_stop(Daemon *daemon);

/* Has a look, soon, at links of which nobody tells when they end. */
void link_watch_look_later(Daemon *daemon);
