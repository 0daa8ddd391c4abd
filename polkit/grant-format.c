/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A grant as the text of its file, and back. */

#include <string.h>

#include "grant.h"

#define GROUP "Grant"

typedef enum Key {
        KEY_USER,
        KEY_GROUP,
        KEY_TYPES,
        KEY_VERBS,
        KEY_INTERFACE,
        KEY_CGROUP,
        KEY_SIGNED_BY,
        KEY_UNTIL,
        KEY_CREATED,
        KEY_CREATED_BY,
        _KEY_MAX,
} Key;

static const char *const key_names[_KEY_MAX] = {
        [KEY_USER] = "User",           [KEY_GROUP] = "Group",
        [KEY_TYPES] = "Types",         [KEY_VERBS] = "Verbs",
        [KEY_INTERFACE] = "Interface", [KEY_CGROUP] = "Cgroup",
        [KEY_SIGNED_BY] = "SignedBy",  [KEY_UNTIL] = "Until",
        [KEY_CREATED] = "Created",     [KEY_CREATED_BY] = "CreatedBy",
};

/* In which line each key is; 0: in none. */
typedef struct Lines {
        unsigned of[_KEY_MAX];
        size_t n;
} Lines;

static int key_find(const char *name)
{
        for (int k = 0; k < _KEY_MAX; k++)
                if (g_str_equal(name, key_names[k]))
                        return k;
        return -1;
}

/* What is quoted in an error message is somebody's mistake, of any length. */
static char *shorten(const char *s)
{
        g_autofree char *valid = g_utf8_make_valid(s, -1);

        if (g_utf8_strlen(valid, -1) <= 60)
                return g_steal_pointer(&valid);
        *g_utf8_offset_to_pointer(valid, 60) = '\0';
        return g_strconcat(valid, "…", NULL);
}

static char *line_error(unsigned number, const char *line, const char *message)
{
        g_autofree char *quoted = shorten(line);

        return g_strdup_printf("line %u: %s: %s", number, quoted, message);
}

static char *scan_key(Lines *lines, unsigned number, char *line, char *equals)
{
        g_autofree char *name = g_strstrip(g_strndup(line, (size_t)(equals - line)));
        int key = key_find(name);

        if (key < 0) {
                g_autofree char *known =
                        g_strjoinv(", ", (char *[]){"User, Group, Types, Verbs",
                                                    "Interface, Cgroup, SignedBy",
                                                    "Until, Created, CreatedBy", NULL});
                g_autofree char *message =
                        g_strdup_printf("there is no such key; there are %s", known);

                return line_error(number, line, message);
        }
        if (lines->of[key])
                return line_error(number, line, "that key is there already");
        lines->of[key] = number;
        lines->n++;
        return NULL;
}

/* GKeyFile says neither where a key is, nor that it is there twice, nor what it doesn't know. */
static char *scan(const char *text, Lines *ret)
{
        g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
        bool in_group = false;

        for (unsigned i = 0; lines[i]; i++) {
                char *line = g_strstrip(lines[i]), *equals = strchr(line, '='), *error = NULL;

                if (*line == '\0' || *line == '#')
                        continue;
                if (*line == '[') {
                        if (in_group || !g_str_equal(line, "[" GROUP "]"))
                                return line_error(i + 1, line,
                                                  "there is one group, [" GROUP "], and no other");
                        in_group = true;
                        continue;
                }
                if (!in_group)
                        return line_error(i + 1, line, "[" GROUP "] must stand before it");
                if (!equals)
                        return line_error(i + 1, line, "it is neither KEY=VALUE nor a comment");
                error = scan_key(ret, i + 1, line, equals);
                if (error)
                        return error;
        }
        return in_group ? NULL : g_strdup("there is no [" GROUP "] in it");
}

/* Words with spaces or commas between them */
static char **split(const char *value)
{
        g_auto(GStrv) parts = g_strsplit_set(value, " \t,;", -1);
        g_autoptr(GStrvBuilder) words = g_strv_builder_new();

        for (char **p = parts; *p; p++)
                if (**p)
                        g_strv_builder_add(words, *p);
        return g_strv_builder_end(words);
}

static char *read_verbs(const char *value, unsigned *ret)
{
        g_auto(GStrv) words = split(value);

        for (char **w = words; *w; w++) {
                unsigned verb = authz_verb_from_string(*w);

                if (!verb)
                        return g_strdup("it is load, attach or both");
                *ret |= verb;
        }
        return NULL;
}

static char *read_time(const char *value, gint64 *ret)
{
        if (authz_time_parse(value, ret))
                return NULL;
        return g_strdup("it is a time with its time zone, such as 2026-12-01T18:00:00Z");
}

