/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "table.h"

#include <stdarg.h>
#include <string.h>

#include "text.h"

typedef struct Column {
        char *title;
        bool number;
        bool hidden;
} Column;

struct Table {
        GArray *columns;
        GPtrArray *cells;
};

static void column_clear(gpointer p)
{
        Column *column = p;

        g_free(column->title);
}

Table *table_new(const char *title, ...)
{
        Table *table = g_new0(Table, 1);
        va_list ap;

        table->columns = g_array_new(FALSE, TRUE, sizeof(Column));
        g_array_set_clear_func(table->columns, column_clear);
        table->cells = g_ptr_array_new_with_free_func(g_free);
        va_start(ap, title);
        for (const char *t = title; t; t = va_arg(ap, const char *)) {
                Column column = {.number = t[0] == '>'};

                column.title = g_strdup(column.number ? t + 1 : t);
                g_array_append_val(table->columns, column);
        }
        va_end(ap);
        return table;
}

void table_free(Table *table)
{
        if (!table)
                return;
        g_array_unref(table->columns);
        g_ptr_array_unref(table->cells);
        g_free(table);
}

void table_add(Table *table, const char *cell)
{
        g_ptr_array_add(table->cells, cell && *cell ? text_escape(cell, false) : g_strdup("-"));
}

void table_add_take(Table *table, char *cell)
{
        table_add(table, cell);
        g_free(cell);
}

void table_add_number(Table *table, uint64_t number)
{
        g_ptr_array_add(table->cells, g_strdup_printf("%" PRIu64, number));
}

size_t table_rows(const Table *table)
{
        return table->cells->len / table->columns->len;
}

void table_hide(Table *table, const char *title)
{
        for (guint i = 0; i < table->columns->len; i++) {
                Column *column = &g_array_index(table->columns, Column, i);

                if (strcmp(column->title, title) == 0)
                        column->hidden = true;
        }
}

static const char *cell_at(const Table *table, size_t row, guint column)
{
        return g_ptr_array_index(table->cells, row * table->columns->len + column);
}

static void pad(GString *out, size_t n)
{
        for (size_t i = 0; i < n; i++)
                g_string_append_c(out, ' ');
}

static void append_row(const Table *table, GString *out, const size_t *widths, bool title,
                       size_t row)
{
        size_t owed = 0; /* spaces that only stand before something: no line ends in any */
        bool first = true;

        for (guint i = 0; i < table->columns->len; i++) {
                const Column *column = &g_array_index(table->columns, Column, i);
                const char *cell;
                size_t fill;

                if (column->hidden)
                        continue;
                cell = title ? column->title : cell_at(table, row, i);
                fill = widths[i] - text_width(cell);
                if (!first)
                        owed++;
                first = false;
                if (column->number)
                        owed += fill;
                pad(out, owed);
                g_string_append(out, cell);
                owed = column->number ? 0 : fill;
        }
}

void table_append(const Table *table, GString *out, bool header, bool colour)
{
        g_autofree size_t *widths = g_new0(size_t, table->columns->len);
        size_t rows = table_rows(table);

        for (guint i = 0; i < table->columns->len; i++) {
                if (header)
                        widths[i] = text_width(g_array_index(table->columns, Column, i).title);
                for (size_t row = 0; row < rows; row++)
                        widths[i] = MAX(widths[i], text_width(cell_at(table, row, i)));
        }
        if (header) {
                g_string_append(out, colour ? "\x1b[0;4m" : "");
                append_row(table, out, widths, true, 0);
                g_string_append(out, colour ? "\x1b[0m\n" : "\n");
        }
        for (size_t row = 0; row < rows; row++) {
                append_row(table, out, widths, false, row);
                g_string_append_c(out, '\n');
        }
}
