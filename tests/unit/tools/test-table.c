/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "test-tools.h"

#include "table.h"

static void assert_table(const Table *table, bool header, bool colour, const char *expected)
{
        g_autoptr(GString) out = g_string_new(NULL);

        table_append(table, out, header, colour);
        assert_string_equal(out->str, expected);
}

static Table *example(void)
{
        Table *table = table_new(">ID", "NAME", "REST", NULL);

        table_add_number(table, 5);
        table_add(table, "count");
        table_add(table, "x");
        table_add_number(table, 4711);
        table_add(table, "漢\x1b");
        table_add(table, "");
        return table;
}

static void test_alignment(void **state)
{
        g_autoptr(Table) table = example();

        (void)state;
        assert_int_equal(table_rows(table), 2);
        assert_table(table, true, false,
                     "  ID NAME   REST\n"
                     "   5 count  x\n"
                     "4711 漢\\x1b -\n");
        assert_table(table, false, false,
                     "   5 count  x\n"
                     "4711 漢\\x1b -\n");
}

static void test_hidden(void **state)
{
        g_autoptr(Table) table = example();

        (void)state;
        table_hide(table, "ID");
        table_hide(table, "REST");
        assert_table(table, true, true, "\x1b[0;4mNAME\x1b[0m\ncount\n漢\\x1b\n");
}

static void test_empty(void **state)
{
        g_autoptr(Table) table = table_new("A", ">B", NULL);

        (void)state;
        assert_int_equal(table_rows(table), 0);
        assert_table(table, true, false, "A B\n");
        assert_table(table, false, false, "");
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_alignment),
                cmocka_unit_test(test_hidden),
                cmocka_unit_test(test_empty),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
