/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "ctl.h"

/*
 * The object path of a program, map or link as people name it: a kernel id (a link's own), an object
 * path or, but for links, a name that only one of them has; a map also as PROGRAM:MAP, by its name in that
 * program's object. Says what is wrong where it isn't CTL_OK.
 */
CtlExit resolve(Ctl *ctl, BusKind kind, const char *name, char **ret_path);

/* resolve() where "map:7" and "link:3" may stand beside programs; @ret_kind is what it is. */
CtlExit resolve_any(Ctl *ctl, const char *name, BusKind *ret_kind, char **ret_path);

/* "program", "map", "link" */
const char *resolve_kind_name(BusKind kind);

/* The kind of an object path of ours, and its id. */
bool resolve_path(const char *path, BusKind *ret_kind, uint32_t *ret_id);

/* Properties by name, with "", 0 or false where there is none of that type. */
const char *resolve_string(GVariant *properties, const char *name);
uint64_t resolve_number(GVariant *properties, const char *name);
