/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "worker-pool.h"

#include <errno.h>
#include <signal.h>

#include "bus-source.h"
#include "errors.h"
#include "worker-process.h"
#include "worker-turn.h"

/* How long a call waits for a worker. */
#define QUEUE_SEC 60U
/* How long a worker waits for its owner's next call. */
#define LINGER_SEC 5
/* A worker that doesn't come up in this time never will. */
#define START_SEC 10
/* After so many that didn't, nobody is kept waiting for the next. */
#define START_FAILURES_MAX 3

G_DEFINE_AUTOPTR_CLEANUP_FUNC(sd_bus_message, sd_bus_message_unref)

static void pump_later(WorkerPool *pool);

static void worker_free(Worker *w)
{
        if (w->pool)
                g_ptr_array_remove_fast(w->pool->workers, w);
        g_free(w);
}

/* However it ended, which may be long after it was killed: the kernel may not let it go. */
static void on_reaped(GPid pid, gint status, gpointer userdata)
{
        Worker *w = userdata;

        (void)status;
        g_spawn_close_pid(pid);
        w->reaped = true;
        /* Else the end of its connection comes as well. */
        if (!w->dying)
                return;
        if (w->pool && !g_queue_is_empty(&w->pool->queue))
                pump_later(w->pool);
        worker_free(w);
}

/* Nothing is waited for: the worker keeps its place until it is reaped. */
static void worker_kill(Worker *w)
{
        if (!w->reaped)
                kill(w->pid, SIGKILL);
        w->dying = true;
        w->call = NULL;
        if (w->timeout)
                g_source_remove(w->timeout);
        w->timeout = 0;
        g_clear_pointer(&w->source, bus_source_free);
        w->bus = sd_bus_close_unref(w->bus);
        if (w->reaped)
                worker_free(w);
}

static void call_free(WorkerCall *c)
{
        if (c->cancellable) {
                g_cancellable_disconnect(c->cancellable, c->cancelled_id);
                g_object_unref(c->cancellable);
        }
        if (c->cancel_idle)
                g_source_remove(c->cancel_idle);
        if (c->queue_timeout)
                g_source_remove(c->queue_timeout);
        sd_bus_slot_unref(c->slot);
        g_free(c);
}

/* Ends a call: the worker is free again, or was killed by whoever calls this. */
static void call_finish(WorkerCall *c, sd_bus_message *reply, GError *error)
{
        WorkerDone done = c->done;
        void *userdata = c->userdata;

        if (c->worker)
                c->worker->call = NULL;
        else
                g_queue_remove(&c->pool->queue, c);
        pump_later(c->pool);
        call_free(c);
        done(reply, error, userdata);
}

static void call_abort(WorkerCall *c, GError *error)
{
        Worker *w = c->worker;

        if (w) {
                c->worker = NULL;
                worker_kill(w);
                /* call_finish() takes it for queued, which removing from the queue doesn't mind. */
        }
        call_finish(c, NULL, error);
}

static gboolean on_cancel_idle(gpointer userdata)
{
        WorkerCall *c = userdata;

        c->cancel_idle = 0;
        call_abort(c, error_new(CANCELLED, "The caller left the bus."));
        return G_SOURCE_REMOVE;
}

/* Disconnecting from within the handler would deadlock, so the end comes by way of the loop. */
static void on_cancelled(GCancellable *cancellable, gpointer userdata)
{
        WorkerCall *c = userdata;

        (void)cancellable;
        if (!c->cancel_idle)
                c->cancel_idle = g_idle_add_full(G_PRIORITY_DEFAULT, on_cancel_idle, c, NULL);
}

static gboolean on_queue_timeout(gpointer userdata)
{
        WorkerCall *c = userdata;

        c->queue_timeout = 0;
        call_abort(c, error_new(TIMED_OUT,
                                "Too much is going on: no worker was free for %u seconds. Try "
                                "again later.",
                                QUEUE_SEC));
        return G_SOURCE_REMOVE;
}

static gboolean on_lingered(gpointer userdata)
{
        Worker *w = userdata;

        w->timeout = 0;
        worker_kill(w);
        return G_SOURCE_REMOVE;
}

static gboolean on_call_timeout(gpointer userdata)
{
        Worker *w = userdata;
        WorkerCall *c = w->call;

        w->timeout = 0;
        call_abort(c,
                   error_new(TIMED_OUT,
                             "Not done after %u seconds, so it was given up. A program that "
                             "keeps the verifier busy for so long should be split or simplified.",
                             c->timeout_sec));
        return G_SOURCE_REMOVE;
}

