/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * bpfkeeper-grants: polkit's rule starts this to know whether a grant covers what is asked. It runs
 * as polkitd's user, and polkitd waits for it meanwhile. Its words are the caller's: they stay
 * arguments, and are compared and nothing else.
 *
 * It prints "yes" or "no". Whatever else it does, ending early or saying why on stderr, is no yes.
 */

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "grant-store.h"

/* polkitd answers nobody else in this time. */
#define TIME_LIMIT_SEC 2

/* What is in the arguments, by place; the groups come last. */
enum { ARG_ACTION = 1, ARG_USER, ARG_INTERFACE, ARG_CGROUP, ARG_SIGNED_BY, ARG_GROUPS };

int main(int argc, char **argv)
{
        g_autoptr(GPtrArray) grants = NULL;
        gint64 now = g_get_real_time();
        g_autofree char *error = NULL;
        AuthzQuestion question;
        bool covered = false;

        (void)alarm(TIME_LIMIT_SEC);
        if (argc < ARG_GROUPS) {
                fprintf(stderr, "Usage: bpfkeeper-grants ACTION USER INTERFACE CGROUP SIGNED-BY "
                                "[GROUP]...\n");
                return EXIT_FAILURE;
        }
        question = (AuthzQuestion){
                .user = argv[ARG_USER],
                .interface = argv[ARG_INTERFACE],
                .cgroup = argv[ARG_CGROUP],
                .signed_by = argv[ARG_SIGNED_BY],
                .groups = (const char *const *)argv + ARG_GROUPS,
        };
        if (authz_action_parse(argv[ARG_ACTION], &question.verb, &question.type)) {
                grants = authz_grants_read(AUTHZ_GRANTS_DIR, &error);
                if (!grants) {
                        fprintf(stderr, "%s\n", error);
                        return EXIT_FAILURE;
                }
                for (guint i = 0; i < grants->len && !covered; i++)
                        covered = authz_grant_covers(g_ptr_array_index(grants, i), &question,
                                                     now) == AUTHZ_COVERS;
        }
        puts(covered ? "yes" : "no");
        return fflush(stdout) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
