/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>

/*
 * JSON from GVariants. Written here and not with json-glib, whose integers end at 2^63 - 1, which
 * cookies and map values go beyond.
 */

/*
 * Dictionaries with string keys are objects, "ay" is a string of hex digits, variants are what is in
 * them. Everything that a terminal might obey is escaped. @pretty is on many lines, with @indent
 * levels before all but the first.
 */
void json_append(GString *out, GVariant *value, bool pretty, unsigned indent);

/* Adds properties to an a{sv}, their names in lower case with underscores, as JSON has them. */
void json_add_properties(GVariantBuilder *builder, GVariant *properties);

/* The same with "path" behind them; a floating a{sv}. */
GVariant *json_from_properties(const char *path, GVariant *properties);
