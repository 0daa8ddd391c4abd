/* SPDX-License-Identifier: LGPL-2.1-or-later */

#define SD_JOURNAL_SUPPRESS_LOCATION
#include "audit.h"

#include <string.h>
#include <sys/uio.h>
#include <syslog.h>

#include <systemd/sd-journal.h>

#include "errors.h"
#include "hook-param.h"

/* One for each way that a request can end, so that they can be found by MESSAGE_ID. What they mean is
 * said in units/bpfkeeper.catalog. */
#define MESSAGE_ID_DONE "964d9ba37fb94b8caec99b966a17518b"
#define MESSAGE_ID_GRANT "1296a8d6b04e4f6da9f07ef8d9910f7b"
#define MESSAGE_ID_FAILED "7e49ffc2116a407ea241ee1aba61d1b4"
#define MESSAGE_ID_DENIED "e4c3a547335844bca692e9fa47be0c9e"
#define MESSAGE_ID_MORE "2e206db5a38c44bbb663b69a19e0c111"

/* What tells where something is attached, and what is granted or taken back */
#define FACT_HOOK "BPFKEEPER_HOOK_"
#define FACT_GRANT "BPFKEEPER_GRANT_"

/* So many failures of a uid are noted in such a time. */
#define FAILURES_MAX 10
#define FAILURES_SEC 10

typedef struct Failures {
        uid_t uid;
        unsigned n;
        guint timeout;
} Failures;

static GHashTable *failures; /* uid → Failures; only those of the last seconds */

/* One entry in the making: fields as "NAME=value" */

static void add(GPtrArray *fields, const char *name, const char *format, ...) G_GNUC_PRINTF(3, 4);

static void add(GPtrArray *fields, const char *name, const char *format, ...)
{
        g_autofree char *value = NULL;
        va_list ap;

        va_start(ap, format);
        value = g_strdup_vprintf(format, ap);
        va_end(ap);
        g_ptr_array_add(fields, g_strdup_printf("%s=%s", name, value));
}

static void add_given(GPtrArray *fields, const char *name, const char *value)
{
        if (value && *value)
                add(fields, name, "%s", value);
}

static void add_caller(GPtrArray *fields, const Request *request)
{
        const Caller *caller = request->caller;

        add(fields, "BPFKEEPER_UID", "%u", request->uid);
        if (request->peer)
                add_given(fields, "BPFKEEPER_SENDER", request->peer->name);
        if (!caller || caller->pid <= 0)
                return;
        add(fields, "BPFKEEPER_PID", "%d", caller->pid);
        add_given(fields, "BPFKEEPER_COMM", caller->comm);
        add_given(fields, "BPFKEEPER_UNIT", caller->unit);
        add_given(fields, "BPFKEEPER_USER_UNIT", caller->user_unit);
        add_given(fields, "BPFKEEPER_SESSION", caller->session);
        /* The journal adds what it finds out itself, and shows the entry among those of the unit. It
         * looks a moment later: no use where the process has ended. */
        if (caller_is_alive(caller))
                add(fields, "OBJECT_PID", "%d", caller->pid);
}

/* What was asked for, as it was last known. */
static void add_facts(GPtrArray *fields, const Request *request)
{
        g_autoptr(GString) hook = g_string_new(NULL);

        for (guint i = 0; request->facts && i < request->facts->len; i++) {
                const char *fact = g_ptr_array_index(request->facts, i);
                const char *value = strchr(fact, '=');

                g_ptr_array_add(fields, g_strdup(fact));
                if (!g_str_has_prefix(fact, FACT_HOOK))
                        continue;
                if (hook->len)
                        g_string_append_c(hook, ' ');
                for (const char *p = fact + strlen(FACT_HOOK); p < value; p++)
                        g_string_append_c(hook, g_ascii_tolower(*p));
                g_string_append(hook, value);
        }
        add_given(fields, "BPFKEEPER_HOOK", hook->str);
}

static void send_fields(const GPtrArray *fields)
{
        g_autofree struct iovec *iov = g_new(struct iovec, fields->len);

        for (guint i = 0; i < fields->len; i++) {
                char *field = g_ptr_array_index(fields, i);

                iov[i] = (struct iovec){field, strlen(field)};
        }
        (void)sd_journal_sendv(iov, (int)fields->len);
}

