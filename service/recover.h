/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "daemon.h"

/*
 * At start-up: makes the registry from the state files and the kernel, and the two agree. What was
 * being done when an earlier daemon died is undone; what the kernel has no longer is forgotten; pins
 * that belong to nothing are removed.
 *
 * State files that make no sense are left alone, with all pins that may be theirs. Where something
 * can't be looked at, so that it can't be told whether it is there, false with an error: nothing is
 * given up then.
 */
bool recover(Daemon *daemon, GError **reterr);

/* Undoes a link that was left half done, for its device couldn't be reached and now can. */
void recover_on_device(Daemon *daemon, Device *device, uint32_t link_id);

/*
 * While it runs: forgets links and programs that the kernel has no longer, though nobody asked us to
 * end them, and notices those of others that came and went.
 */
void reconcile(Daemon *daemon);
