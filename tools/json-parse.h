/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/*
 * JSON (RFC 8259) as a D-Bus value: objects are a{sv}, arrays av, integers x or, above that, t, other
 * numbers d. Strict, since what is read becomes memory of a kernel program: integers that 64 bits don't
 * hold, names given twice, null and "\u0000", which nothing on the bus can be, are errors, as are more
 * than JSON_DEPTH_MAX objects and arrays in each other. NULL and @reterr where it is none. The value
 * isn't floating.
 */
#define JSON_DEPTH_MAX 16

GVariant *json_parse(const char *text, char **reterr);