static void set_timeout(Worker *w, unsigned seconds, GSourceFunc function)
{
        if (w->timeout)
                g_source_remove(w->timeout);
        w->timeout = g_timeout_add_seconds(seconds, function, w);
}

static void worker_rest(Worker *w)
{
        /* What has parsed just anybody's bytes is not used again. */
        if (w->role == WORKER_ROLE_INSPECT) {
                worker_kill(w);
                return;
        }
        set_timeout(w, LINGER_SEC, on_lingered);
}

static int on_reply(sd_bus_message *reply, void *userdata, sd_bus_error *reterr)
{
        WorkerCall *c = userdata;
        GError *error = NULL;
        const char *message;
        uint32_t code;
        int r;

        (void)reterr;
        if (sd_bus_message_is_method_error(reply, NULL)) {
                const sd_bus_error *e = sd_bus_message_get_error(reply);

                /* Without a body in the answer: the worker has refused or lost the connection. */
                call_abort(c, error_new(WORKER_FAILED, "The worker failed: %s.",
                                        e && e->message ? e->message : "no message"));
                return 1;
        }
        r = sd_bus_message_read(reply, "us", &code, &message);
        if (r < 0) {
                call_abort(c, error_new(WORKER_FAILED, "The worker's answer makes no sense."));
                return 1;
        }
        if (code != KERN_ERROR_NONE)
                error = error_from_kern((KernError)code, message);
        worker_rest(c->worker);
        /* Killed, and maybe gone. */
        if (c->role == WORKER_ROLE_INSPECT)
                c->worker = NULL;
        call_finish(c, reply, error);
        return 1;
}

/* The worker died, or was killed by something else than us. */
static void on_closed(void *userdata)
{
        Worker *w = userdata;
        WorkerPool *pool = w->pool;
        WorkerCall *c = w->call;

        if (c) {
                call_abort(c,
                           error_new(WORKER_FAILED,
                                     "The worker process died. If it does so again with the same "
                                     "object file, that file is malformed."));
                return;
        }
        if (!w->ready)
                pool->start_failures++;
        worker_kill(w);
        pump_later(pool);
}

static int on_connected(sd_bus_message *m, void *userdata, sd_bus_error *reterr)
{
        Worker *w = userdata;

        (void)m, (void)reterr;
        w->ready = true;
        w->pool->start_failures = 0;
        if (w->timeout) {
                g_source_remove(w->timeout);
                w->timeout = 0;
        }
        pump_later(w->pool);
        return 0;
}

static gboolean on_start_timeout(gpointer userdata)
{
        Worker *w = userdata;

        w->timeout = 0;
        on_closed(w);
        return G_SOURCE_REMOVE;
}

static int worker_start(WorkerPool *pool)
{
        Worker *w = g_new0(Worker, 1);
        int r;

        r = worker_process_start(pool->executable, pool->lock_fd, on_connected, w, &w->pid,
                                 &w->bus);
        if (r < 0) {
                g_free(w);
                return r;
        }
        w->pool = pool;
        g_child_watch_add(w->pid, on_reaped, w);
        w->source = bus_source_new(w->bus, on_closed, w);
        set_timeout(w, START_SEC, on_start_timeout);
        g_ptr_array_add(pool->workers, w);
        return 0;
}

/* Gives the call to the worker. Where that fails, the call has ended. */
static void worker_take(Worker *w, WorkerCall *c)
{
        g_autoptr(sd_bus_message) m = NULL;
        int r;

        g_queue_remove(&c->pool->queue, c);
        r = sd_bus_message_new_method_call(w->bus, &m, NULL, WORKER_PATH, WORKER_INTERFACE,
                                           c->method);
        if (r >= 0)
                r = c->fill(m, c->userdata);
        if (r < 0) {
                /* Of this the worker knows nothing. */
                call_finish(c, NULL,
                            r == -ENOENT ? error_new(NO_SUCH_OBJECT,
                                                     "What was asked for is gone meanwhile.")
                            : r == -ECANCELED
                                    ? error_new(CANCELLED, "The caller left the bus.")
                                    : error_from_errno(r, "hand the request to a worker"));
                return;
        }
        g_source_remove(c->queue_timeout);
        c->queue_timeout = 0;
        g_hash_table_insert(c->pool->served, GUINT_TO_POINTER(c->uid),
                            GUINT_TO_POINTER(++c->pool->n_served));
        w->role = c->role;
        w->uid = c->uid;
        w->call = c;
        c->worker = w;
        set_timeout(w, c->timeout_sec, on_call_timeout);
        r = sd_bus_call_async(w->bus, &c->slot, m, on_reply, c, UINT64_MAX);
        /* It has died, and we haven't been told yet. */
        if (r < 0)
                call_abort(c, error_new(WORKER_FAILED, "The worker process died: %s.",
                                        g_strerror(-r)));
}

