/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "grant.h"

#include <fnmatch.h>
#include <string.h>

#define CGROUP_ROOT "/sys/fs/cgroup/"
#define NAME_MAX_BYTES 255
#define PATTERN_MAX_BYTES 1024
#define SIGNER_MAX_BYTES 1024

static const char *const verb_names[] = {"load", "attach"};

void authz_grant_free(AuthzGrant *grant)
{
        if (!grant)
                return;
        g_free(grant->id);
        g_free(grant->user);
        g_free(grant->group);
        g_strfreev(grant->types);
        g_free(grant->interface);
        g_free(grant->cgroup);
        g_free(grant->signed_by);
        g_free(grant->created_by);
        g_free(grant->error);
        g_free(grant);
}

/* Verbs and actions */

unsigned authz_verb_from_string(const char *s)
{
        for (size_t i = 0; i < G_N_ELEMENTS(verb_names); i++)
                if (g_str_equal(s, verb_names[i]))
                        return 1U << i;
        return 0;
}

const char *authz_verb_to_string(AuthzVerb verb)
{
        for (size_t i = 0; i < G_N_ELEMENTS(verb_names); i++)
                if ((unsigned)verb == 1U << i)
                        return verb_names[i];
        return NULL;
}

bool authz_action_parse(const char *action, AuthzVerb *ret_verb, const KernType **ret_type)
{
        static const char prefix[] = "org.bpfkeeper1.";
        g_auto(GStrv) words = NULL;
        unsigned verb;

        if (!g_str_has_prefix(action, prefix))
                return false;
        words = g_strsplit(action + strlen(prefix), ".", 3);
        if (g_strv_length(words) != 2)
                return false;
        verb = authz_verb_from_string(words[0]);
        for (const KernType *type = kern_types; verb && type->name; type++) {
                char suffix[32];

                kern_type_action_suffix(type, suffix, sizeof(suffix));
                if (!g_str_equal(words[1], suffix))
                        continue;
                *ret_verb = (AuthzVerb)verb;
                *ret_type = type;
                return true;
        }
        return false;
}

/* Patterns */

/* Where the value is cut off, so that it has as many parts as the pattern before "/" and "**". */
static size_t same_depth(const char *pattern, const char *value)
{
        size_t slashes = 0, i = 0;

        for (const char *p = pattern; *p; p++)
                slashes += *p == '/';
        for (; value[i]; i++)
                if (value[i] == '/' && slashes-- == 0)
                        break;
        return i;
}

bool authz_pattern_matches(const char *pattern, const char *value)
{
        if (*value == '\0')
                return false;
        if (g_str_has_suffix(pattern, "/**")) {
                g_autofree char *above = g_strndup(pattern, strlen(pattern) - 3);
                g_autofree char *begin = g_strndup(value, same_depth(above, value));

                return fnmatch(above, begin, FNM_PATHNAME) == 0;
        }
        return fnmatch(pattern, value, FNM_PATHNAME) == 0;
}

/* The end of a bracket expression that begins at @p, or NULL where it has none. */
static const char *bracket_end(const char *p)
{
        p++;
        if (*p == '!' || *p == '^')
                p++;
        if (*p == ']')
                p++;
        for (; *p && *p != ']' && *p != '/'; p++)
                if (*p == '\\' && p[1])
                        p++;
        return *p == ']' ? p : NULL;
}

const char *authz_pattern_error(const char *pattern)
{
        if (*pattern == '\0')
                return "it is empty; leave it out to mean any";
        if (strlen(pattern) > PATTERN_MAX_BYTES)
                return "it is longer than 1024 bytes";
        for (const char *p = pattern; *p; p++) {
                if (*p == '\\' && *++p == '\0')
                        return "there is nothing behind the backslash";
                if (*p == '[') {
                        p = bracket_end(p);
                        if (!p)
                                return "there is a [ without its ]; write \\[ for one that is "
                                       "meant "
                                       "as it is";
                }
        }
        return NULL;
}

/* Time */

char *authz_time_format(gint64 usec)
{
        g_autoptr(GDateTime) time = g_date_time_new_from_unix_utc(usec / G_USEC_PER_SEC);

        return time ? g_date_time_format(time, "%Y-%m-%dT%H:%M:%SZ") : NULL;
}

bool authz_time_parse(const char *s, gint64 *ret_usec)
{
        g_autoptr(GDateTime) time = g_date_time_new_from_iso8601(s, NULL);

        if (!time || g_date_time_to_unix(time) <= 0)
                return false;
        *ret_usec = g_date_time_to_unix(time) * G_USEC_PER_SEC;
        return true;
}

/* What can be in force */

static bool is_text(const char *s)
{
        if (!g_utf8_validate(s, -1, NULL))
                return false;
        for (; *s; s = g_utf8_next_char(s))
                if (g_unichar_iscntrl(g_utf8_get_char(s)))
                        return false;
        return true;
}

