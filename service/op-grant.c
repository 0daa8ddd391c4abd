/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * AddGrant(), ListGrants(), RemoveGrant(): the files that polkit's rule reads, for people who don't
 * write them by hand. Files and names are looked up in a thread, since both may take their time.
 */

#include <errno.h>
#include <string.h>

#include "audit.h"
#include "errors.h"
#include "grant-store.h"
#include "names.h"
#include "ops.h"

#define TYPES_MAX 256

typedef struct GrantOp {
        BusGrantArgs *args;
        AuthzGrant *grant; /* to add, or found */
        char *id;          /* to remove */
        uid_t uid;
        bool was_there;
        GPtrArray *grants; /* AuthzGrant: all */
        GError *error;     /* what the thread met */
} GrantOp;

static void grant_op_free(void *p)
{
        GrantOp *op = p;

        bus_grant_args_free(op->args);
        authz_grant_free(op->grant);
        g_free(op->id);
        g_clear_pointer(&op->grants, g_ptr_array_unref);
        g_clear_error(&op->error);
        g_free(op);
}

/* Answers with what the thread met, if anything. */
static bool failed(Request *request)
{
        GrantOp *op = request->op;

        if (!op->error)
                return false;
        request_fail(request, g_steal_pointer(&op->error));
        return true;
}

static bool read_grants(GrantOp *op)
{
        g_autofree char *message = NULL;

        op->grants = authz_grants_read(AUTHZ_GRANTS_DIR, &message);
        if (!op->grants)
                op->error = error_new(FAILED, "%s.", message);
        return op->grants != NULL;
}

static GError *file_error(int r, const char *what, const char *id)
{
        return error_new(FAILED, "Can't %s %s/%s" AUTHZ_GRANT_SUFFIX ": %s.", what,
                         AUTHZ_GRANTS_DIR, id, g_strerror(-r));
}

/* The details of a grant, for rules and the password dialog */

typedef struct Details {
        AuthzDetail list[13];
        size_t n;
} Details;

static void add(Details *d, const char *key, const char *value)
{
        if (value && *value)
                d->list[d->n++] = (AuthzDetail){key, value};
}

static void authorize(Request *request, const char *change, const char *verb,
                      void (*allowed)(Request *request))
{
        const GrantOp *op = request->op;
        const AuthzGrant *g = op->grant;
        g_autofree char *types = g->error ? NULL : g_strjoinv(" ", g->types);
        g_autofree char *until = g->until ? authz_time_format(g->until) : NULL;
        Details d = {0};

        add(&d, "change", change);
        add(&d, "verb", verb);
        add(&d, "id", op->id);
        if (!g->error) {
                add(&d, "user", g->user);
                add(&d, "group", g->group);
                add(&d, "types", types);
                add(&d, "load", g->verbs & AUTHZ_VERB_LOAD ? "true" : "");
                add(&d, "attach", g->verbs & AUTHZ_VERB_ATTACH ? "true" : "");
                add(&d, "interface", g->interface);
                add(&d, "cgroup", g->cgroup);
                add(&d, "signed_by", g->signed_by);
                add(&d, "until", until);
        }
        request_authorize(request, "org.bpfkeeper1.manage-grants", d.list, allowed);
}

/* AddGrant() */

static bool read_verbs(const BusGrantArgs *args, AuthzGrant *g, GError **reterr)
{
        g->verbs = args->verbs ? 0 : AUTHZ_VERB_LOAD | AUTHZ_VERB_ATTACH;
        for (char **v = args->verbs; v && *v; v++) {
                unsigned verb = authz_verb_from_string(*v);

                if (!verb) {
                        *reterr =
                                error_new(INVALID_ARGUMENT,
                                          "'%s' can't be granted; it is load, attach or both.", *v);
                        return false;
                }
                g->verbs |= verb;
        }
        return true;
}

static bool read_until(const BusGrantArgs *args, AuthzGrant *g, GError **reterr)
{
        /* The last second of the year 9999: more digits than its file would have. */
        const uint64_t last = UINT64_C(253402300799) * G_USEC_PER_SEC;

        if (!args->has_until)
                return true;
        if (args->until > last || (gint64)args->until <= g_get_real_time()) {
                g_autofree char *text =
                        args->until > last ? NULL : authz_time_format((gint64)args->until);

                *reterr = error_new(
                        INVALID_ARGUMENT,
                        "A grant ends in the future and before the year 10000, not at %s.",
                        text ?: "that time");
                return false;
        }
        g->until = (gint64)args->until / G_USEC_PER_SEC * G_USEC_PER_SEC;
        return true;
}

static GError *types_error(const AuthzGrant *g, const char *message)
{
        for (char **t = g->types; t && *t; t++)
                if (!kern_type_find(*t))
                        return error_new(UNKNOWN_TYPE, "It can't be granted: %s.", message);
        return error_new(INVALID_ARGUMENT, "It can't be granted: %s.", message);
}

