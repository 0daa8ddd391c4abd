/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "authz.h"

#include <polkit/polkit.h>

/*
 * libpolkit-gobject talks over GDBus. Its connection to the bus, and the thread that comes with it,
 * are made at the first check of somebody else than root. Checks that come before it stands wait
 * in Authz.checks; a check whose caller goes away ends at once, whatever it waits for.
 *
 * A failure to connect is answered, but never remembered: the next check tries again.
 */
struct Authz {
        unsigned n_refs; /* the owner's, one for each check and one for a connection being made */
        GDBusConnection *bus;
        PolkitAuthority *authority;
        bool connecting;
        GQueue checks; /* of GTask: all that have no answer yet */
};

typedef struct Check {
        Authz *authz;
        GList link; /* in authz->checks, until there is an answer */
        PolkitSubject *subject;
        char *action_id;
        PolkitDetails *details;
        PolkitCheckAuthorizationFlags flags;
        GCancellable *question; /* closes the dialog; NULL where none can be */
        GSource *cancel_source;
        GSource *close_source; /* cancels the question, if polkit doesn't by itself */
        bool asked;
        bool asked_again;
        AuthzVerdict failure; /* while the bus is asked whether the caller is still there */
        char *message;        /* for AUTHZ_FAILED */
} Check;

/* How long polkit has to see by itself that a caller left, and to close the dialog. */
#define CLOSE_DELAY_MS 500

/*
 * When polkitd has gone, systemd has to know of it before it can start it again: who asks the bus
 * at once has it wait for a service that "runs", until its own time limit.
 */
#define ASK_AGAIN_DELAY_MS 200

static void ask_soon(GTask *task);

/*
 * PolkitAuthority connects its proxy's signals without a care for its own end: one that GDBus has
 * queued already would find it freed. So it lives as long as its connection.
 */
static PolkitAuthority *kept_authority;

static Authz *authz_ref(Authz *authz)
{
        authz->n_refs++;
        return authz;
}

static void authz_unref(Authz *authz)
{
        if (--authz->n_refs > 0)
                return;
        if (authz->bus)
                g_signal_handlers_disconnect_by_data(authz->bus, authz);
        g_clear_object(&authz->authority);
        g_clear_object(&authz->bus);
        g_free(authz);
}

/* Takes the check off what it waits for. Who calls this has a reference to the task. */
static void check_settle(Check *check)
{
        if (check->cancel_source) {
                g_source_destroy(check->cancel_source);
                g_clear_pointer(&check->cancel_source, g_source_unref);
        }
        if (check->link.data) {
                g_queue_unlink(&check->authz->checks, &check->link);
                g_clear_object(&check->link.data);
        }
}

static void check_keep_question(Check *check)
{
        if (!check->close_source)
                return;
        g_source_destroy(check->close_source);
        g_clear_pointer(&check->close_source, g_source_unref);
}

static void check_free(gpointer p)
{
        Check *check = p;

        check_keep_question(check);
        g_clear_object(&check->subject);
        g_clear_object(&check->details);
        g_clear_object(&check->question);
        g_free(check->action_id);
        g_free(check->message);
        authz_unref(check->authz);
        g_free(check);
}

static bool check_is_answered(const Check *check)
{
        return !check->link.data;
}

/* Gives the check its verdict. What polkit still says about it is of no interest any more. */
static void answer(GTask *task, AuthzVerdict verdict)
{
        check_settle(g_task_get_task_data(task));
        /* An answer that crossed the caller's leaving must not let the request go on. */
        if (g_cancellable_is_cancelled(g_task_get_cancellable(task)))
                verdict = AUTHZ_CANCELLED;
        g_task_return_int(task, (gssize)verdict);
}

static gboolean on_close_delay(gpointer question)
{
        g_cancellable_cancel(question);
        return G_SOURCE_REMOVE;
}

/*
 * polkit too sees callers leave. A cancellation that comes when it has ended the check is an error
 * which libpolkit logs, as often as a caller likes.
 */
static void close_soon(Check *check, GMainContext *context)
{
        if (!check->question || !check->asked)
                return;
        check->close_source = g_timeout_source_new(CLOSE_DELAY_MS);
        g_source_set_callback(check->close_source, on_close_delay, g_object_ref(check->question),
                              g_object_unref);
        g_source_attach(check->close_source, context);
}

/*
 * The checks that have no answer yet. A copy with references: answering one runs the caller's code,
 * which may start or end others, or free the Authz.
 */
static GPtrArray *list_checks(Authz *authz)
{
        GPtrArray *tasks = g_ptr_array_new_with_free_func(g_object_unref);

        for (GList *l = authz->checks.head; l; l = l->next)
                g_ptr_array_add(tasks, g_object_ref(l->data));
        return tasks;
}

