/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "daemon.h"

/* How a link ends: by Detach() and Unload(), and where attaching is undone, here or by the next start. */

/*
 * Detaches a link that is registered and isn't being detached, or one that isn't registered (then it
 * is freed at the end): marks its file, removes its pins, lets a worker detach it, removes the file
 * and the object. @netns_fd is the link's network namespace, where somebody brought it, or -1. The worker
 * is one of @uid, whose detaching this is. @done gets NULL, or an error
 * where it may still be attached: one that is registered then is as before, of the other the file
 * stays, so that the next service that starts tries again. Called from the main loop.
 */
typedef void (*DetachDone)(GError *error, void *userdata);
void link_detach(Daemon *daemon, Link *link, bool registered, int netns_fd, uid_t uid,
                 DetachDone done, void *userdata);

/*
 * For a link that is being detached, by whomever: calls @done, without an error, when that is over,
 * however it ended.
 */
void link_wait_detached(Link *link, DetachDone done, void *userdata);

/* Detaches what is in entries of a map that the service gives up; somebody else may have that still. */
void link_leave_map(Daemon *daemon, uint32_t map_id);

/* Forgets a link whose hook is gone (an interface that was removed). */
void link_forget(Daemon *daemon, Link *link);
