/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

/*
 * Users and groups as the system knows them. All of these may ask another machine, and block: not for
 * the main loop.
 */

/* The name as the system writes it of a user who is given by name or by number; NULL: there is none. */
char *names_find_user(const char *name);
char *names_find_group(const char *name);

/* The name of a uid, or the number where it has none: what polkit calls the user. */
char *names_of_uid(uid_t uid);

/* The names of all groups of a user, by the user's name; numbers where there is no name. */
char **names_groups_of(const char *user);
