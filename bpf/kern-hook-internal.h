/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "kern-attach.h"

/* What the files kern-hook*.c share: the characters that names may have, beside letters and digits. */

/* Kernel symbols: "vfs_read", "vfs_read.isra.0"; the dollar is some compilers' idea. */
#define FUNCTION_OTHERS "_.$"
#define PATTERN_MARKS "*?"
/* Those of binaries may have versions: "memcpy@GLIBC_2.2.5". */
#define SYMBOL_OTHERS FUNCTION_OTHERS "@"
/* Tracepoints become part of a path, so that no slash or leading dot may come through. */
#define TRACEPOINT_OTHERS "_-"

/* Whether the @n characters are at least one, and all of them letters, digits or @others. */
bool kern_only(const char *s, size_t n, const char *others);
