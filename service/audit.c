/* SPDX-License-Identifier: LGPL-2.1-or-later */

#define SD_JOURNAL_SUPPRESS_LOCATION
#include "audit.h"

#include <syslog.h>

#include <systemd/sd-journal.h>

#include "errors.h"

/* One for each way that a request can end, so that they can be found by MESSAGE_ID. */
#define MESSAGE_ID_DONE "964d9ba37fb94b8caec99b966a17518b"
#define MESSAGE_ID_FAILED "7e49ffc2116a407ea241ee1aba61d1b4"
#define MESSAGE_ID_DENIED "e4c3a547335844bca692e9fa47be0c9e"
#define MESSAGE_ID_MORE "2e206db5a38c44bbb663b69a19e0c111"

/* So many failures of a uid are noted in such a time. */
#define FAILURES_MAX 10
#define FAILURES_SEC 10

typedef struct Failures {
        uid_t uid;
        unsigned n;
        guint timeout;
} Failures;

static GHashTable *failures; /* uid → Failures; only those of the last seconds */

static void send_entry(const Request *request, int priority, const char *message_id,
                       const char *result, const char *object, const char *message)
{
        const char *action = request_action(request);

        (void)sd_journal_send("MESSAGE=uid %u: %s", request->uid, message, "PRIORITY=%i", priority,
                              "MESSAGE_ID=%s", message_id, "BPFKEEPER_VERB=%s",
                              sd_bus_message_get_member(request->m), "BPFKEEPER_UID=%u",
                              request->uid, "BPFKEEPER_SENDER=%s",
                              sd_bus_message_get_sender(request->m), "BPFKEEPER_RESULT=%s", result,
                              "BPFKEEPER_OBJECT=%s", object,
                              /* The last, since NULL ends the list. */
                              action ? "BPFKEEPER_ACTION=%s" : NULL, action, NULL);
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

static void failures_free(void *p)
{
        Failures *f = p;

        if (f->timeout)
                g_source_remove(f->timeout);
        if (f->n > FAILURES_MAX)
                (void)sd_journal_send("MESSAGE=uid %u: %u more failures were not noted", f->uid,
                                      f->n - FAILURES_MAX, "PRIORITY=%i", LOG_NOTICE,
                                      "MESSAGE_ID=%s", MESSAGE_ID_MORE, "BPFKEEPER_UID=%u", f->uid,
                                      NULL);
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

static bool is_noted(const Request *request)
{
        static const char *const methods[] = {"Load", "Attach", "Detach", "Unload", NULL};

        return g_strv_contains(methods, sd_bus_message_get_member(request->m));
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