static bool is_any(const Check *check)
{
        (void)check;
        return true;
}

static bool waits_for_connection(const Check *check)
{
        return !check->asked;
}

static bool may_have_dialog(const Check *check)
{
        return check->question != NULL;
}

/* Ends those of the checks. */
static void answer_all(Authz *authz, bool (*which)(const Check *check), AuthzVerdict verdict)
{
        g_autoptr(GPtrArray) tasks = list_checks(authz);

        for (guint i = 0; i < tasks->len; i++) {
                Check *check = g_task_get_task_data(tasks->pdata[i]);

                if (check_is_answered(check) || !which(check))
                        continue;
                if (verdict == AUTHZ_CANCELLED && check->question)
                        g_cancellable_cancel(check->question);
                answer(tasks->pdata[i], verdict);
        }
}

/* What says that there is nobody to ask, rather than that the answer is bad. */
static bool error_is_absence(const GError *error)
{
        static const int dbus_codes[] = {
                G_DBUS_ERROR_SERVICE_UNKNOWN,
                G_DBUS_ERROR_NAME_HAS_NO_OWNER,
                G_DBUS_ERROR_NO_SERVER,
                G_DBUS_ERROR_NO_NETWORK,
                G_DBUS_ERROR_DISCONNECTED,
                G_DBUS_ERROR_TIMEOUT,
                G_DBUS_ERROR_TIMED_OUT,
                G_DBUS_ERROR_SPAWN_EXEC_FAILED,
                G_DBUS_ERROR_SPAWN_FORK_FAILED,
                G_DBUS_ERROR_SPAWN_CHILD_EXITED,
                G_DBUS_ERROR_SPAWN_CHILD_SIGNALED,
                G_DBUS_ERROR_SPAWN_FAILED,
                G_DBUS_ERROR_SPAWN_SETUP_FAILED,
                G_DBUS_ERROR_SPAWN_CONFIG_INVALID,
                G_DBUS_ERROR_SPAWN_SERVICE_INVALID,
                G_DBUS_ERROR_SPAWN_SERVICE_NOT_FOUND,
                G_DBUS_ERROR_SPAWN_PERMISSIONS_INVALID,
                G_DBUS_ERROR_SPAWN_FILE_INVALID,
                G_DBUS_ERROR_SPAWN_NO_MEMORY,
        };
        g_autofree char *name = NULL;

        for (size_t i = 0; i < G_N_ELEMENTS(dbus_codes); i++)
                if (g_error_matches(error, G_DBUS_ERROR, dbus_codes[i]))
                        return true;
        if (g_error_matches(error, G_IO_ERROR, G_IO_ERROR_CLOSED))
                return true;
        /* A masked or broken polkit.service comes as an error of systemd, which activates it. */
        name = g_dbus_error_get_remote_error(error);
        return name && g_str_has_prefix(name, "org.freedesktop.systemd1.");
}

/* Whether polkitd went away below a question, or had gone before GDBus knew of it. */
static bool error_is_restart(const GError *error)
{
        return g_error_matches(error, G_DBUS_ERROR, G_DBUS_ERROR_NO_REPLY) ||
               g_error_matches(error, G_DBUS_ERROR, G_DBUS_ERROR_SERVICE_UNKNOWN) ||
               g_error_matches(error, G_DBUS_ERROR, G_DBUS_ERROR_NAME_HAS_NO_OWNER);
}

static void on_has_owner(GObject *source, GAsyncResult *result, gpointer userdata)
{
        g_autoptr(GTask) task = userdata;
        Check *check = g_task_get_task_data(task);
        g_autoptr(GVariant) reply = NULL;
        gboolean has_owner = TRUE;

        if (check_is_answered(check))
                return;
        reply = g_dbus_connection_call_finish(G_DBUS_CONNECTION(source), result, NULL);
        if (reply)
                g_variant_get(reply, "(b)", &has_owner);
        answer(task, has_owner ? check->failure : AUTHZ_CANCELLED);
}

