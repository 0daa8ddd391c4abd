/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <inttypes.h>

/*
 * The bytes of map keys, map values and global variables, as people write and read them: numbers of
 * 1, 2, 4 or 8 bytes are in the machine's byte order.
 */

/* Whether bytes of that size can be a number. */
bool value_is_number_size(size_t size);

/* The unsigned number in 1, 2, 4 or 8 bytes. */
uint64_t value_number(const guint8 *data, size_t size);

/* "0011aabb" */
char *value_hex(const guint8 *data, size_t size);

/* A number where the size can be one, else "00 11 aa bb". */
char *value_format(const guint8 *data, size_t size);

/*
 * A key or value of exactly @size bytes: a number (decimal or 0x…, negative ones too) where the size
 * can be one; "hex:" and bytes; or bare bytes that can't be taken for a decimal number. NULL and
 * @reterr where it is none of these.
 */
GBytes *value_parse(const char *s, size_t size, char **reterr);

/*
 * A global variable's value as Load() takes it. Only the service knows the variable's type, so that a
 * word is passed on as it is: a number, true, an enumerator or text. "{…}", "[…]" and "\"…\"" are JSON;
 * "str:…" is text, whatever it looks like; "hex:05000000" are bytes, and so is "u32:5" (u8 to u64, s8
 * to s64). Not floating.
 */
GVariant *value_parse_global(const char *s, char **reterr);

/* Bytes in hex; spaces and colons between them are skipped. */
GBytes *value_parse_hex(const char *s, char **reterr);