static GPtrArray *fields_new(int priority, const char *message_id)
{
        GPtrArray *fields = g_ptr_array_new_with_free_func(g_free);

        add(fields, "PRIORITY", "%i", priority);
        add(fields, "MESSAGE_ID", "%s", message_id);
        return fields;
}

static void send_entry(const Request *request, int priority, const char *message_id,
                       const char *result, const char *object, const char *message)
{
        g_autoptr(GPtrArray) fields = fields_new(priority, message_id);
        const char *verdict = request->verdict;

        add(fields, "MESSAGE", "uid %u: %s", request->uid, message);
        add(fields, "BPFKEEPER_VERB", "%s", sd_bus_message_get_member(request->m));
        add_caller(fields, request);
        add_facts(fields, request);
        add_given(fields, "BPFKEEPER_ACTION", request_action(request));
        /* Done without a question: it was the caller's own. */
        if (!verdict && strcmp(result, "done") == 0)
                verdict = request->uid == 0 ? "root" : "owner";
        add_given(fields, "BPFKEEPER_VERDICT", verdict);
        add(fields, "BPFKEEPER_RESULT", "%s", result);
        add(fields, "BPFKEEPER_OBJECT", "%s", object);
        send_fields(fields);
}

static bool is_noted(const Request *request)
{
        static const char *const methods[] = {"Load",     "Attach",      "Detach", "Unload",
                                              "AddGrant", "RemoveGrant", NULL};

        return g_strv_contains(methods, sd_bus_message_get_member(request->m));
}

void audit_begin(Request *request)
{
        if (request->caller && is_noted(request))
                caller_look(request->caller);
}

/* Sets a field, or sets it anew. */
static void set_fact(Request *request, const char *name, const char *value)
{
        size_t n = strlen(name);

        if (!value || !*value)
                return;
        if (!request->facts)
                request->facts = g_ptr_array_new_with_free_func(g_free);
        for (guint i = 0; i < request->facts->len; i++) {
                const char *fact = g_ptr_array_index(request->facts, i);

                if (strncmp(fact, name, n) == 0 && fact[n] == '=') {
                        g_ptr_array_remove_index(request->facts, i);
                        break;
                }
        }
        add(request->facts, name, "%s", value);
}

void audit_details(Request *request, const AuthzDetail *details)
{
        static const struct {
                const char *key, *field;
        } known[] = {
                {"type", "BPFKEEPER_TYPE"},
                {"program", "BPFKEEPER_PROGRAM"},
                {"program_id", "BPFKEEPER_PROGRAM_ID"},
                {"owner", "BPFKEEPER_OWNER"},
                {"application", "BPFKEEPER_APPLICATION"},
                {"digest", "BPFKEEPER_DIGEST"},
                /* Said by others */
                {"name", NULL},
                {"id", NULL},
                {"n_programs", NULL},
                {"change", NULL},
        };
        bool grant = g_strcmp0(request->action, "org.bpfkeeper1.manage-grants") == 0;

        for (const AuthzDetail *d = details; d->key; d++) {
                g_autofree char *upper = g_ascii_strup(d->key, -1);
                g_autofree char *name = g_strconcat(grant ? FACT_GRANT : FACT_HOOK, upper, NULL);
                const char *field = name;

                for (size_t i = 0; i < G_N_ELEMENTS(known); i++)
                        if (strcmp(d->key, known[i].key) == 0)
                                field = known[i].field;
                if (field)
                        set_fact(request, field, d->value);
        }
}

static void set_number(Request *request, const char *name, uint32_t value)
{
        char text[16];

        g_snprintf(text, sizeof(text), "%u", value);
        set_fact(request, name, text);
}

void audit_program(Request *request, const Program *program)
{
        set_fact(request, "BPFKEEPER_TYPE", program->pub.type);
        set_fact(request, "BPFKEEPER_PROGRAM", program->pub.name);
        set_number(request, "BPFKEEPER_PROGRAM_ID", program->pub.id);
        set_number(request, "BPFKEEPER_OWNER", program->pub.owner_uid);
        set_fact(request, "BPFKEEPER_APPLICATION", program->pub.application);
        set_fact(request, "BPFKEEPER_DIGEST", program->pub.source_digest);
}