static const char *name_error(const char *name)
{
        if (*name == '\0' || strlen(name) > NAME_MAX_BYTES)
                return "a name has 1 to 255 bytes";
        return strpbrk(name, ":/,") ? "no name has a colon, a slash or a comma" : NULL;
}

static char *known_types(void)
{
        GString *s = g_string_new(NULL);

        for (const KernType *t = kern_types; t->name; t++)
                g_string_append_printf(s, "%s, ", t->name);
        g_string_append(s, "and all by itself");
        return g_string_free(s, FALSE);
}

/* The patterns that say where a program of this type may go, as bits of its parameters. */
static uint64_t limits(const AuthzGrant *g, const KernType *type)
{
        uint64_t patterns = (g->interface ? KERN_PARAM_BIT(KERN_PARAM_INTERFACE) : 0) |
                            (g->cgroup ? KERN_PARAM_BIT(KERN_PARAM_CGROUP) : 0);

        return patterns & (type->required | type->optional);
}

static bool is_for_all(const AuthzGrant *g)
{
        return g->types && g->types[0] && !g->types[1] && g_str_equal(g->types[0], "all");
}

static bool check_types(const AuthzGrant *g, char **reterr)
{
        uint64_t used = 0;

        for (char **name = g->types; *name && !is_for_all(g); name++) {
                const KernType *type = kern_type_find(*name);

                if (!type && g_str_equal(*name, "all")) {
                        *reterr = g_strdup("'all' stands by itself, with no types beside it");
                        return false;
                }
                if (!type) {
                        g_autofree char *known = known_types();

                        *reterr = g_strdup_printf("there is no program type '%s'; there are %s",
                                                  *name, known);
                        return false;
                }
                used |= limits(g, type);
                /* Whoever limits a grant doesn't mean it without limit for one of its types. */
                if ((g->interface || g->cgroup) && limits(g, type) == 0) {
                        *reterr = g_strdup_printf(
                                "%s programs go to no %s, so they take a grant of their own", *name,
                                !g->cgroup      ? "interface"
                                : !g->interface ? "cgroup"
                                                : "interface and no cgroup");
                        return false;
                }
        }
        if (!is_for_all(g) && g->interface && !(used & KERN_PARAM_BIT(KERN_PARAM_INTERFACE)))
                *reterr = g_strdup("none of these types goes to an interface");
        else if (!is_for_all(g) && g->cgroup && !(used & KERN_PARAM_BIT(KERN_PARAM_CGROUP)))
                *reterr = g_strdup("none of these types goes to a cgroup");
        return !*reterr;
}

/* Words with spaces between them are what a question has. */
static bool check_signer(const AuthzGrant *g, const char **reterr_key, char **reterr)
{
        if (!g->signed_by)
                return true;
        *reterr_key = "SignedBy";
        if (*g->signed_by == '\0' || strlen(g->signed_by) > SIGNER_MAX_BYTES)
                *reterr = g_strdup("a signer has 1 to 1024 bytes; leave it out to mean any");
        else if (strchr(g->signed_by, ' '))
                *reterr = g_strdup("it is one signer, without spaces; make it a grant for each");
        return !*reterr;
}

static bool check_patterns(const AuthzGrant *g, const char **reterr_key, char **reterr)
{
        const char *wrong = g->interface ? authz_pattern_error(g->interface) : NULL;

        *reterr_key = "Interface";
        if (!wrong && g->interface && strchr(g->interface, '/') && g->interface[0] != '/')
                wrong = "no interface's name has a slash; in another network namespace it begins "
                        "with that one's path, as in /run/netns/NAME/INTERFACE";
        if (!wrong && g->cgroup) {
                *reterr_key = "Cgroup";
                wrong = authz_pattern_error(g->cgroup);
                if (!wrong && !g_str_has_prefix(g->cgroup, CGROUP_ROOT))
                        wrong = "it begins with " CGROUP_ROOT;
        }
        if (wrong)
                *reterr = g_strdup(wrong);
        return !wrong;
}

