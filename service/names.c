/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "names.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdint.h>

#include <glib.h>

/* A group may have many members, all of whose names need room. */
#define BUFFER_MAX (4 * 1024 * 1024)
#define GROUPS_MAX 65536

typedef struct Question {
        const char *name; /* or NULL: by id */
        id_t id;
} Question;

static int ask_user(const Question *q, char *buffer, size_t size, struct passwd *entry,
                    struct passwd **ret)
{
        return q->name ? getpwnam_r(q->name, entry, buffer, size, ret)
                       : getpwuid_r(q->id, entry, buffer, size, ret);
}

static int ask_group(const Question *q, char *buffer, size_t size, struct group *entry,
                     struct group **ret)
{
        return q->name ? getgrnam_r(q->name, entry, buffer, size, ret)
                       : getgrgid_r(q->id, entry, buffer, size, ret);
}

static char *find_user(Question q, gid_t *ret_gid)
{
        for (size_t size = 4096; size <= BUFFER_MAX; size *= 4) {
                g_autofree char *buffer = g_malloc(size);
                struct passwd entry, *found = NULL;

                if (ask_user(&q, buffer, size, &entry, &found) == ERANGE)
                        continue;
                if (found && ret_gid)
                        *ret_gid = found->pw_gid;
                return found ? g_strdup(found->pw_name) : NULL;
        }
        return NULL;
}

static char *find_group(Question q)
{
        for (size_t size = 4096; size <= BUFFER_MAX; size *= 4) {
                g_autofree char *buffer = g_malloc(size);
                struct group entry, *found = NULL;

                if (ask_group(&q, buffer, size, &entry, &found) == ERANGE)
                        continue;
                return found ? g_strdup(found->gr_name) : NULL;
        }
        return NULL;
}

static bool is_id(const char *s, id_t *ret)
{
        guint64 id;

        if (!g_ascii_string_to_unsigned(s, 10, 0, UINT32_MAX - 1, &id, NULL))
                return false;
        *ret = (id_t)id;
        return true;
}

char *names_find_user(const char *name)
{
        char *found = find_user((Question){.name = name}, NULL);
        id_t id;

        if (!found && is_id(name, &id))
                found = find_user((Question){.id = id}, NULL);
        return found;
}

char *names_find_group(const char *name)
{
        char *found = find_group((Question){.name = name});
        id_t id;

        if (!found && is_id(name, &id))
                found = find_group((Question){.id = id});
        return found;
}

char *names_of_uid(uid_t uid)
{
        return find_user((Question){.id = uid}, NULL) ?: g_strdup_printf("%u", uid);
}

char **names_groups_of(const char *user)
{
        g_autoptr(GStrvBuilder) names = g_strv_builder_new();
        g_autofree gid_t *gids = NULL;
        g_autofree char *found = NULL;
        int n = 64, room = 0;
        gid_t gid;

        found = find_user((Question){.name = user}, &gid);
        while (found && room < n && n <= GROUPS_MAX) {
                room = n;
                gids = g_renew(gid_t, gids, room);
                /* Where there are more, n becomes how many. */
                if (getgrouplist(user, gid, gids, &n) >= 0)
                        break;
        }
        for (int i = 0; found && i < MIN(n, room); i++) {
                g_autofree char *name = find_group((Question){.id = gids[i]});

                if (!name)
                        name = g_strdup_printf("%u", gids[i]);
                g_strv_builder_add(names, name);
        }
        return g_strv_builder_end(names);
}
