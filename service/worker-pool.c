/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "worker-pool.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bus-source.h"
#include "errors.h"

/* Four users can keep theirs busy, loading and attaching, before anybody has to wait. */
#define WORKERS_MAX 16
#define WORKERS_PER_UID 2 /* of each role */
/* How long a worker waits for its owner's next call. */
#define LINGER_SEC 5
/* A worker that doesn't come up in this time never will. */
#define START_SEC 10
/* After so many that didn't, nobody is kept waiting for the next. */
#define START_FAILURES_MAX 3

G_DEFINE_AUTOPTR_CLEANUP_FUNC(sd_bus_message, sd_bus_message_unref)

typedef struct Worker {
        WorkerPool *pool;
        pid_t pid;
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
        Worker *worker; /* NULL: in the queue */
        sd_bus_slot *slot;
};

struct WorkerPool {
        char *executable;
        int lock_fd;
        GPtrArray *workers; /* Worker */
        GQueue queue;       /* WorkerCall */
        guint pump_idle;
        unsigned start_failures; /* in a row: workers that never came up */
};

static void pump_later(WorkerPool *pool);

static void worker_free(Worker *w)
{
        if (w->timeout)
                g_source_remove(w->timeout);
        bus_source_free(w->source);
        sd_bus_close_unref(w->bus);
        g_free(w);
}

/* Reaps it, however it ended. Keeps no pointer: the worker may be forgotten long before. */
static void reaped(GPid pid, gint status, gpointer userdata)
{
        (void)status, (void)userdata;
        g_spawn_close_pid(pid);
}

static void worker_kill(Worker *w)
{
        kill(w->pid, SIGKILL);
        g_ptr_array_remove_fast(w->pool->workers, w);
}

static void call_free(WorkerCall *c)
{
        if (c->cancellable) {
                g_cancellable_disconnect(c->cancellable, c->cancelled_id);
                g_object_unref(c->cancellable);
        }
        if (c->cancel_idle)
                g_source_remove(c->cancel_idle);
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
                w->call = NULL;
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

static int spawn(const char *executable, int socket, int lock_fd, pid_t *ret)
{
        char *argv[] = {(char *)executable, NULL};
        char *envp[] = {(char *)"LC_ALL=C.UTF-8", (char *)"PATH=/usr/sbin:/usr/bin", NULL};
        posix_spawn_file_actions_t actions;
        posix_spawnattr_t attributes;
        sigset_t none, all;
        int r;

        sigemptyset(&none);
        sigfillset(&all);
        posix_spawn_file_actions_init(&actions);
        posix_spawnattr_init(&attributes);
        posix_spawnattr_setsigmask(&attributes, &none);
        posix_spawnattr_setsigdefault(&attributes, &all);
        posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
        posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
        /* Both are above 4 (see worker_pool_new() and worker_start()), so neither overwrites the other
         * and each dup2() clears CLOEXEC. */
        posix_spawn_file_actions_adddup2(&actions, socket, WORKER_FD);
        posix_spawn_file_actions_adddup2(&actions, lock_fd, WORKER_FD + 1);
        r = posix_spawn(ret, executable, &actions, &attributes, argv, envp);
        posix_spawnattr_destroy(&attributes);
        posix_spawn_file_actions_destroy(&actions);
        return -r;
}

static int open_bus(int fd, void *userdata, sd_bus **ret)
{
        sd_bus *bus = NULL;
        int r;

        r = sd_bus_new(&bus);
        if (r < 0) {
                close(fd);
                return r;
        }
        r = sd_bus_set_fd(bus, fd, fd);
        if (r < 0) {
                close(fd);
                sd_bus_unref(bus);
                return r;
        }
        (void)sd_bus_set_description(bus, "worker");
        r = sd_bus_negotiate_fds(bus, 1);
        if (r >= 0)
                r = sd_bus_set_connected_signal(bus, 1);
        if (r >= 0)
                r = sd_bus_match_signal(bus, NULL, "org.freedesktop.DBus.Local",
                                        "/org/freedesktop/DBus/Local", "org.freedesktop.DBus.Local",
                                        "Connected", on_connected, userdata);
        if (r >= 0)
                r = sd_bus_start(bus);
        if (r < 0) {
                sd_bus_unref(bus);
                return r;
        }
        *ret = bus;
        return 0;
}

static int worker_start(WorkerPool *pool)
{
        Worker *w;
        int fds[2], child, r;
        pid_t pid;

        if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds) < 0)
                return -errno;
        child = fcntl(fds[1], F_DUPFD_CLOEXEC, 16);
        close(fds[1]);
        if (child < 0) {
                close(fds[0]);
                return -errno;
        }
        r = spawn(pool->executable, child, pool->lock_fd, &pid);
        close(child);
        if (r < 0) {
                close(fds[0]);
                return r;
        }
        g_child_watch_add(pid, reaped, NULL);
        w = g_new0(Worker, 1);
        w->pool = pool;
        w->pid = pid;
        r = open_bus(fds[0], w, &w->bus);
        if (r < 0) {
                kill(pid, SIGKILL);
                g_free(w);
                return r;
        }
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
        w->role = c->role;
        w->uid = c->uid;
        w->call = c;
        c->worker = w;
        set_timeout(w, c->timeout_sec, on_call_timeout);
        r = sd_bus_message_new_method_call(w->bus, &m, NULL, WORKER_PATH, WORKER_INTERFACE,
                                           c->method);
        if (r >= 0)
                r = c->fill(m, c->userdata);
        if (r >= 0)
                r = sd_bus_call_async(w->bus, &c->slot, m, on_reply, c, UINT64_MAX);
        if (r < 0)
                call_abort(c, error_from_errno(r, "hand the request to a worker"));
}

