/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* CheckAuthorization(): what polkit would say, and which grants have to do with it. */

#include <string.h>

#include "errors.h"
#include "grant-store.h"
#include "names.h"
#include "ops.h"

typedef struct CheckOp {
        BusCheckArgs *args;
        AuthzQuestion question;
        uid_t uid;
        char action[64];
        AuthzVerdict verdict;
        char *message; /* polkit's words where it failed */
        char *user;
        GPtrArray *grants;                                      /* AuthzGrant */
        GPtrArray *covering, *elsewhere, *not_signed, *expired; /* ids, with a NULL at the end */
        char *error;
} CheckOp;

static void check_op_free(void *p)
{
        CheckOp *op = p;

        bus_check_args_free(op->args);
        g_free(op->message);
        g_free(op->user);
        g_clear_pointer(&op->grants, g_ptr_array_unref);
        g_ptr_array_unref(op->covering);
        g_ptr_array_unref(op->elsewhere);
        g_ptr_array_unref(op->not_signed);
        g_ptr_array_unref(op->expired);
        g_free(op->error);
        g_free(op);
}

/*
 * 1. The question: what a load or an attachment would tell polkit, and nothing that it wouldn't; and
 * who signed the object, which can be told of no file, so that one sees what a grant's limit is.
 */

static GError *check_details(const CheckOp *op)
{
        static const char *const load[] = {"program",
                                           "n_programs",
                                           "application",
                                           "digest",
                                           "target_program",
                                           "target_program_id",
                                           "target_program_owner",
                                           "signed_by",
                                           NULL};
        static const char *const attach[] = {"program",
                                             "program_id",
                                             "owner",
                                             "application",
                                             "digest",
                                             "ifindex",
                                             "target_program_id",
                                             "target_program_owner",
                                             "signed_by",
                                             NULL};
        const KernType *type = op->question.type;
        const GPtrArray *details = op->args->details;

        for (guint i = 0; i < details->len; i += 2) {
                const char *key = details->pdata[i];
                bool known =
                        g_strv_contains(op->question.verb == AUTHZ_VERB_LOAD ? load : attach, key);

                for (int p = 0; op->question.verb == AUTHZ_VERB_ATTACH && p < _KERN_PARAM_MAX;
                     p++) {
                        g_autofree char *name = g_strdup(kern_params[p].name);

                        if (g_str_equal(key, g_strdelimit(name, "-", '_')) &&
                            ((type->required | type->optional) & KERN_PARAM_BIT(p)))
                                known = true;
                }
                if (!known)
                        return error_new(UNKNOWN_OPTION,
                                         "polkit isn't told of '%s' when %s programs are %sed.",
                                         key, type->name, authz_verb_to_string(op->question.verb));
        }
        return NULL;
}

static const char *detail(const BusCheckArgs *args, const char *key)
{
        for (guint i = 0; i < args->details->len; i += 2)
                if (g_str_equal(args->details->pdata[i], key))
                        return args->details->pdata[i + 1];
        return "";
}

static GError *read_question(CheckOp *op)
{
        const BusCheckArgs *args = op->args;
        AuthzQuestion *q = &op->question;
        char suffix[32];

        q->verb = (AuthzVerb)authz_verb_from_string(args->verb);
        if (!q->verb)
                return error_new(INVALID_ARGUMENT,
                                 "There is no verb '%s' to ask for; there are load "
                                 "and attach.",
                                 args->verb);
        q->type = kern_type_find(args->type);
        if (!q->type)
                return error_unknown_type(args->type);
        kern_type_action_suffix(q->type, suffix, sizeof(suffix));
        g_snprintf(op->action, sizeof(op->action), "org.bpfkeeper1.%s.%s", args->verb, suffix);
        /* As details are written; options of Attach() may have a hyphen. */
        for (guint i = 0; i < args->details->len; i += 2)
                g_strdelimit(args->details->pdata[i], "-", '_');
        q->interface = detail(args, "interface");
        q->cgroup = detail(args, "cgroup");
        q->signed_by = detail(args, "signed_by");
        return check_details(op);
}

/* 3. The grants, to tell why */

