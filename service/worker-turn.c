/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "worker-turn.h"

/*
 * Four users can keep theirs busy, loading and attaching, before anybody has to wait. Looking at
 * bytes, which anybody may ask for, and loading leave room for detaching.
 */
#define WORKERS_PER_UID 2 /* of each role */
#define WORKERS_INSPECT_MAX (WORKERS_MAX / 2)
#define WORKERS_PARSING_MAX (WORKERS_MAX - 2)

/* Of a role; those that are still dying count. */
static unsigned count_role(const WorkerPool *pool, WorkerRole role)
{
        unsigned n = 0;

        foreach_worker(w, pool) n += w->role == role;
        return n;
}

static unsigned count_own(const WorkerPool *pool, WorkerRole role, uid_t uid)
{
        unsigned n = 0;

        foreach_worker(w, pool) n += w->role == role && w->uid == uid;
        return n;
}

static unsigned count_busy(const WorkerPool *pool, uid_t uid)
{
        unsigned n = 0;

        foreach_worker(w, pool) n +=
                w->role != WORKER_ROLE_NONE && w->uid == uid && (w->call || w->dying);
        return n;
}

/* One that is idle; a spare has no role and is of uid 0. */
static Worker *find_idle(const WorkerPool *pool, WorkerRole role, uid_t uid)
{
        foreach_worker(w, pool) if (w->role == role && w->uid == uid && !w->call &&
                                    !w->dying) return w;
        return NULL;
}

/* Whether the role has room; the administrator need not mind what users do. */
static bool has_room(const WorkerPool *pool, WorkerRole role, uid_t uid)
{
        unsigned n;

        if (role == WORKER_ROLE_ATTACH || role == WORKER_ROLE_DISPATCH ||
            role == WORKER_ROLE_LOOK || uid == 0)
                return true;
        n = count_role(pool, WORKER_ROLE_INSPECT);
        if (role == WORKER_ROLE_INSPECT && n >= WORKERS_INSPECT_MAX)
                return false;
        return n + count_role(pool, WORKER_ROLE_LOAD) < WORKERS_PARSING_MAX;
}

/* Whether its uid may have one more of the role: of inspecting ones a second only while few do. */
static bool may_have(const WorkerPool *pool, const WorkerCall *c)
{
        unsigned n = count_own(pool, c->role, c->uid);

        if (n > 0 && c->role == WORKER_ROLE_INSPECT && c->uid != 0 &&
            count_role(pool, c->role) >= WORKERS_INSPECT_MAX / 2)
                return false;
        return n < WORKERS_PER_UID;
}

Worker *worker_turn_spare(const WorkerPool *pool)
{
        return find_idle(pool, WORKER_ROLE_NONE, 0);
}

/*
 * The worker that may serve @c. sd-bus only takes descriptors into a message once both ends have
 * agreed on passing them, so a worker that is still starting is waited for.
 */
static Worker *find_worker(const WorkerPool *pool, const WorkerCall *c)
{
        Worker *w = find_idle(pool, c->role, c->uid);

        if (!w && may_have(pool, c) && has_room(pool, c->role, c->uid))
                w = worker_turn_spare(pool);
        return w && w->ready ? w : NULL;
}

WorkerCall *worker_turn_next(const WorkerPool *pool, Worker **ret)
{
        unsigned least = 0, oldest = 0;
        WorkerCall *best = NULL;

        for (GList *l = pool->queue.head; l; l = l->next) {
                WorkerCall *c = l->data;
                Worker *w = find_worker(pool, c);
                unsigned busy, served;

                if (!w)
                        continue;
                busy = count_busy(pool, c->uid);
                served = GPOINTER_TO_UINT(
                        g_hash_table_lookup(pool->served, GUINT_TO_POINTER(c->uid)));
                if (best && (busy > least || (busy == least && served >= oldest)))
                        continue;
                best = c;
                least = busy;
                oldest = served;
                *ret = w;
        }
        return best;
}

Worker *worker_turn_evict(const WorkerPool *pool, const WorkerCall *c)
{
        const bool full = pool->workers->len >= WORKERS_MAX && !worker_turn_spare(pool);
        const bool room = has_room(pool, c->role, c->uid);

        if ((room && !full) || !may_have(pool, c))
                return NULL;
        foreach_worker(w, pool) if (w->evicted) return NULL;
        foreach_worker(w, pool) if (!w->call && !w->dying && w->role != WORKER_ROLE_NONE &&
                                    (room || w->role == WORKER_ROLE_LOAD)) return w;
        return NULL;
}
