/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <inttypes.h>

/* Words and numbers as people and scripts read them. Strings returned are the caller's. */

/*
 * @s with control characters, invalid UTF-8 and characters that reorder text written as \x1b or
 * \u202e: names and metadata are other people's, and a terminal obeys what it is sent. With
 * @multiline, newlines and tabs stay.
 */
char *text_escape(const char *s, bool multiline);

/* Whether a character is one that text_escape() escapes. */
bool text_is_unsafe(gunichar c);

/* "RunTimeNSec" → "run_time_nsec" */
char *text_snake(const char *property);

/* "4.0K" */
char *text_size(uint64_t bytes);

/* "5min ago", "2 days ago"; "n/a" for 0. Both in microseconds of CLOCK_REALTIME. */
char *text_ago(uint64_t when, uint64_t now);

/* "Sat 2026-11-21 03:04:46 UTC"; "n/a" for 0 */
char *text_time(uint64_t when);

/* "1.5ms" */
char *text_duration(uint64_t nsec);

/* The user's name, or the number where nobody has that uid. */
char *text_user(uint32_t uid);

/* Columns that @s takes on a terminal. */
size_t text_width(const char *s);

/* A number in decimal or 0x…, nothing around it, at most @max. */
bool text_parse_unsigned(const char *s, uint64_t max, uint64_t *ret);

/* The same with a sign. */
bool text_parse_signed(const char *s, int64_t min, int64_t max, int64_t *ret);