/* Each once, and not more of them than a file has room for. */
static bool read_types(const BusGrantArgs *args, AuthzGrant *g, GError **reterr)
{
        guint n = args->types ? g_strv_length(args->types) : 0;

        if (n > TYPES_MAX) {
                *reterr = error_new(LIMIT_EXCEEDED, "A grant names at most %d types, not %u.",
                                    TYPES_MAX, n);
                return false;
        }
        g->types = g_new0(char *, n + 1);
        for (guint i = 0, used = 0; i < n; i++)
                if (!g_strv_contains((const char *const *)g->types, args->types[i]))
                        g->types[used++] = g_strdup(args->types[i]);
        return true;
}

static bool make_grant(GrantOp *op, GError **reterr)
{
        g_autofree char *message = NULL;
        BusGrantArgs *args = op->args;
        AuthzGrant *g = op->grant;
        const char *key;

        g->user = g_steal_pointer(&args->user);
        g->group = g_steal_pointer(&args->group);
        g->interface = g_steal_pointer(&args->interface);
        g->cgroup = g_steal_pointer(&args->cgroup);
        g->signed_by = g_steal_pointer(&args->signed_by);
        if (!read_types(args, g, reterr) || !read_verbs(args, g, reterr) ||
            !read_until(args, g, reterr))
                return false;
        if (authz_grant_check(g, &key, &message))
                return true;
        if (g_str_equal(key, "Types"))
                *reterr = types_error(g, message);
        else if (g_str_equal(key, "Verbs"))
                *reterr = error_new(INVALID_ARGUMENT, "No verb is named; %s.", message);
        else
                *reterr = error_new(INVALID_ARGUMENT, "%s=%s: %s.", key,
                                    g_str_equal(key, "Interface") ? g->interface
                                    : g_str_equal(key, "Cgroup")   ? g->cgroup
                                    : g_str_equal(key, "SignedBy") ? g->signed_by
                                                                   : g->user ?: g->group ?: "",
                                    message);
        return false;
}

static void add_in_thread(void *p)
{
        GrantOp *op = p;
        AuthzGrant *g = op->grant;
        int r;

        if (!read_grants(op))
                return;
        for (guint i = 0; i < op->grants->len; i++) {
                const AuthzGrant *there = g_ptr_array_index(op->grants, i);

                if (!authz_grant_equal(there, g))
                        continue;
                g->id = g_strdup(there->id);
                op->was_there = true;
                return;
        }
        if (op->grants->len >= AUTHZ_GRANTS_MAX) {
                op->error = error_new(LIMIT_EXCEEDED,
                                      "There are %u grants, which are asked one by one; revoke "
                                      "those that have ended, or grant to a group.",
                                      op->grants->len);
                return;
        }
        g->created = g_get_real_time();
        g->created_by = names_of_uid(op->uid);
        r = authz_grants_add(AUTHZ_GRANTS_DIR, g);
        if (r < 0)
                op->error = error_new(FAILED, "Can't write a grant to %s: %s%s.", AUTHZ_GRANTS_DIR,
                                      g_strerror(-r),
                                      /* The unit lets nothing else in /etc be written to. */
                                      r == -EROFS ? "; the directory must have been there when the "
                                                    "service started"
                                                  : "");
}

static void on_added(Request *request)
{
        GrantOp *op = request->op;
        g_autofree char *file = NULL, *text = NULL;

        if (failed(request))
                return;
        file = g_strconcat(AUTHZ_GRANTS_DIR "/", op->grant->id, AUTHZ_GRANT_SUFFIX, NULL);
        text = authz_grant_describe(op->grant);
        audit_grant(request, file, "%s %s, as grant %s",
                    op->was_there ? "lets, as before," : "lets", text, op->grant->id);
        request_finish(request, bus_reply_grant(request->m, op->grant->id));
}

static void add_allowed(Request *request)
{
        const GrantOp *op = request->op;

        /* A person may have taken long to type the password. */
        if (op->grant->until && op->grant->until <= g_get_real_time())
                request_fail(request, error_new(INVALID_ARGUMENT, "The grant's time is over."));
        else
                request_in_thread(request, add_in_thread, on_added);
}

static void find_names_in_thread(void *p)
{
        GrantOp *op = p;
        AuthzGrant *g = op->grant;
        char **name = g->user ? &g->user : &g->group, *found;

        found = g->user ? names_find_user(*name) : names_find_group(*name);
        if (!found) {
                op->error = error_new(INVALID_ARGUMENT, "There is no %s '%s'.",
                                      g->user ? "user" : "group", *name);
                return;
        }
        g_free(*name);
        *name = found;
}

static void on_names_found(Request *request)
{
        GrantOp *op = request->op;
        g_autofree char *text = NULL, *change = NULL;

        if (failed(request))
                return;
        text = authz_grant_describe(op->grant);
        change = g_strconcat("let ", text, NULL);
        authorize(request, change, "add", add_allowed);
}

