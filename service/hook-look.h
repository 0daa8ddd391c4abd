/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "daemon.h"
#include "kern-hook-list.h"

/*
 * Has a worker of @uid look what is on hooks. @place, whose descriptors and text are borrowed until the end,
 * has the network namespace of an interface as well, -1 where that is the service's own.
 * @done gets a list of KernOccupant, which it borrows, or an error, which is its.
 */
typedef void (*HookLooked)(GArray *occupants, GError *error, void *userdata);
void hook_look(Daemon *daemon, uid_t uid, const KernHookPlace *place, HookLooked done,
               void *userdata, GCancellable *cancellable);
