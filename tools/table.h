/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <inttypes.h>

/* An aligned table as systemctl prints it. Cells are escaped here, since what is in them may be
 * other people's. */

typedef struct Table Table;

/* Column titles, the last one NULL; a title that begins with '>' is of a column of numbers. */
Table *table_new(const char *title, ...) G_GNUC_NULL_TERMINATED;
void table_free(Table *table);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Table, table_free)

/* Adds the next cell, row by row. NULL and "" are shown as "-". */
void table_add(Table *table, const char *cell);
void table_add_take(Table *table, char *cell);
void table_add_number(Table *table, uint64_t number);

/* How many rows there are. */
size_t table_rows(const Table *table);

/* Drops a column by its title, where it says nothing in this list. */
void table_hide(Table *table, const char *title);

/* Writes the table; @header with its titles, @colour with these underlined. */
void table_append(const Table *table, GString *out, bool header, bool colour);