static void run_add(Request *request)
{
        GrantOp *op = request->op;
        GError *error = NULL;

        op->uid = request->uid;
        if (make_grant(op, &error))
                request_in_thread(request, find_names_in_thread, on_names_found);
        else
                request_fail(request, error);
}

void op_add_grant(void *service, sd_bus_message *m, BusGrantArgs *args)
{
        GrantOp *op = g_new0(GrantOp, 1);

        op->args = args;
        op->grant = g_new0(AuthzGrant, 1);
        request_start(service, m, op, grant_op_free, run_add);
}

/* RemoveGrant() */

static void find_in_thread(void *p)
{
        GrantOp *op = p;
        guint index;

        if (!read_grants(op))
                return;
        for (index = 0; index < op->grants->len; index++)
                if (g_str_equal(((AuthzGrant *)op->grants->pdata[index])->id, op->id))
                        break;
        if (index == op->grants->len)
                op->error = error_new(NO_SUCH_OBJECT, "There is no grant '%s'.", op->id);
        else
                op->grant = g_ptr_array_steal_index(op->grants, index);
}

static void remove_in_thread(void *p)
{
        GrantOp *op = p;
        int r = authz_grants_remove(AUTHZ_GRANTS_DIR, op->id);

        if (r == -ENOENT)
                op->error = error_new(NO_SUCH_OBJECT, "There is no grant '%s'.", op->id);
        else if (r < 0)
                op->error = file_error(r, "remove", op->id);
}

/* "took back alice-xdp, which let user alice …" */
static char *describe_removal(const GrantOp *op, const char *begin)
{
        g_autofree char *text = op->grant->error ? NULL : authz_grant_describe(op->grant);

        return g_strdup_printf("%s the grant %s, which %s%s", begin, op->id,
                               text ? "let " : "was broken", text ?: "");
}

static void on_removed(Request *request)
{
        const GrantOp *op = request->op;
        g_autofree char *file = NULL, *text = NULL;

        if (failed(request))
                return;
        file = g_strconcat(AUTHZ_GRANTS_DIR "/", op->id, AUTHZ_GRANT_SUFFIX, NULL);
        text = describe_removal(op, "took back");
        audit_grant(request, file, "%s", text);
        request_finish(request, bus_reply_empty(request->m));
}

static void remove_allowed(Request *request)
{
        request_in_thread(request, remove_in_thread, on_removed);
}

static void on_found(Request *request)
{
        g_autofree char *change = NULL;

        if (failed(request))
                return;
        change = describe_removal(request->op, "take back");
        authorize(request, change, "remove", remove_allowed);
}

static void run_remove(Request *request)
{
        request_in_thread(request, find_in_thread, on_found);
}

void op_remove_grant(void *service, sd_bus_message *m, const char *id)
{
        GrantOp *op = g_new0(GrantOp, 1);

        op->id = g_strdup(id);
        request_start(service, m, op, grant_op_free, run_remove);
}

/* ListGrants() */

static void list_in_thread(void *p)
{
        (void)read_grants(p);
}

static const char *state_of(const AuthzGrant *g, gint64 now)
{
        if (g->error)
                return "broken";
        return g->until && g->until <= now ? "expired" : "active";
}

static BusGrant publish(const AuthzGrant *g, gint64 now)
{
        static const char *const both[] = {"load", "attach", NULL}, *const load[] = {"load", NULL};
        static const char *const *const attach = both + 1, *const *const none = both + 2;

        return (BusGrant){
                .id = g->id,
                .user = g->user ?: "",
                .group = g->group ?: "",
                .types = g->types ? (const char *const *)g->types : none,
                .verbs = g->error                        ? none
                         : g->verbs == AUTHZ_VERB_LOAD   ? load
                         : g->verbs == AUTHZ_VERB_ATTACH ? attach
                                                         : both,
                .interface = g->interface ?: "",
                .cgroup = g->cgroup ?: "",
                .signed_by = g->signed_by ?: "",
                .until = (uint64_t)g->until,
                .created = (uint64_t)g->created,
                .created_by = g->created_by ?: "",
                .state = state_of(g, now),
                .error = g->error ?: "",
        };
}

static void on_listed(Request *request)
{
        const GrantOp *op = request->op;
        gint64 now = g_get_real_time();
        g_autofree BusGrant *list = NULL;

        if (failed(request))
                return;
        list = g_new0(BusGrant, op->grants->len + 1);
        for (guint i = 0; i < op->grants->len; i++)
                list[i] = publish(g_ptr_array_index(op->grants, i), now);
        request_finish(request, bus_reply_grants(request->m, list, op->grants->len));
}

static void run_list(Request *request)
{
        request_in_thread(request, list_in_thread, on_listed);
}

void op_list_grants(void *service, sd_bus_message *m)
{
        request_start(service, m, g_new0(GrantOp, 1), grant_op_free, run_list);
}
