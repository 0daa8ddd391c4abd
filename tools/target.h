/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>

/*
 * Opens what a uprobe is to go into, with the caller's own rights.
 *
 * A path is a path. A name without a slash is that of a library, as the dynamic linker finds it (by its
 * cache, of this program's architecture), or else a file in the working directory; and where @pid names
 * a process, it is the file of that name that the process has mapped, whatever its mount namespace
 * and wherever that file is; @pid_fd, unless it is -1, is a pidfd of it, which tells whether it was there
 * all along. False and @reterr where there is none.
 */
bool target_open(const char *name, const char *pid, int pid_fd, int *ret, char **reterr);

/* The path of what target_open() finds without a process, or @name where it finds nothing. */
char *target_path(const char *name);
