/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fuzz.h"

#include <glib.h>
#include <string.h>

#include "grant.h"

/*
 * Files of grants: what is read as one can be written and read again and means the same; what is
 * broken covers nobody. The first byte parts off what a caller says.
 */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        g_autoptr(AuthzGrant) grant = NULL, back = NULL;
        g_autofree char *text = NULL, *where = NULL, *description = NULL;
        static const char *const groups[] = {"tracing", NULL};
        AuthzQuestion question = {.user = "alice", .groups = groups};
        size_t n;

        if (size == 0)
                return 0;
        n = MIN((size_t)data[0], size - 1);
        where = g_strndup((const char *)data + 1, n);
        question.interface = question.cgroup = question.signed_by = where;
        grant = authz_grant_parse("id", (const char *)data + 1 + n, size - 1 - n);
        for (const KernType *type = kern_types; type->name; type++) {
                AuthzCoverage load, attach;

                question.type = type;
                question.verb = AUTHZ_VERB_LOAD;
                load = authz_grant_covers(grant, &question, 0);
                question.verb = AUTHZ_VERB_ATTACH;
                attach = authz_grant_covers(grant, &question, 0);
                must(!grant->error || (load == AUTHZ_COVERS_NOT && attach == AUTHZ_COVERS_NOT));
                must(load == AUTHZ_COVERS_NOT || (grant->verbs & AUTHZ_VERB_LOAD));
                must(attach == AUTHZ_COVERS_NOT || (grant->verbs & AUTHZ_VERB_ATTACH));
        }
        if (grant->error) {
                must(!grant->user && !grant->group && g_utf8_validate(grant->error, -1, NULL));
                return 0;
        }
        must(!grant->user != !grant->group);
        description = authz_grant_describe(grant);
        text = authz_grant_format(grant);
        back = authz_grant_parse("id", text, strlen(text));
        must(!back->error && authz_grant_equal(grant, back));
        return 0;
}