static unsigned count(const WorkerPool *pool, WorkerRole role, uid_t uid)
{
        unsigned n = 0;

        for (guint i = 0; i < pool->workers->len; i++) {
                const Worker *w = g_ptr_array_index(pool->workers, i);

                n += w->role == role && w->uid == uid;
        }
        return n;
}

static Worker *find_spare(const WorkerPool *pool)
{
        for (guint i = 0; i < pool->workers->len; i++) {
                Worker *w = g_ptr_array_index(pool->workers, i);

                if (w->role == WORKER_ROLE_NONE && !w->call)
                        return w;
        }
        return NULL;
}

static Worker *find_own(const WorkerPool *pool, WorkerRole role, uid_t uid)
{
        for (guint i = 0; i < pool->workers->len; i++) {
                Worker *w = g_ptr_array_index(pool->workers, i);

                if (w->role == role && w->uid == uid && !w->call)
                        return w;
        }
        return NULL;
}

/* A worker that is idle for somebody else makes room, so that nobody waits for its lingering. */
static void evict_one(WorkerPool *pool)
{
        for (guint i = 0; i < pool->workers->len; i++) {
                Worker *w = g_ptr_array_index(pool->workers, i);

                if (w->role != WORKER_ROLE_NONE && !w->call) {
                        worker_kill(w);
                        return;
                }
        }
}

/*
 * Serves @c if a worker is there that may. sd-bus only takes descriptors into a message once both
 * ends have agreed on passing them, so a worker that is still starting is waited for.
 */
static void serve(WorkerPool *pool, WorkerCall *c)
{
        Worker *w = find_own(pool, c->role, c->uid);

        if (!w && count(pool, c->role, c->uid) < WORKERS_PER_UID)
                w = find_spare(pool);
        if (w && w->ready)
                worker_take(w, c);
}

/* No worker comes up: say so to those who wait; the next request tries again. */
static void fail_all(WorkerPool *pool, const char *why)
{
        WorkerCall *c;

        pool->start_failures = 0;
        while ((c = g_queue_peek_head(&pool->queue)))
                call_abort(c,
                           error_new(WORKER_FAILED, "Can't start %s: %s.", pool->executable, why));
}

static gboolean pump(gpointer userdata)
{
        WorkerPool *pool = userdata;
        int r = 0;

        pool->pump_idle = 0;
        for (GList *l = pool->queue.head, *next; l; l = next) {
                next = l->next;
                serve(pool, l->data);
        }
        if (pool->start_failures >= START_FAILURES_MAX) {
                fail_all(pool, "it ends before it is ready; see the journal");
                return G_SOURCE_REMOVE;
        }
        if (!find_spare(pool)) {
                if (pool->workers->len >= WORKERS_MAX && !g_queue_is_empty(&pool->queue))
                        evict_one(pool);
                if (pool->workers->len < WORKERS_MAX)
                        r = worker_start(pool);
        }
        if (r < 0 && pool->workers->len == 0)
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
        pool->workers = g_ptr_array_new_with_free_func((GDestroyNotify)worker_free);
        g_queue_init(&pool->queue);
        return pool;
}

void worker_pool_free(WorkerPool *pool)
{
        WorkerCall *c;

        if (!pool)
                return;
        while ((c = g_queue_peek_head(&pool->queue)))
                call_abort(c, error_new(CANCELLED, "The service is going down."));
        while (pool->workers->len > 0) {
                Worker *w = g_ptr_array_index(pool->workers, 0);

                if (w->call)
                        call_abort(w->call, error_new(CANCELLED, "The service is going down."));
                else
                        worker_kill(w);
        }
        g_ptr_array_unref(pool->workers);
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
        for (guint i = 0; i < pool->workers->len; i++)
                if (((Worker *)g_ptr_array_index(pool->workers, i))->call)
                        return false;
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
        g_queue_push_tail(&pool->queue, c);
        if (cancellable) {
                c->cancellable = g_object_ref(cancellable);
                c->cancelled_id =
                        g_cancellable_connect(cancellable, G_CALLBACK(on_cancelled), c, NULL);
        }
        pump_later(pool);
}
