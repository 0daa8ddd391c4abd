/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "grants-watch.h"

#include <errno.h>
#include <sys/inotify.h>
#include <unistd.h>

#include <glib-unix.h>

/* Whoever changes one file often changes more. */
#define SETTLE_MSEC 200

struct GrantsWatch {
        Daemon *daemon;
        char *directory;
        int inotify_fd; /* -1: not watched */
        guint source;
        guint timeout;
        bool reading;     /* in a thread, for which the daemon is held */
        bool again;       /* something changed meanwhile */
        GHashTable *told; /* id → what was said of it */
};

static void read_soon(GrantsWatch *watch);

static void tell(GrantsWatch *watch, GPtrArray *grants)
{
        g_autoptr(GHashTable) before = g_steal_pointer(&watch->told);

        watch->told = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
        for (guint i = 0; i < grants->len; i++) {
                const AuthzGrant *grant = g_ptr_array_index(grants, i);

                if (!grant->error)
                        continue;
                if (g_strcmp0(g_hash_table_lookup(before, grant->id), grant->error) != 0)
                        g_warning("%s/%s" AUTHZ_GRANT_SUFFIX ", %s. It grants nothing.",
                                  watch->directory, grant->id, grant->error);
                g_hash_table_insert(watch->told, g_strdup(grant->id), g_strdup(grant->error));
        }
}

static void free_grants(gpointer p)
{
        g_ptr_array_unref(p);
}

static void read_in_thread(GTask *task, gpointer source, gpointer userdata,
                           GCancellable *cancellable)
{
        g_autofree char *error = NULL;
        GPtrArray *grants = authz_grants_read(userdata, &error);

        (void)source, (void)cancellable;
        if (grants)
                g_task_return_pointer(task, grants, free_grants);
        else
                g_task_return_new_error(task, G_IO_ERROR, G_IO_ERROR_FAILED, "%s", error);
}

static void on_read(GObject *source, GAsyncResult *result, gpointer userdata)
{
        GrantsWatch *watch = userdata;
        g_autoptr(GPtrArray) grants = NULL;
        g_autoptr(GError) error = NULL;

        (void)source;
        watch->reading = false;
        grants = g_task_propagate_pointer(G_TASK(result), &error);
        if (grants)
                tell(watch, grants);
        else
                g_warning("%s. There are no grants.", error->message);
        if (watch->again)
                read_soon(watch);
        daemon_release(watch->daemon);
}

static void start_reading(GrantsWatch *watch)
{
        g_autoptr(GTask) task = g_task_new(NULL, NULL, on_read, watch);

        watch->again = false;
        watch->reading = true;
        daemon_hold(watch->daemon);
        g_task_set_task_data(task, g_strdup(watch->directory), g_free);
        g_task_run_in_thread(task, read_in_thread);
}

static gboolean on_timeout(gpointer userdata)
{
        GrantsWatch *watch = userdata;

        watch->timeout = 0;
        start_reading(watch);
        return G_SOURCE_REMOVE;
}

static void read_soon(GrantsWatch *watch)
{
        if (watch->reading)
                watch->again = true;
        else if (!watch->timeout)
                watch->timeout = g_timeout_add(SETTLE_MSEC, on_timeout, watch);
}

static gboolean on_change(gint fd, GIOCondition condition, gpointer userdata)
{
        char events[4096];

        (void)condition;
        /* What exactly it was is seen when all of them are read. */
        while (read(fd, events, sizeof(events)) > 0)
                ;
        read_soon(userdata);
        return G_SOURCE_CONTINUE;
}

GrantsWatch *grants_watch_new(Daemon *daemon, const char *directory)
{
        GrantsWatch *watch = g_new0(GrantsWatch, 1);

        watch->daemon = daemon;
        watch->directory = g_strdup(directory);
        watch->told = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
        /* So that it is there to be watched; where it can't be made, writing a grant will say so. */
        (void)g_mkdir_with_parents(directory, 0755);
        watch->inotify_fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
        if (watch->inotify_fd >= 0 &&
            inotify_add_watch(watch->inotify_fd, directory,
                              IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE | IN_ATTRIB |
                                      IN_CREATE | IN_ONLYDIR) >= 0)
                watch->source = g_unix_fd_add(watch->inotify_fd, G_IO_IN, on_change, watch);
        else if (errno != ENOENT)
                g_info("%s is not watched: %s", directory, g_strerror(errno));
        start_reading(watch);
        return watch;
}

void grants_watch_free(GrantsWatch *watch)
{
        if (!watch)
                return;
        if (watch->source)
                g_source_remove(watch->source);
        if (watch->timeout)
                g_source_remove(watch->timeout);
        if (watch->inotify_fd >= 0)
                close(watch->inotify_fd);
        g_hash_table_unref(watch->told);
        g_free(watch->directory);
        g_free(watch);
}