static void answer_error(GTask *task, GError *error)
{
        Check *check = g_task_get_task_data(task);

        if (g_error_matches(error, G_IO_ERROR, G_IO_ERROR_CANCELLED) ||
            g_error_matches(error, POLKIT_ERROR, POLKIT_ERROR_CANCELLED)) {
                answer(task, AUTHZ_CANCELLED);
                return;
        }
        if (!check->asked_again && error_is_restart(error)) {
                check->asked_again = true;
                ask_soon(task);
                return;
        }
        check->failure = error_is_absence(error) ? AUTHZ_NO_AUTHORITY : AUTHZ_FAILED;
        g_dbus_error_strip_remote_error(error);
        check->message = g_strdup(error->message);
        if (!check->authz->bus) {
                answer(task, check->failure);
                return;
        }

        /*
         * polkit has no error of its own for a subject that left the bus. It hands on what the bus
         * told it, NameHasNoOwner, which is also what there is to hear when polkit itself isn't
         * there. So ask which of the two.
         */
        g_dbus_connection_call(check->authz->bus, "org.freedesktop.DBus", "/org/freedesktop/DBus",
                               "org.freedesktop.DBus", "NameHasOwner",
                               g_variant_new("(s)",
                                             polkit_system_bus_name_get_name(
                                                     POLKIT_SYSTEM_BUS_NAME(check->subject))),
                               G_VARIANT_TYPE("(b)"), G_DBUS_CALL_FLAGS_NONE, -1, NULL,
                               on_has_owner, g_object_ref(task));
}

static void on_checked(GObject *source, GAsyncResult *res, gpointer userdata)
{
        g_autoptr(GTask) task = userdata;
        g_autoptr(PolkitAuthorizationResult) result = NULL;
        g_autoptr(GError) error = NULL;

        check_keep_question(g_task_get_task_data(task));
        result = polkit_authority_check_authorization_finish(POLKIT_AUTHORITY(source), res, &error);
        if (check_is_answered(g_task_get_task_data(task)))
                return;
        if (!result)
                answer_error(task, error);
        else if (polkit_authorization_result_get_is_authorized(result))
                answer(task, AUTHZ_ALLOWED);
        else if (polkit_authorization_result_get_dismissed(result))
                answer(task, AUTHZ_DISMISSED);
        else if (polkit_authorization_result_get_is_challenge(result))
                answer(task, AUTHZ_CHALLENGE);
        else
                answer(task, AUTHZ_DENIED);
}

static void ask(GTask *task)
{
        Check *check = g_task_get_task_data(task);

        check->asked = true;
        polkit_authority_check_authorization(check->authz->authority, check->subject,
                                             check->action_id, check->details, check->flags,
                                             check->question, on_checked, g_object_ref(task));
}

static void on_authority(GObject *source, GAsyncResult *result, gpointer userdata)
{
        Authz *authz = userdata;

        (void)source;
        authz->connecting = false;
        authz->authority = polkit_authority_get_finish(result, NULL);
        if (!authz->bus) /* closed meanwhile */
                g_clear_object(&authz->authority);
        if (authz->authority) {
                g_set_object(&kept_authority, authz->authority);
                for (GList *l = authz->checks.head; l; l = l->next) {
                        Check *check = g_task_get_task_data(G_TASK(l->data));

                        if (!check->asked)
                                ask(l->data);
                }
        } else {
                answer_all(authz, waits_for_connection, AUTHZ_NO_AUTHORITY);
        }
        authz_unref(authz);
}

/* GDBus queues this behind the last signal, so the authority can go. */
static void on_closed(GDBusConnection *bus, gboolean vanished, GError *error, gpointer userdata)
{
        Authz *authz = userdata;

        (void)vanished;
        (void)error;
        g_signal_handlers_disconnect_by_data(bus, authz);
        g_clear_object(&kept_authority);
        g_clear_object(&authz->authority);
        g_clear_object(&authz->bus);
}

static void on_bus(GObject *source, GAsyncResult *result, gpointer userdata)
{
        Authz *authz = userdata;

        (void)source;
        authz->bus = g_bus_get_finish(result, NULL);
        if (!authz->bus) {
                authz->connecting = false;
                answer_all(authz, waits_for_connection, AUTHZ_NO_AUTHORITY);
                authz_unref(authz);
                return;
        }
        /* GDBus would end the process with SIGTERM when the bus goes away. That is for the daemon
         * to decide, which has a connection of its own. */
        g_dbus_connection_set_exit_on_close(authz->bus, FALSE);
        g_signal_connect(authz->bus, "closed", G_CALLBACK(on_closed), authz);
        polkit_authority_get_async(NULL, on_authority, authz);
}

/* Makes the connection, unless it is there or on its way. */
static void connect_authority(Authz *authz)
{
        if (authz->connecting)
                return;
        authz->connecting = true;
        g_bus_get(G_BUS_TYPE_SYSTEM, NULL, on_bus, authz_ref(authz));
}

/* Asks, or waits for the connection to ask on. */
static void put_question(GTask *task)
{
        Check *check = g_task_get_task_data(task);
        Authz *authz = check->authz;

        if (authz->authority) {
                ask(task);
                return;
        }
        check->asked = false;
        connect_authority(authz);
}