static void match_in_thread(void *p)
{
        g_auto(GStrv) groups = NULL;
        CheckOp *op = p;

        op->user = names_of_uid(op->uid);
        groups = names_groups_of(op->user);
        op->grants = authz_grants_read(AUTHZ_GRANTS_DIR, &op->error);
        op->question.user = op->user;
        op->question.groups = (const char *const *)groups;
        for (guint i = 0; op->grants && i < op->grants->len; i++) {
                AuthzGrant *grant = g_ptr_array_index(op->grants, i);

                switch (authz_grant_covers(grant, &op->question, g_get_real_time())) {
                case AUTHZ_COVERS:
                        g_ptr_array_add(op->covering, grant->id);
                        break;
                case AUTHZ_COVERS_ELSEWHERE:
                        g_ptr_array_add(op->elsewhere, grant->id);
                        break;
                case AUTHZ_COVERS_SIGNED:
                        g_ptr_array_add(op->not_signed, grant->id);
                        break;
                case AUTHZ_COVERED_ONCE:
                        g_ptr_array_add(op->expired, grant->id);
                        break;
                default:
                        break;
                }
        }
        op->question.groups = NULL;
        g_ptr_array_add(op->covering, NULL);
        g_ptr_array_add(op->elsewhere, NULL);
        g_ptr_array_add(op->not_signed, NULL);
        g_ptr_array_add(op->expired, NULL);
}

static void on_matched(Request *request)
{
        const CheckOp *op = request->op;

        if (!op->grants) {
                request_fail(request, error_new(FAILED, "%s.", op->error));
                return;
        }
        request_finish(
                request,
                bus_reply_check(request->m,
                                &(BusCheck){
                                        .verdict = op->verdict == AUTHZ_ALLOWED     ? "yes"
                                                   : op->verdict == AUTHZ_CHALLENGE ? "challenge"
                                                                                    : "no",
                                        .action = op->action,
                                        .user = op->user,
                                        .grants = (const char *const *)op->covering->pdata,
                                        .elsewhere = (const char *const *)op->elsewhere->pdata,
                                        .not_signed = (const char *const *)op->not_signed->pdata,
                                        .expired = (const char *const *)op->expired->pdata,
                                }));
}

/* 2. polkit, whom nobody's password is worth this */

static void on_checked(GObject *source, GAsyncResult *result, gpointer userdata)
{
        Request *request = userdata;
        CheckOp *op = request->op;

        (void)source;
        op->verdict = authz_check_finish(result, &op->message);
        switch (op->verdict) {
        case AUTHZ_ALLOWED:
        case AUTHZ_DENIED:
        case AUTHZ_CHALLENGE:
        case AUTHZ_DISMISSED:
                request_in_thread(request, match_in_thread, on_matched);
                break;
        case AUTHZ_NO_AUTHORITY:
                request_fail(request, error_new(NO_AUTHORITY, "No polkit service answers, so only "
                                                              "root may do anything."));
                break;
        case AUTHZ_CANCELLED:
                request_fail(request, error_new(CANCELLED, "The caller left the bus."));
                break;
        default:
                request_fail(request, error_new(FAILED, "polkit can't tell: %s.",
                                                op->message ?: "no reason given"));
        }
}

static void run_check(Request *request)
{
        g_autofree AuthzDetail *details = NULL;
        CheckOp *op = request->op;
        GError *error = read_question(op);
        const GPtrArray *given = op->args->details;
        guint n = 0;

        if (error) {
                request_fail(request, error);
                return;
        }
        op->uid = request->uid;
        details = g_new0(AuthzDetail, given->len / 2 + 2);
        details[n++] = (AuthzDetail){"type", op->question.type->name};
        for (guint i = 0; i < given->len; i += 2)
                details[n++] = (AuthzDetail){given->pdata[i], given->pdata[i + 1]};
        authz_check_async(request->daemon->authz, sd_bus_message_get_sender(request->m),
                          request->uid, op->action, details, false, request->cancellable,
                          on_checked, request);
}

void op_check_authorization(void *service, sd_bus_message *m, BusCheckArgs *args)
{
        CheckOp *op = g_new0(CheckOp, 1);

        op->args = args;
        op->covering = g_ptr_array_new();
        op->elsewhere = g_ptr_array_new();
        op->not_signed = g_ptr_array_new();
        op->expired = g_ptr_array_new();
        request_start(service, m, op, check_op_free, run_check);
}
