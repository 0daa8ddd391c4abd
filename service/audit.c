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

        if (!is_noted(request))
                return;
        message = g_strdup_printf("%s %s: %s", sd_bus_message_get_member(request->m),
                                  denied ? "denied" : "failed", error->message);
        send_entry(request, denied ? LOG_NOTICE : LOG_INFO,
                   denied ? MESSAGE_ID_DENIED : MESSAGE_ID_FAILED,
                   error->domain == BPFKEEPER_ERROR ? bus_error_name((BpfkeeperError)error->code)
                                                    : bus_error_name(BPFKEEPER_ERROR_FAILED),
                   sd_bus_message_get_path(request->m), message);
}