static gboolean on_ask_delay(gpointer userdata)
{
        GTask *task = userdata;

        if (!check_is_answered(g_task_get_task_data(task)))
                put_question(task);
        return G_SOURCE_REMOVE;
}

static void ask_soon(GTask *task)
{
        g_autoptr(GSource) source = g_timeout_source_new(ASK_AGAIN_DELAY_MS);

        g_source_set_callback(source, on_ask_delay, g_object_ref(task), g_object_unref);
        g_source_attach(source, g_task_get_context(task));
}

static gboolean on_cancelled(GCancellable *cancellable, gpointer userdata)
{
        g_autoptr(GTask) task = g_object_ref(G_TASK(userdata));

        (void)cancellable;
        close_soon(g_task_get_task_data(task), g_task_get_context(task));
        answer(task, AUTHZ_CANCELLED);
        return G_SOURCE_REMOVE;
}

/*
 * Values come from callers and end up in a dialog that asks for an administrator's password, and in
 * rules: what isn't UTF-8 would not pass D-Bus, and what isn't printable (line breaks, marks that
 * change the direction of writing) could make the dialog say something else.
 */
static char *printable(const char *value)
{
        GString *s = g_string_new(NULL);

        for (const char *p = value; *p;) {
                gunichar c = g_utf8_get_char_validated(p, -1);

                if (c == (gunichar)-1 || c == (gunichar)-2) {
                        g_string_append_printf(s, "\\x%02x", (unsigned char)*p++);
                        continue;
                }
                if (g_unichar_isprint(c) && g_unichar_type(c) != G_UNICODE_LINE_SEPARATOR &&
                    g_unichar_type(c) != G_UNICODE_PARAGRAPH_SEPARATOR)
                        g_string_append_unichar(s, c);
                else if (c < 0x80)
                        g_string_append_printf(s, "\\x%02x", c);
                else
                        g_string_append_printf(s, "\\u%04x", c);
                p = g_utf8_next_char(p);
        }
        return g_string_free(s, FALSE);
}

Authz *authz_new(void)
{
        Authz *authz = g_new0(Authz, 1);

        authz->n_refs = 1;
        g_queue_init(&authz->checks);
        return authz;
}

void authz_free(Authz *authz)
{
        if (!authz)
                return;
        answer_all(authz, is_any, AUTHZ_CANCELLED);
        authz_unref(authz);
}

void authz_close_dialogs(Authz *authz)
{
        answer_all(authz, may_have_dialog, AUTHZ_CANCELLED);
}

void authz_check_async(Authz *authz, const char *sender, uid_t uid, const char *action_id,
                       const AuthzDetail *details, bool interactive, GCancellable *cancellable,
                       GAsyncReadyCallback callback, gpointer userdata)
{
        g_autoptr(GTask) task = g_task_new(NULL, cancellable, callback, userdata);
        Check *check = g_new0(Check, 1);

        check->authz = authz_ref(authz);
        g_task_set_source_tag(task, authz_check_async);
        g_task_set_check_cancellable(task, FALSE);
        g_task_set_task_data(task, check, check_free);

        if (uid == 0 || g_cancellable_is_cancelled(cancellable)) {
                answer(task, AUTHZ_ALLOWED);
                return;
        }
        if (!g_dbus_is_unique_name(sender)) {
                check->message = g_strdup("The caller has no unique name on the bus");
                answer(task, AUTHZ_FAILED);
                return;
        }

        check->subject = polkit_system_bus_name_new(sender);
        check->action_id = g_strdup(action_id);
        check->details = polkit_details_new();
        for (const AuthzDetail *d = details; d && d->key; d++) {
                g_autofree char *value = printable(d->value ? d->value : "");

                polkit_details_insert(check->details, d->key, value);
        }
        if (interactive) {
                check->flags = POLKIT_CHECK_AUTHORIZATION_FLAGS_ALLOW_USER_INTERACTION;
                check->question = g_cancellable_new();
        }
        if (cancellable) {
                check->cancel_source = g_cancellable_source_new(cancellable);
                g_source_set_callback(check->cancel_source, G_SOURCE_FUNC(on_cancelled), task,
                                      NULL);
                g_source_attach(check->cancel_source, g_task_get_context(task));
        }

        check->link.data = g_object_ref(task);
        g_queue_push_tail_link(&authz->checks, &check->link);
        put_question(task);
}

AuthzVerdict authz_check_finish(GAsyncResult *result, char **reterr_message)
{
        Check *check = g_task_get_task_data(G_TASK(result));
        AuthzVerdict verdict = (AuthzVerdict)g_task_propagate_int(G_TASK(result), NULL);

        if (verdict == AUTHZ_FAILED && reterr_message)
                *reterr_message = g_steal_pointer(&check->message);
        return verdict;
}
