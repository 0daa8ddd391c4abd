/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "daemon.h"
#include "kern-hook-list.h"

/*
 * Has a worker of @uid look what is on the hooks of an interface, in another network namespace unless
 * @netns_fd is -1, or, where @ifindex is 0, of a cgroup.
 * @done gets a list of KernOccupant, which it borrows, or an error, which is its.
 */
typedef void (*HookLooked)(GArray *occupants, GError *error, void *userdata);
void hook_look(Daemon *daemon, uid_t uid, uint32_t ifindex, int netns_fd, int cgroup_fd,
               HookLooked done, void *userdata, GCancellable *cancellable);
