/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "test-bus.h"

#include <string.h>

#include "bus-objects.h"

static void paths_go_both_ways(void **state)
{
        static const uint32_t ids[] = {1, 9, 10, 42, 65536, 2147483647, 2147483648, UINT32_MAX};
        char path[BUS_PATH_MAX];

        (void)state;
        for (int kind = 0; kind < _BUS_KIND_MAX; kind++)
                for (size_t i = 0; i < G_N_ELEMENTS(ids); i++) {
                        uint32_t id = 0;

                        assert_ptr_equal(bus_path((BusKind)kind, ids[i], path), path);
                        assert_true(sd_bus_object_path_is_valid(path));
                        assert_true(strlen(path) < BUS_PATH_MAX - 1);
                        for (int other = 0; other < _BUS_KIND_MAX; other++)
                                assert_int_equal(bus_path_parse(path, (BusKind)other, &id),
                                                 other == kind);
                        assert_int_equal(id, ids[i]);
                }
        assert_string_equal(bus_path(BUS_PROGRAM, 42, path), "/org/bpfkeeper1/program/_42");
        assert_string_equal(bus_path(BUS_MAP, 7, path), "/org/bpfkeeper1/map/_7");
        assert_string_equal(bus_path(BUS_LINK, 1, path), "/org/bpfkeeper1/link/_1");
}

static void hostile_paths_are_none(void **state)
{
        static const char *const paths[] = {
                "",
                "/",
                "/org/bpfkeeper1",
                "/org/bpfkeeper1/program",
                "/org/bpfkeeper1/program/",
                "/org/bpfkeeper1/program/_",
                "/org/bpfkeeper1/program/42",
                "/org/bpfkeeper1/program/__42",
                "/org/bpfkeeper1/program/_0",
                "/org/bpfkeeper1/program/_042",
                "/org/bpfkeeper1/program/_42x",
                "/org/bpfkeeper1/program/_x42",
                "/org/bpfkeeper1/program/_42/",
                "/org/bpfkeeper1/program/_42/_43",
                "/org/bpfkeeper1/program/_-1",
                "/org/bpfkeeper1/program/_+1",
                "/org/bpfkeeper1/program/_ 1",
                "/org/bpfkeeper1/program/_1 ",
                "/org/bpfkeeper1/program/_1\n",
                "/org/bpfkeeper1/program/_\v\v1",
                "/org/bpfkeeper1/program/_0x10",
                "/org/bpfkeeper1/program/_1e1",
                "/org/bpfkeeper1/program/_4294967296",
                "/org/bpfkeeper1/program/_18446744073709551617",
                "/org/bpfkeeper1/program/_99999999999999999999999999999999999999",
                "/org/bpfkeeper1/programs/_42",
                "/org/bpfkeeper2/program/_42",
                " /org/bpfkeeper1/program/_42",
                "/org/bpfkeeper1/program/_\xd9\xa4\xd9\xa2", /* digits, but not ASCII's */
        };

        (void)state;
        for (size_t i = 0; i < G_N_ELEMENTS(paths); i++) {
                uint32_t id = 1234;

                for (int kind = 0; kind < _BUS_KIND_MAX; kind++)
                        assert_false(bus_path_parse(paths[i], (BusKind)kind, &id));
                /* Set on success only. */
                assert_int_equal(id, 1234);
        }
}

static void interfaces(void **state)
{
        (void)state;
        assert_string_equal(bus_interface(BUS_PROGRAM), "org.bpfkeeper1.Program");
        assert_string_equal(bus_interface(BUS_MAP), "org.bpfkeeper1.Map");
        assert_string_equal(bus_interface(BUS_LINK), "org.bpfkeeper1.Link");
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(paths_go_both_ways),
                cmocka_unit_test(hostile_paths_are_none),
                cmocka_unit_test(interfaces),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
