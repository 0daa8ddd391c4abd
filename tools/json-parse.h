/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/*
 * Written here since of the libraries at hand none has 64 bits and says what is wrong: json-glib 1.6
 * takes 2^63 for -2^63, json-c 0.16 takes 2^64 for 2^64 - 1, both the last of names given twice without
 * a word, and jansson 2.14 refuses what is above 2^63 - 1.
 *
 * JSON (RFC 8259) as a D-Bus value: objects are a{sv}, arrays av, integers x or, above that, t, other
 * numbers d. Strict, since what is read becomes memory of a kernel program: integers that 64 bits don't
 * hold, names given twice, null and "\u0000", which nothing on the bus can be, are errors, as are more
 * than JSON_DEPTH_MAX objects and arrays in each other. NULL and @reterr where it is none. The value
 * isn't floating.
 */
#define JSON_DEPTH_MAX 16

GVariant *json_parse(const char *text, char **reterr);
