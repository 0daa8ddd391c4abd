/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include <gio/gio.h>
#include <systemd/sd-bus.h>

#include "worker-protocol.h"

/*
 * The workers: processes that wait ready, take a role and an owner at their first call, and are used
 * again for the same role and owner only. What one caller's bytes did to a worker no other caller's
 * request meets; see WorkerRole for what a role may.
 *
 * Inspecting workers serve one call; the others belong to a uid. All have limits, by uid, by role and
 * together; of who waits, who has the least going on comes first. A worker that was killed counts
 * until it is gone, so that those that are stuck in the kernel don't pile up.
 */

typedef struct WorkerPool WorkerPool;
typedef struct WorkerCall WorkerCall;

/*
 * @executable: path of bpfkeeper-worker. @lock_fd: inherited by every worker, so that an flock(2) on
 * it tells when all are gone; borrowed, and not below 16.
 */
WorkerPool *worker_pool_new(const char *executable, int lock_fd);

/*
 * Ends all workers; calls in flight are answered with Cancelled first, and so are those that are made
 * while these are answered.
 */
void worker_pool_free(WorkerPool *pool);

/* Starts the spare worker, so that the first call needs none to start. */
void worker_pool_warm(WorkerPool *pool);

/* Whether nothing is being done or waited for, be it the end of a worker that the kernel doesn't let go yet. */
bool worker_pool_is_idle(const WorkerPool *pool);

/*
 * Fills in the arguments of @m, a call of a method of the worker. Descriptors are duplicated by
 * sd-bus. A negative errno fails the call, -ENOENT with NoSuchObject, -ECANCELED with Cancelled.
 */
typedef int (*WorkerFill)(sd_bus_message *m, void *userdata);

/*
 * Gets the answer, with its position behind a message that is KERN_ERROR_NONE, or an error (never
 * both): what the worker said (then @reply may be there as well, positioned behind (us), for a log),
 * TimedOut, WorkerFailed, Cancelled. Called once, from the main loop and never from within
 * worker_pool_call(). @error is the callee's.
 */
typedef void (*WorkerDone)(sd_bus_message *reply, GError *error, void *userdata);

/*
 * Calls @method in a worker of @role that belongs to @uid, when there is one free. When @cancellable
 * is cancelled or @timeout_sec have passed since the worker took the call, the worker is killed:
 * nothing of what it did stays but what the kernel keeps by itself (tc). Where none is free for a
 * minute, the answer is TimedOut.
 */
void worker_pool_call(WorkerPool *pool, WorkerRole role, uid_t uid, const char *method,
                      unsigned timeout_sec, WorkerFill fill, WorkerDone done, void *userdata,
                      GCancellable *cancellable);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(WorkerPool, worker_pool_free)