/* Takes @value where it becomes a member; the answer is what is wrong with it, or NULL. */
static char *read_key(AuthzGrant *g, Key key, char **value)
{
        switch (key) {
        case KEY_USER:
                g->user = g_steal_pointer(value);
                break;
        case KEY_GROUP:
                g->group = g_steal_pointer(value);
                break;
        case KEY_TYPES:
                g->types = split(*value);
                break;
        case KEY_VERBS:
                g->verbs = 0;
                return read_verbs(*value, &g->verbs);
        case KEY_INTERFACE:
                g->interface = g_steal_pointer(value);
                break;
        case KEY_CGROUP:
                g->cgroup = g_steal_pointer(value);
                break;
        case KEY_SIGNED_BY:
                g->signed_by = g_steal_pointer(value);
                break;
        case KEY_UNTIL:
                return read_time(*value, &g->until);
        case KEY_CREATED:
                return read_time(*value, &g->created);
        case KEY_CREATED_BY:
                g->created_by = g_steal_pointer(value);
                break;
        default:
                break;
        }
        return NULL;
}

static char *value_error(const Lines *lines, GKeyFile *file, int key, const char *message)
{
        g_autofree char *value = g_key_file_get_value(file, GROUP, key_names[key], NULL);
        g_autofree char *quoted = shorten(value ? g_strstrip(value) : "");

        if (!lines->of[key])
                return g_strdup_printf("%s= is missing: %s", key_names[key], message);
        return g_strdup_printf("line %u: %s=%s: %s", lines->of[key], key_names[key], quoted,
                               message);
}

static char *read_keys(AuthzGrant *g, GKeyFile *file, const Lines *lines)
{
        g_autofree char *message = NULL;
        const char *wrong;

        g->verbs = AUTHZ_VERB_LOAD | AUTHZ_VERB_ATTACH;
        for (int k = 0; k < _KEY_MAX; k++) {
                g_autofree char *value = g_key_file_get_value(file, GROUP, key_names[k], NULL);

                /* What GKeyFile reads is what was looked at above, and nothing else. */
                if (!value != !lines->of[k])
                        return g_strdup("it can't be read in one way only");
                if (!value)
                        continue;
                g_strstrip(value);
                message = read_key(g, (Key)k, &value);
                if (message)
                        return value_error(lines, file, k, message);
        }
        if (!lines->of[KEY_TYPES])
                return value_error(lines, file, KEY_TYPES, "say which program types, or all");
        if (authz_grant_check(g, &wrong, &message))
                return NULL;
        return value_error(lines, file, key_find(wrong), message);
}

static char *read_file(AuthzGrant *g, const char *text, size_t size)
{
        g_autoptr(GKeyFile) file = g_key_file_new();
        g_autoptr(GError) error = NULL;
        g_auto(GStrv) keys = NULL;
        Lines lines = {0};
        char *wrong;

        if (size > AUTHZ_GRANT_SIZE_MAX)
                return g_strdup_printf("it has %zu bytes; %d would do", size, AUTHZ_GRANT_SIZE_MAX);
        if (!g_utf8_validate_len(text, size, NULL))
                return g_strdup("it is not UTF-8 text");
        wrong = scan(text, &lines);
        if (wrong)
                return wrong;
        if (!g_key_file_load_from_data(file, text, size, G_KEY_FILE_NONE, &error))
                return g_strdup(error->message);
        keys = g_key_file_get_keys(file, GROUP, NULL, NULL);
        if (!keys || g_strv_length(keys) != lines.n)
                return g_strdup("it can't be read in one way only");
        return read_keys(g, file, &lines);
}

AuthzGrant *authz_grant_parse(const char *id, const char *text, size_t size)
{
        g_autoptr(AuthzGrant) grant = g_new0(AuthzGrant, 1);
        g_autofree char *copy = g_strndup(text, size);
        char *wrong;

        grant->id = g_strdup(id);
        /* A copy that ends where it should; a NUL in it isn't UTF-8. */
        wrong = read_file(grant, copy, size);
        if (wrong) {
                AuthzGrant *broken = g_new0(AuthzGrant, 1);

                broken->id = g_strdup(id);
                broken->error = wrong;
                return broken;
        }
        return g_steal_pointer(&grant);
}

static void add_key(GString *s, Key key, const char *value)
{
        if (value)
                g_string_append_printf(s, "%s=%s\n", key_names[key], value);
}

char *authz_grant_format(const AuthzGrant *g)
{
        g_autofree char *types = g_strjoinv(" ", g->types);
        g_autofree char *until = g->until ? authz_time_format(g->until) : NULL;
        g_autofree char *created = g->created ? authz_time_format(g->created) : NULL;
        GString *s = g_string_new("# What it means is described in bpfkeeper(7).\n[" GROUP "]\n");

        add_key(s, KEY_USER, g->user);
        add_key(s, KEY_GROUP, g->group);
        add_key(s, KEY_TYPES, types);
        add_key(s, KEY_VERBS,
                g->verbs == AUTHZ_VERB_LOAD     ? "load"
                : g->verbs == AUTHZ_VERB_ATTACH ? "attach"
                                                : "load attach");
        add_key(s, KEY_INTERFACE, g->interface);
        add_key(s, KEY_CGROUP, g->cgroup);
        add_key(s, KEY_SIGNED_BY, g->signed_by);
        add_key(s, KEY_UNTIL, until);
        add_key(s, KEY_CREATED, created);
        add_key(s, KEY_CREATED_BY, g->created_by);
        return g_string_free(s, FALSE);
}
