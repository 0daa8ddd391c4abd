/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "request.h"

#include <fcntl.h>
#include <unistd.h>

#include "audit.h"
#include "errors.h"
#include "grant.h"

static void on_vanished(void *userdata)
{
        Request *request = userdata;

        request->peer = NULL;
        g_cancellable_cancel(request->cancellable);
}

/* The one place where a request ends: charge, watch, operation and message are released. */
void request_done(Request *request)
{
        Daemon *daemon = request->daemon;

        if (request->peer)
                peer_unwatch(request->peer, request);
        if (request->charged)
                quota_release(daemon->quota, request->uid, CHARGE_REQUESTS, 1);
        if (request->op_free)
                request->op_free(request->op);
        g_object_unref(request->cancellable);
        sd_bus_message_unref(request->m);
        caller_unref(request->caller);
        g_clear_pointer(&request->facts, g_ptr_array_unref);
        g_free(request->action);
        g_free(request);
        daemon_release(daemon);
}

GError *no_such_object(BusKind kind, uint32_t id)
{
        static const char *const names[_BUS_KIND_MAX] = {
                [BUS_PROGRAM] = "program",
                [BUS_MAP] = "map",
                [BUS_LINK] = "link",
        };

        return error_new(NO_SUCH_OBJECT, "There is no %s with the id %u.", names[kind], id);
}

void request_fail(Request *request, GError *error)
{
        audit_failed(request, error);
        (void)bus_reply_gerror(request->m, error);
        g_error_free(error);
        request_done(request);
}

void request_finish(Request *request, int r)
{
        if (r < 0)
                request_fail(request, error_from_errno(r, "answer"));
        else
                request_done(request);
}

static void on_peer(Peer *peer, void *userdata)
{
        Request *request = userdata;
        GError *error = NULL;

        if (!peer) {
                request_fail(request, error_new(CANCELLED, "The caller left the bus."));
                return;
        }
        request->peer = peer;
        request->uid = peer->uid;
        request->known = true;
        request->caller = peer->caller ? caller_ref(peer->caller) : NULL;
        audit_begin(request);
        peer_watch(peer, on_vanished, request);
        if (!quota_charge(request->daemon->quota, peer->uid, CHARGE_REQUESTS, 1, &error)) {
                request_fail(request, error);
                return;
        }
        request->charged = true;
        request->run(request);
}

void request_start(Daemon *daemon, sd_bus_message *m, void *op, GDestroyNotify op_free,
                   void (*run)(Request *request))
{
        Request *request = g_new0(Request, 1);

        daemon_hold(daemon);
        request->daemon = daemon;
        request->m = sd_bus_message_ref(m);
        request->op = op;
        request->op_free = op_free;
        request->run = run;
        request->cancellable = g_cancellable_new();
        peer_get(g_hash_table_lookup(daemon->peers, sd_bus_message_get_bus(m)),
                 sd_bus_message_get_sender(m), on_peer, request);
}

static bool is_interactive(const Request *request)
{
        return sd_bus_message_get_allow_interactive_authorization(request->m) > 0;
}

static bool is_grantable(const char *action)
{
        const KernType *type;
        AuthzVerb verb;

        return authz_action_parse(action, &verb, &type);
}

static GError *verdict_error(const Request *request, AuthzVerdict verdict, const char *message)
{
        switch (verdict) {
        case AUTHZ_DENIED:
                /* polkit doesn't tell a rule's "no" from a wrong password. */
                return error_new(NOT_AUTHORIZED,
                                 is_interactive(request)
                                         ? "polkit doesn't let uid %u do this, or authentication "
                                           "failed (action %s)."
                                         : "polkit doesn't let uid %u do this (action %s).",
                                 request->uid, request->action);
        case AUTHZ_DISMISSED:
                return error_new(AUTHORIZATION_DISMISSED,
                                 "The password dialog was dismissed (action %s).", request->action);
        case AUTHZ_CHALLENGE:
                return error_new(
                        AUTHORIZATION_REQUIRED,
                        "polkit wants authentication (action %s), but %s, be root, or have "
                        "an administrator allow it by %s.",
                        request->action,
                        is_interactive(request)
                                ? "the caller has no authentication agent to ask: use a "
                                  "terminal or a desktop session"
                                : "the call doesn't let it ask: allow for interactive "
                                  "authorization",
                        is_grantable(request->action) ? "a grant (bpfctl grant) or a polkit rule"
                                                      : "a polkit rule");
        case AUTHZ_NO_AUTHORITY:
                return error_new(NO_AUTHORITY,
                                 "No polkit service answers, so only root may do this (action %s).",
                                 request->action);
        case AUTHZ_CANCELLED:
                if (request->daemon->leaving && !request_is_cancelled(request))
                        return error_new(CANCELLED, "The service is going down; call again.");
                return error_new(CANCELLED, "The caller left the bus.");
        default:
                return error_new(FAILED, "polkit can't tell about action %s: %s.", request->action,
                                 message ?: "no reason given");
        }
}