/* No worker comes up: say so to those who wait; the next request tries again. */
static void fail_all(WorkerPool *pool, const char *why)
{
        guint n = g_queue_get_length(&pool->queue);

        pool->start_failures = 0;
        while (n-- > 0 && !g_queue_is_empty(&pool->queue))
                call_abort(g_queue_peek_head(&pool->queue),
                           error_new(WORKER_FAILED, "Can't start %s: %s.", pool->executable, why));
}

static gboolean pump(gpointer userdata)
{
        WorkerPool *pool = userdata;
        WorkerCall *c;
        Worker *w;
        int r = 0;

        pool->pump_idle = 0;
        while ((c = worker_turn_next(pool, &w)))
                worker_take(w, c);
        if (g_queue_is_empty(&pool->queue))
                g_hash_table_remove_all(pool->served);
        if (pool->start_failures >= START_FAILURES_MAX) {
                fail_all(pool, "it ends before it is ready; see the journal");
                return G_SOURCE_REMOVE;
        }
        for (GList *l = pool->queue.head; l; l = l->next) {
                w = worker_turn_evict(pool, l->data);
                if (!w)
                        continue;
                w->evicted = true;
                worker_kill(w);
        }
        if (!worker_turn_spare(pool) && pool->workers->len < WORKERS_MAX)
                r = worker_start(pool);
        foreach_worker(other, pool) r = other->dying ? r : 0;
        if (r < 0)
                fail_all(pool, g_strerror(-r));
        return G_SOURCE_REMOVE;
}

static void pump_later(WorkerPool *pool)
{
        if (!pool->pump_idle)
                pool->pump_idle = g_idle_add_full(G_PRIORITY_DEFAULT, pump, pool, NULL);
}

WorkerPool *worker_pool_new(const char *executable, int lock_fd)
{
        WorkerPool *pool = g_new0(WorkerPool, 1);

        pool->executable = g_strdup(executable);
        pool->lock_fd = lock_fd;
        pool->workers = g_ptr_array_new();
        pool->served = g_hash_table_new(NULL, NULL);
        g_queue_init(&pool->queue);
        return pool;
}

static WorkerCall *any_call(WorkerPool *pool)
{
        foreach_worker(w, pool) if (w->call) return w->call;
        return g_queue_peek_head(&pool->queue);
}

void worker_pool_free(WorkerPool *pool)
{
        WorkerCall *c;

        if (!pool)
                return;
        /* Who is told of the end of one call may make another, to undo what it began. */
        while ((c = any_call(pool)))
                call_abort(c, error_new(CANCELLED, "The service is going down."));
        while (pool->workers->len > 0) {
                Worker *w = g_ptr_array_steal_index_fast(pool->workers, 0);

                w->pool = NULL;
                if (!w->dying)
                        worker_kill(w);
        }
        g_ptr_array_unref(pool->workers);
        g_hash_table_unref(pool->served);
        if (pool->pump_idle)
                g_source_remove(pool->pump_idle);
        g_free(pool->executable);
        g_free(pool);
}

void worker_pool_warm(WorkerPool *pool)
{
        pump_later(pool);
}

bool worker_pool_is_idle(const WorkerPool *pool)
{
        if (!g_queue_is_empty((GQueue *)&pool->queue))
                return false;
        foreach_worker(w, pool) if (w->call || w->dying) return false;
        return true;
}

void worker_pool_call(WorkerPool *pool, WorkerRole role, uid_t uid, const char *method,
                      unsigned timeout_sec, WorkerFill fill, WorkerDone done, void *userdata,
                      GCancellable *cancellable)
{
        WorkerCall *c = g_new0(WorkerCall, 1);

        c->pool = pool;
        c->role = role;
        c->uid = uid;
        c->method = method;
        c->timeout_sec = timeout_sec;
        c->fill = fill;
        c->done = done;
        c->userdata = userdata;
        c->queue_timeout = g_timeout_add_seconds(QUEUE_SEC, on_queue_timeout, c);
        g_queue_push_tail(&pool->queue, c);
        if (cancellable) {
                c->cancellable = g_object_ref(cancellable);
                c->cancelled_id =
                        g_cancellable_connect(cancellable, G_CALLBACK(on_cancelled), c, NULL);
        }
        pump_later(pool);
}