void audit_link(Request *request, const Link *link)
{
        const BusLink *l = &link->pub;

        set_fact(request, "BPFKEEPER_TYPE", l->type);
        set_fact(request, "BPFKEEPER_PROGRAM", l->program_name);
        set_number(request, "BPFKEEPER_PROGRAM_ID", l->program_id);
        set_number(request, "BPFKEEPER_OWNER", l->owner_uid);
        for (int p = 0; p < _KERN_PARAM_MAX; p++) {
                g_autofree char *text = NULL, *upper = NULL, *name = NULL;

                if (!(link->hook.given & KERN_PARAM_BIT(p)))
                        continue;
                text = hook_param_text(&link->hook, link->texts, (KernParam)p);
                upper = g_ascii_strup(kern_params[p].name, -1);
                name = g_strconcat(FACT_HOOK, upper, NULL);
                set_fact(request, name, text ?: "");
        }
}

void audit_done(const Request *request, BusKind kind, uint32_t id, const char *format, ...)
{
        g_autofree char *message = NULL;
        char path[BUS_PATH_MAX];
        va_list ap;

        va_start(ap, format);
        message = g_strdup_vprintf(format, ap);
        va_end(ap);
        send_entry(request, LOG_INFO, MESSAGE_ID_DONE, "done", bus_path(kind, id, path), message);
}

void audit_grant(const Request *request, const char *file, const char *format, ...)
{
        g_autofree char *message = NULL;
        va_list ap;

        va_start(ap, format);
        message = g_strdup_vprintf(format, ap);
        va_end(ap);
        send_entry(request, LOG_INFO, MESSAGE_ID_GRANT, "done", file, message);
}

static void failures_free(void *p)
{
        Failures *f = p;

        if (f->timeout)
                g_source_remove(f->timeout);
        if (f->n > FAILURES_MAX) {
                g_autoptr(GPtrArray) fields = fields_new(LOG_NOTICE, MESSAGE_ID_MORE);

                add(fields, "MESSAGE", "uid %u: %u more failures were not noted", f->uid,
                    f->n - FAILURES_MAX);
                add(fields, "BPFKEEPER_UID", "%u", f->uid);
                add(fields, "BPFKEEPER_FAILURES", "%u", f->n - FAILURES_MAX);
                send_fields(fields);
        }
        g_free(f);
}

static gboolean on_timeout(gpointer userdata)
{
        Failures *f = userdata;

        f->timeout = 0;
        g_hash_table_remove(failures, GUINT_TO_POINTER(f->uid));
        return G_SOURCE_REMOVE;
}

void audit_flush(void)
{
        g_clear_pointer(&failures, g_hash_table_unref);
}

/* Counts it, and tells whether it is one too many. */
static bool is_too_much(uid_t uid)
{
        Failures *f;

        if (!failures)
                failures = g_hash_table_new_full(NULL, NULL, NULL, failures_free);
        f = g_hash_table_lookup(failures, GUINT_TO_POINTER(uid));
        if (!f) {
                f = g_new0(Failures, 1);
                f->uid = uid;
                f->timeout = g_timeout_add_seconds(FAILURES_SEC, on_timeout, f);
                g_hash_table_insert(failures, GUINT_TO_POINTER(uid), f);
        }
        return ++f->n > FAILURES_MAX;
}

static bool is_denial(const GError *error)
{
        return g_error_matches(error, BPFKEEPER_ERROR, BPFKEEPER_ERROR_NOT_AUTHORIZED) ||
               g_error_matches(error, BPFKEEPER_ERROR, BPFKEEPER_ERROR_AUTHORIZATION_DISMISSED) ||
               g_error_matches(error, BPFKEEPER_ERROR, BPFKEEPER_ERROR_AUTHORIZATION_REQUIRED) ||
               g_error_matches(error, BPFKEEPER_ERROR, BPFKEEPER_ERROR_NO_AUTHORITY);
}

void audit_failed(const Request *request, const GError *error)
{
        bool denied = is_denial(error);
        g_autofree char *message = NULL;

        if (!request->known || !is_noted(request) || is_too_much(request->uid))
                return;
        message = g_strdup_printf("%s %s: %s", sd_bus_message_get_member(request->m),
                                  denied ? "denied" : "failed", error->message);
        send_entry(request, denied ? LOG_NOTICE : LOG_INFO,
                   denied ? MESSAGE_ID_DENIED : MESSAGE_ID_FAILED,
                   error->domain == BPFKEEPER_ERROR ? bus_error_name((BpfkeeperError)error->code)
                                                    : bus_error_name(BPFKEEPER_ERROR_FAILED),
                   sd_bus_message_get_path(request->m), message);
}
