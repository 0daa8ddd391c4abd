/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include <gio/gio.h>

/*
 * Asking polkit, asynchronously, whether the owner of a bus name may do something. No call here
 * blocks; the connection to polkit is made at the first check that needs it.
 */

typedef struct Authz Authz;

typedef enum AuthzVerdict {
        AUTHZ_ALLOWED,
        AUTHZ_DENIED,
        AUTHZ_DISMISSED,    /* the user closed the dialog */
        AUTHZ_CHALLENGE,    /* would be allowed after authentication, but interaction isn't, or no
                               * agent is there */
        AUTHZ_NO_AUTHORITY, /* no polkit service answers */
        AUTHZ_CANCELLED,    /* by the cancellable or authz_close_dialogs(), or the subject left */
        AUTHZ_FAILED,       /* polkit answered with an error; an unknown action, for one */
} AuthzVerdict;

Authz *authz_new(void);
void authz_free(Authz *authz);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Authz, authz_free)

/* One fact for the administrator's rules and the dialog's text: key and value, both borrowed. */
typedef struct AuthzDetail {
        const char *key;
        const char *value;
} AuthzDetail;

/*
 * Starts a check. @sender is the caller's unique name, the only subject there is: a pid can be
 * reused. @uid is the uid that the bus knows for that name. uid 0 is allowed without a question, as
 * polkit itself does (polkit(8)), so that root can act in early boot and no process is started for
 * it; that answer too comes by way of the main loop, never from within this call.
 *
 * @details ends with a NULL key and is copied. @interactive lets polkit ask the user through an
 * agent. When @cancellable is cancelled, polkit's check is cancelled too and its dialog closes.
 */
void authz_check_async(Authz *authz, const char *sender, uid_t uid, const char *action_id,
                       const AuthzDetail *details, bool interactive, GCancellable *cancellable,
                       GAsyncReadyCallback callback, gpointer userdata);

/*
 * Ends the checks that may be waiting for somebody at a dialog, with AUTHZ_CANCELLED; the dialogs
 * close. What polkit answers by itself goes on.
 */
void authz_close_dialogs(Authz *authz);

/* The verdict; for AUTHZ_FAILED, @reterr_message (transfer full, may be NULL) has polkit's words. */
AuthzVerdict authz_check_finish(GAsyncResult *result, char **reterr_message);
