/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "worker-pool.h"

/*
 * Which call a free worker gets next, and which worker has to go so that others come to their turn.
 * Nothing here changes anything: worker-pool.c, whose inner matters these are, does what this says.
 */

/* Of all roles together; see worker-turn.c for the shares. */
#define WORKERS_MAX 16

typedef struct Worker {
        WorkerPool *pool; /* NULL: dying, and the pool is gone */
        pid_t pid;
        bool reaped;  /* the pid is nobody's any more */
        bool dying;   /* was killed, or died: only waits to be reaped */
        bool evicted; /* dying, to make room */
        sd_bus *bus;
        GSource *source;
        bool ready;      /* both ends have agreed on passing descriptors */
        WorkerRole role; /* NONE: a spare */
        uid_t uid;
        WorkerCall *call; /* NULL: idle */
        guint timeout;    /* start, call or lingering */
} Worker;

struct WorkerCall {
        WorkerPool *pool;
        WorkerRole role;
        uid_t uid;
        const char *method;
        unsigned timeout_sec;
        WorkerFill fill;
        WorkerDone done;
        void *userdata;
        GCancellable *cancellable;
        gulong cancelled_id;
        guint cancel_idle;
        guint queue_timeout;
        Worker *worker; /* NULL: in the queue */
        sd_bus_slot *slot;
};

struct WorkerPool {
        char *executable;
        int lock_fd;
        GPtrArray *workers; /* Worker; until they are reaped: one that is stuck has its place */
        GQueue queue;       /* WorkerCall */
        GHashTable *served; /* uid → when it was its turn, as counted by n_served */
        guint n_served;
        guint pump_idle;
        unsigned start_failures; /* in a row: workers that never came up */
};

#define foreach_worker(w, pool)                                      \
        for (guint w##_i = 0; w##_i < (pool)->workers->len; w##_i++) \
                for (Worker * (w) = g_ptr_array_index((pool)->workers, w##_i); (w); (w) = NULL)

/* A worker that has no role yet, maybe still starting, or NULL. */
Worker *worker_turn_spare(const WorkerPool *pool);

/*
 * Whose turn it is of those that can be served: who has the least going on, and of these who was not
 * served for the longest time. NULL: nobody's. @ret is the worker.
 */
WorkerCall *worker_turn_next(const WorkerPool *pool, Worker **ret);

/*
 * The worker, idle for somebody else, that is to make room for @c, so that nobody waits for its
 * lingering: one at a time, and its place is free once it is reaped. NULL: none.
 */
Worker *worker_turn_evict(const WorkerPool *pool, const WorkerCall *c);