bool authz_grant_check(const AuthzGrant *g, const char **reterr_key, char **reterr_message)
{
        const struct {
                const char *key, *value;
        } texts[] = {
                {"User", g->user},     {"Group", g->group},        {"Interface", g->interface},
                {"Cgroup", g->cgroup}, {"SignedBy", g->signed_by}, {"CreatedBy", g->created_by},
        };
        const char *name = g->user ?: g->group, *wrong;

        *reterr_message = NULL;
        for (size_t i = 0; i < G_N_ELEMENTS(texts); i++)
                if (texts[i].value && !is_text(texts[i].value)) {
                        *reterr_key = texts[i].key;
                        *reterr_message = g_strdup("there are control characters in it");
                        return false;
                }
        *reterr_key = g->group ? "Group" : "User";
        wrong = !name                 ? "nobody is named; give a user or a group"
                : g->user && g->group ? "both a user and a group are named; make it two grants"
                                      : name_error(name);
        if (wrong) {
                *reterr_message = g_strdup(wrong);
                return false;
        }
        *reterr_key = "Verbs";
        if (g->verbs == 0) {
                *reterr_message = g_strdup("it is load, attach or both");
                return false;
        }
        *reterr_key = "Types";
        if (!g->types || !*g->types) {
                g_autofree char *known = known_types();

                *reterr_message = g_strdup_printf("no program type is named; there are %s", known);
                return false;
        }
        return check_types(g, reterr_message) && check_patterns(g, reterr_key, reterr_message) &&
               check_signer(g, reterr_key, reterr_message);
}

bool authz_grant_id_is_valid(const char *id)
{
        size_t n = strlen(id);

        if (n == 0 || n > AUTHZ_GRANT_ID_MAX || *id == '.' || *id == '-')
                return false;
        for (; *id; id++)
                if (!g_ascii_isalnum(*id) && !strchr("@._-", *id))
                        return false;
        return true;
}

bool authz_grant_equal(const AuthzGrant *a, const AuthzGrant *b)
{
        return !a->error && !b->error &&
               g_strv_equal((const char *const *)a->types, (const char *const *)b->types) &&
               g_strcmp0(a->user, b->user) == 0 && g_strcmp0(a->group, b->group) == 0 &&
               a->verbs == b->verbs && g_strcmp0(a->interface, b->interface) == 0 &&
               g_strcmp0(a->cgroup, b->cgroup) == 0 && g_strcmp0(a->signed_by, b->signed_by) == 0 &&
               a->until == b->until;
}

char *authz_grant_describe(const AuthzGrant *g)
{
        GString *s = g_string_new(NULL);

        g_string_append_printf(s, "%s %s %s%s%s eBPF programs of ", g->user ? "user" : "group",
                               g->user ?: g->group, g->verbs & AUTHZ_VERB_LOAD ? "load" : "",
                               g->verbs == (AUTHZ_VERB_LOAD | AUTHZ_VERB_ATTACH) ? " and " : "",
                               g->verbs & AUTHZ_VERB_ATTACH ? "attach" : "");
        if (is_for_all(g)) {
                g_string_append(s, "every type");
        } else {
                g_autofree char *types = g_strjoinv(", ", g->types);

                g_string_append_printf(s, "type%s %s", g->types[1] ? "s" : "", types);
        }
        if (g->interface)
                g_string_append_printf(s, ", on interfaces %s", g->interface);
        if (g->cgroup)
                g_string_append_printf(s, ", on cgroups %s", g->cgroup);
        if (g->signed_by)
                g_string_append_printf(s, ", signed by %s", g->signed_by);
        if (g->until) {
                g_autofree char *until = authz_time_format(g->until);

                g_string_append_printf(s, ", until %s", until);
        }
        return g_string_free(s, FALSE);
}

/* Whom and what it covers */

static bool is_about(const AuthzGrant *g, const AuthzQuestion *q)
{
        if (g->user ? !g_str_equal(g->user, q->user) : !g_strv_contains(q->groups, g->group))
                return false;
        if (!(g->verbs & q->verb))
                return false;
        if (!is_for_all(g) && !g_strv_contains((const char *const *)g->types, q->type->name))
                return false;
        return !(g->interface || g->cgroup) || limits(g, q->type) != 0;
}

static bool is_signed(const AuthzGrant *g, const AuthzQuestion *q)
{
        g_auto(GStrv) signers = NULL;

        if (!g->signed_by)
                return true;
        signers = g_strsplit(q->signed_by, " ", -1);
        return g_strv_contains((const char *const *)signers, g->signed_by);
}

AuthzCoverage authz_grant_covers(const AuthzGrant *g, const AuthzQuestion *q, gint64 now)
{
        uint64_t where = limits(g, q->type);

        if (g->error || !is_about(g, q))
                return AUTHZ_COVERS_NOT;
        if (q->verb == AUTHZ_VERB_ATTACH) {
                if ((where & KERN_PARAM_BIT(KERN_PARAM_INTERFACE)) &&
                    !authz_pattern_matches(g->interface, q->interface))
                        return AUTHZ_COVERS_ELSEWHERE;
                if ((where & KERN_PARAM_BIT(KERN_PARAM_CGROUP)) &&
                    !authz_pattern_matches(g->cgroup, q->cgroup))
                        return AUTHZ_COVERS_ELSEWHERE;
        }
        if (!is_signed(g, q))
                return AUTHZ_COVERS_SIGNED;
        return g->until && now >= g->until ? AUTHZ_COVERED_ONCE : AUTHZ_COVERS;
}