static const char *const verdict_words[] = {
        [AUTHZ_ALLOWED] = "allowed",
        [AUTHZ_DENIED] = "denied",
        [AUTHZ_DISMISSED] = "dismissed",
        [AUTHZ_CHALLENGE] = "challenge",
        [AUTHZ_NO_AUTHORITY] = "no-authority",
        [AUTHZ_CANCELLED] = "cancelled",
        [AUTHZ_FAILED] = "failed",
};

static void on_checked(GObject *source, GAsyncResult *result, gpointer userdata)
{
        Request *request = userdata;
        g_autofree char *message = NULL;
        AuthzVerdict verdict;

        (void)source;
        verdict = authz_check_finish(result, &message);
        request->verdict = request->uid == 0 ? "root" : verdict_words[verdict];
        if (verdict != AUTHZ_ALLOWED) {
                request_fail(request, verdict_error(request, verdict, message));
                return;
        }
        request->allowed(request);
}

void request_authorize(Request *request, const char *action, const AuthzDetail *details,
                       void (*allowed)(Request *request))
{
        g_free(request->action);
        request->action = g_strdup(action);
        audit_details(request, details);
        request->allowed = allowed;
        authz_check_async(request->daemon->authz, sd_bus_message_get_sender(request->m),
                          request->uid, action, details, is_interactive(request),
                          request->cancellable, on_checked, request);
}

static void work_in_thread(GTask *task, gpointer source, gpointer userdata,
                           GCancellable *cancellable)
{
        Request *request = userdata;

        (void)source, (void)cancellable;
        request->work(request->op);
        g_task_return_boolean(task, TRUE);
}

static void on_worked(GObject *source, GAsyncResult *result, gpointer userdata)
{
        Request *request = userdata;

        (void)source, (void)result;
        request->worked(request);
}

void request_in_thread(Request *request, void (*work)(void *op), void (*done)(Request *request))
{
        g_autoptr(GTask) task = g_task_new(NULL, NULL, on_worked, request);

        request->work = work;
        request->worked = done;
        g_task_set_source_tag(task, request_in_thread);
        g_task_set_task_data(task, request, NULL);
        g_task_run_in_thread(task, work_in_thread);
}

void request_authorize_others(Request *request, const char *action, const Belonging *object,
                              void (*allowed)(Request *request))
{
        char id[16], owner[16];

        g_snprintf(id, sizeof(id), "%u", object->id);
        g_snprintf(owner, sizeof(owner), "%u", object->owner);
        request_authorize(request, action,
                          (AuthzDetail[]){{"name", object->name},
                                          {"program", object->name},
                                          {"id", id},
                                          {"type", object->type},
                                          {"owner", owner},
                                          {}},
                          allowed);
}

void request_authorize_use(Request *request, uint32_t program_id, void (*allowed)(Request *request))
{
        const Program *program = registry_any_program(request->daemon->registry, program_id);

        if (!program)
                request_fail(request, no_such_object(BUS_PROGRAM, program_id));
        else if (program->load && program->pub.owner_uid == request->uid)
                allowed(request);
        else
                request_authorize_others(request, "org.bpfkeeper1.use-others",
                                         &(Belonging){program_id, program->pub.name,
                                                      program->pub.type, program->pub.owner_uid},
                                         allowed);
}

bool request_is_cancelled(const Request *request)
{
        return g_cancellable_is_cancelled(request->cancellable);
}

const char *request_action(const Request *request)
{
        return request->action;
}

void request_keep_log(Request *request, int fd)
{
        Peer *peer = request->peer;

        if (!peer)
                return;
        if (peer->log_fd >= 0)
                close(peer->log_fd);
        peer->log_fd = fd < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, 3);
}

int request_last_log(const Request *request)
{
        return request->peer ? request->peer->log_fd : -1;
}
