/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cgroup-watch.h"

#include <errno.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

#include <glib-unix.h>

#include "descriptor.h"

/* A directory in which something may go. */
typedef struct Parent {
        int wd;
        char *path;
        GHashTable *names; /* name → how often it was added, as GUINT_TO_POINTER */
} Parent;

struct CgroupWatch {
        int inotify_fd;
        guint source;
        GHashTable *by_path; /* Parent, owned */
        GHashTable *by_wd;   /* the same */
        void (*gone)(const char *path, void *userdata);
        void *userdata;
};

static void parent_free(void *p)
{
        Parent *parent = p;

        g_hash_table_unref(parent->names);
        g_free(parent->path);
        g_free(parent);
}

static void drop_parent(CgroupWatch *watch, Parent *parent)
{
        g_hash_table_remove(watch->by_wd, GINT_TO_POINTER(parent->wd));
        g_hash_table_remove(watch->by_path, parent->path);
}

static void on_event(CgroupWatch *watch, const struct inotify_event *event)
{
        Parent *parent = g_hash_table_lookup(watch->by_wd, GINT_TO_POINTER(event->wd));
        g_autofree char *path = NULL;

        if (!parent)
                return;
        if (event->mask & IN_IGNORED) {
                /* It went itself, and before it all that was in it. */
                drop_parent(watch, parent);
                return;
        }
        if (!(event->mask & IN_DELETE) || !g_hash_table_contains(parent->names, event->name))
                return;
        path = g_build_filename(parent->path, event->name, NULL);
        watch->gone(path, watch->userdata);
}

static gboolean on_readable(gint fd, GIOCondition condition, gpointer userdata)
{
        _Alignas(struct inotify_event) char events[16 * 1024];
        CgroupWatch *watch = userdata;
        ssize_t n = read(fd, events, sizeof(events));

        (void)condition;
        for (char *p = events; n > 0 && p < events + n;) {
                const struct inotify_event *event = (const struct inotify_event *)(void *)p;

                on_event(watch, event);
                p += sizeof(*event) + event->len;
        }
        return G_SOURCE_CONTINUE;
}

CgroupWatch *cgroup_watch_new(void (*gone)(const char *path, void *userdata), void *userdata)
{
        int fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
        CgroupWatch *watch;

        if (fd < 0)
                return NULL;
        watch = g_new0(CgroupWatch, 1);
        watch->inotify_fd = fd;
        watch->by_path = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, parent_free);
        watch->by_wd = g_hash_table_new(NULL, NULL);
        watch->gone = gone;
        watch->userdata = userdata;
        watch->source = g_unix_fd_add(fd, G_IO_IN, on_readable, watch);
        return watch;
}

void cgroup_watch_free(CgroupWatch *watch)
{
        if (!watch)
                return;
        g_source_remove(watch->source);
        g_hash_table_unref(watch->by_wd);
        g_hash_table_unref(watch->by_path);
        close(watch->inotify_fd);
        g_free(watch);
}

/* The directory above, NULL where there is none to watch: no other file system is asked anything. */
static char *parent_of(const char *path)
{
        if (!g_str_has_prefix(path, DESCRIPTOR_CGROUP_ROOT "/"))
                return NULL;
        return g_path_get_dirname(path);
}

static Parent *get_parent(CgroupWatch *watch, const char *path)
{
        Parent *parent = g_hash_table_lookup(watch->by_path, path);
        int wd;

        if (parent)
                return parent;
        wd = inotify_add_watch(watch->inotify_fd, path, IN_DELETE | IN_ONLYDIR);
        /* By another path it is watched already: one of both has to do. */
        if (wd < 0 || g_hash_table_contains(watch->by_wd, GINT_TO_POINTER(wd)))
                return NULL;
        parent = g_new0(Parent, 1);
        parent->wd = wd;
        parent->path = g_strdup(path);
        parent->names = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
        g_hash_table_insert(watch->by_path, parent->path, parent);
        g_hash_table_insert(watch->by_wd, GINT_TO_POINTER(wd), parent);
        return parent;
}

void cgroup_watch_add(CgroupWatch *watch, const char *path)
{
        g_autofree char *directory = parent_of(path);
        g_autofree char *name = g_path_get_basename(path);
        Parent *parent = directory ? get_parent(watch, directory) : NULL;
        guint n;

        if (!parent)
                return;
        n = GPOINTER_TO_UINT(g_hash_table_lookup(parent->names, name));
        g_hash_table_insert(parent->names, g_steal_pointer(&name), GUINT_TO_POINTER(n + 1));
}

void cgroup_watch_remove(CgroupWatch *watch, const char *path)
{
        g_autofree char *directory = parent_of(path);
        g_autofree char *name = g_path_get_basename(path);
        Parent *parent = directory ? g_hash_table_lookup(watch->by_path, directory) : NULL;
        guint n = parent ? GPOINTER_TO_UINT(g_hash_table_lookup(parent->names, name)) : 0;

        if (n > 1) {
                g_hash_table_insert(parent->names, g_steal_pointer(&name), GUINT_TO_POINTER(n - 1));
                return;
        }
        if (n == 0)
                return;
        g_hash_table_remove(parent->names, name);
        if (g_hash_table_size(parent->names) > 0)
                return;
        (void)inotify_rm_watch(watch->inotify_fd, parent->wd);
        drop_parent(watch, parent);
}
