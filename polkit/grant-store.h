/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "grant.h"

/* Grants as files of a directory. These functions block, as files do. */

/* More of them than this aren't written; each is read at every question to polkit. */
#define AUTHZ_GRANTS_MAX 1000

/*
 * All grants in @directory (AuthzGrant), by id. What is wrong with a file stands in its grant's error;
 * files without the suffix, and hidden ones, aren't looked at. NULL and @reterr where the directory
 * can't be read, or where others than its owner could have written to it; one that isn't there is an
 * empty one.
 */
GPtrArray *authz_grants_read(const char *directory, char **reterr);

/* The one with that id, or NULL where there is none. */
AuthzGrant *authz_grants_find(GPtrArray *grants, const char *id);

/*
 * Writes a new file, whose name is made from what is granted, and sets @grant's id. A negative errno
 * where that failed: then there is none.
 */
int authz_grants_add(const char *directory, AuthzGrant *grant);

/* Removes a file; -ENOENT where there is none. */
int authz_grants_remove(const char *directory, const char *id);
