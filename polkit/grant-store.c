/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "grant-store.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Who could have changed a file beside root and its owner. */
#define WRITABLE_BY_OTHERS (S_IWGRP | S_IWOTH)

G_DEFINE_AUTOPTR_CLEANUP_FUNC(DIR, closedir)

__attribute__((format(printf, 2, 3))) static AuthzGrant *broken(const char *id, const char *format,
                                                                ...)
{
        AuthzGrant *grant = g_new0(AuthzGrant, 1);
        va_list ap;

        va_start(ap, format);
        grant->id = g_utf8_make_valid(id, -1);
        grant->error = g_strdup_vprintf(format, ap);
        va_end(ap);
        return grant;
}

static AuthzGrant *read_text(int fd, const char *id)
{
        char text[AUTHZ_GRANT_SIZE_MAX + 1];
        size_t size = 0;

        while (size < sizeof(text)) {
                ssize_t n = read(fd, text + size, sizeof(text) - size);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return broken(id, "it can't be read: %s", g_strerror(errno));
                if (n == 0)
                        break;
                size += (size_t)n;
        }
        return authz_grant_parse(id, text, size);
}

/* NULL where the file went meanwhile. @owner: the directory's, who could have put anything there. */
static AuthzGrant *read_grant(int directory, const char *name, uid_t owner)
{
        g_autofree char *id = g_strndup(name, strlen(name) - strlen(AUTHZ_GRANT_SUFFIX));
        AuthzGrant *grant;
        struct stat st;
        int fd;

        if (!authz_grant_id_is_valid(id))
                return broken(id, "a grant's name has letters, digits, @, ., _ and -, up to %d",
                              AUTHZ_GRANT_ID_MAX);
        /* It may be anything; opening a FIFO must not wait for somebody who writes. */
        fd = openat(directory, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
        if (fd < 0 && errno == ENOENT && fstatat(directory, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
                return NULL;
        if (fd < 0)
                return broken(id, "it can't be opened: %s", g_strerror(errno));
        if (fstat(fd, &st) < 0)
                grant = broken(id, "it can't be looked at: %s", g_strerror(errno));
        else if (!S_ISREG(st.st_mode))
                grant = broken(id, "it is no file");
        else if (st.st_uid != 0 && st.st_uid != owner)
                grant = broken(id, "it belongs to uid %u, not to root", st.st_uid);
        else if (st.st_mode & WRITABLE_BY_OTHERS)
                grant = broken(id,
                               "others than its owner may write to it (mode %04o); 0644 is right",
                               st.st_mode & 07777);
        else
                grant = read_text(fd, id);
        close(fd);
        return grant;
}

static int compare_ids(gconstpointer a, gconstpointer b)
{
        return strcmp((*(AuthzGrant *const *)a)->id, (*(AuthzGrant *const *)b)->id);
}

static void free_grant(gpointer p)
{
        authz_grant_free(p);
}

GPtrArray *authz_grants_read(const char *directory, char **reterr)
{
        g_autoptr(GPtrArray) grants = g_ptr_array_new_with_free_func(free_grant);
        g_autoptr(DIR) dir = opendir(directory);
        const struct dirent *entry;
        struct stat st;

        if (!dir && errno == ENOENT)
                return g_steal_pointer(&grants);
        if (!dir || fstat(dirfd(dir), &st) < 0) {
                *reterr = g_strdup_printf("%s can't be read: %s", directory, g_strerror(errno));
                return NULL;
        }
        if (st.st_mode & WRITABLE_BY_OTHERS) {
                *reterr = g_strdup_printf("Others than its owner may write to %s (mode %04o), so "
                                          "nothing in it counts; 0755 is right",
                                          directory, st.st_mode & 07777);
                return NULL;
        }
        while ((entry = readdir(dir))) {
                AuthzGrant *grant;

                if (entry->d_name[0] == '.' || !g_str_has_suffix(entry->d_name, AUTHZ_GRANT_SUFFIX))
                        continue;
                grant = read_grant(dirfd(dir), entry->d_name, st.st_uid);
                if (grant)
                        g_ptr_array_add(grants, grant);
        }
        g_ptr_array_sort(grants, compare_ids);
        return g_steal_pointer(&grants);
}

AuthzGrant *authz_grants_find(GPtrArray *grants, const char *id)
{
        for (guint i = 0; i < grants->len; i++) {
                AuthzGrant *grant = g_ptr_array_index(grants, i);

                if (g_str_equal(grant->id, id))
                        return grant;
        }
        return NULL;
}

/* Writing */

/* "alice-xdp", "@tracing-kprobe-tracepoint" */
static char *make_id(const AuthzGrant *g, unsigned n)
{
        g_autofree char *types = g_strjoinv("-", g->types);
        g_autofree char *id =
                g_strconcat(g->group ? "@" : "", g->user ?: g->group, "-", types, NULL);

        for (char *p = id; *p; p++)
                if (!g_ascii_isalnum(*p) && !(strchr("@_-.", *p) && p > id) &&
                    !(*p == '@' && p == id))
                        *p = '_';
        if (strlen(id) > AUTHZ_GRANT_ID_MAX / 2)
                id[AUTHZ_GRANT_ID_MAX / 2] = '\0';
        return n == 1 ? g_steal_pointer(&id) : g_strdup_printf("%s-%u", id, n);
}

static int write_all(int fd, const char *text)
{
        size_t size = strlen(text);

        while (size > 0) {
                ssize_t n = write(fd, text, size);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return -errno;
                text += n;
                size -= (size_t)n;
        }
        /* Whatever the umask is: polkitd's user reads it. */
        if (fchmod(fd, 0644) < 0 || fsync(fd) < 0)
                return -errno;
        return 0;
}

/* The first name that is free. link(2) takes none that is there, and makes the whole file appear. */
static int link_new(int directory, const char *temporary, AuthzGrant *grant)
{
        for (unsigned n = 1; n <= AUTHZ_GRANTS_MAX; n++) {
                g_autofree char *id = make_id(grant, n);
                g_autofree char *name = g_strconcat(id, AUTHZ_GRANT_SUFFIX, NULL);

                if (linkat(directory, temporary, directory, name, 0) == 0) {
                        g_free(grant->id);
                        grant->id = g_steal_pointer(&id);
                        return 0;
                }
                if (errno != EEXIST)
                        return -errno;
        }
        return -EEXIST;
}

int authz_grants_add(const char *directory, AuthzGrant *grant)
{
        g_autofree char *text = authz_grant_format(grant), *temporary = NULL;
        int dir, fd, r;

        if (g_mkdir_with_parents(directory, 0755) < 0)
                return -errno;
        dir = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (dir < 0)
                return -errno;
        temporary = g_strdup_printf(".new-%d-%08x", getpid(), g_random_int());
        fd = openat(dir, temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
        r = fd < 0 ? -errno : write_all(fd, text);
        if (fd >= 0) {
                close(fd);
                if (r >= 0)
                        r = link_new(dir, temporary, grant);
                (void)unlinkat(dir, temporary, 0);
        }
        /* Who was told that it is there finds it after a power cut too. */
        if (r >= 0 && fsync(dir) < 0)
                r = -errno;
        close(dir);
        return r;
}

int authz_grants_remove(const char *directory, const char *id)
{
        g_autofree char *path = g_strconcat(directory, "/", id, AUTHZ_GRANT_SUFFIX, NULL);
        int dir, r = 0;

        if (strchr(id, '/'))
                return -ENOENT;
        if (unlink(path) < 0)
                return -errno;
        dir = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (dir < 0 || fsync(dir) < 0)
                r = -errno;
        if (dir >= 0)
                close(dir);
        return r;
}
