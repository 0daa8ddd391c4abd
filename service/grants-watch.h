/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "daemon.h"
#include "grant-store.h"

/*
 * Says in the journal which files of grants are broken, at the start and when they change: polkit's
 * rule passes over them, and nobody else would tell who wrote them.
 */
typedef struct GrantsWatch GrantsWatch;

/* Where the directory can't be watched, what is in it is looked at once. */
GrantsWatch *grants_watch_new(Daemon *daemon, const char *directory);
void grants_watch_free(GrantsWatch *watch);
