/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "test-refused.h"

#include "kern-info.h"

/* What an object is given before it is loaded: global variables and maps. */

static uint32_t run(KernObject *object)
{
        uint8_t packet[64] = {0};
        KernTestRun test = {.data_in = packet, .data_in_size = sizeof(packet), .repeat = 1};

        assert_int_equal(kern_test_run(object->programs[0].fd, &test), 0);
        return test.retval;
}

static void test_globals(void **state)
{
        uint32_t answer = 7, calls = 100;
        uint64_t start = 5;
        uint16_t hidden = 9;
        uint8_t pair[16] = {1};
        KernGlobalWish globals[] = {
                bytes_of("answer", &answer, sizeof(answer)),
                bytes_of("start", &start, sizeof(start)),
                bytes_of("calls", &calls, sizeof(calls)),
                bytes_of("hidden", &hidden, sizeof(hidden)),
                bytes_of("pair", pair, sizeof(pair)),
        };
        KernLoadOptions options = KERN_LOAD_OPTIONS_INIT;
        KernObject *object = load("globals");
        uint8_t data[64], bss[64];
        uint32_t key = 0;

        (void)state;
        assert_int_equal(run(object), 42);
        kern_object_free(object);

        options.globals = globals;
        options.n_globals = KERN_ELEMENTSOF(globals);
        object = load_wishes("globals", &options);
        assert_int_equal(run(object), 7);
        assert_int_equal(kern_map_lookup(map_of(object, ".data")->fd, &key, data), 0);
        assert_int_equal(kern_map_lookup(map_of(object, ".bss")->fd, &key, bss), 0);
        start = 6;
        assert_true(memmem(data, 16, &start, sizeof(start)) != NULL);
        calls = 101;
        assert_true(memmem(bss, 20, &calls, sizeof(calls)) != NULL);
        calls = 10; /* pair.first: 1, and hidden added once */
        assert_true(memmem(bss, 20, &calls, sizeof(calls)) != NULL);
        kern_object_free(object);

        globals[0].value.bytes.size = 8;
        expect_refused("globals", &options, KERN_ERROR_INVALID_ARGUMENT, "4 bytes, not 8");
        globals[0] = bytes_of("question", &answer, sizeof(answer));
        expect_refused("globals", &options, KERN_ERROR_NO_SUCH_GLOBAL, "answer");
        expect_refused("tc", &options, KERN_ERROR_NO_SUCH_GLOBAL, "none");
}

static void test_maps(void **state)
{
        KernObject *first = load("tc"), *second;
        KernMapWish maps[] = {{"hits", map_of(first, "hits")->fd}};
        KernLoadOptions options = KERN_LOAD_OPTIONS_INIT;
        KERN_AUTO_CLOSE int other = bpf_map_create(BPF_MAP_TYPE_ARRAY, NULL, 4, 16, 4, NULL);
        KernMapInfo a, b;

        (void)state;
        options.maps = maps;
        options.n_maps = 1;
        second = load_wishes("shared_map", &options);
        assert_true(map_of(second, "hits")->reused);
        assert_int_equal(kern_map_info(map_of(first, "hits")->fd, &a), 0);
        assert_int_equal(kern_map_info(map_of(second, "hits")->fd, &b), 0);
        assert_int_equal(a.id, b.id);
        run(second);
        assert_int_equal(hits_of(first, 0), 1);
        kern_object_free(second);
        /* the caller's descriptor stays its own */
        assert_int_equal(kern_map_info(maps[0].fd, &a), 0);

        maps[0].fd = other;
        expect_refused("tc", &options, KERN_ERROR_MAP_MISMATCH, "value size of 8");
        maps[0].fd = map_of(first, "hits")->fd;
        maps[0].name = "misses";
        expect_refused("tc", &options, KERN_ERROR_NO_SUCH_MAP, "hits");
        maps[0].name = "packets_percpu";
        expect_refused("packet_counter", &options, KERN_ERROR_MAP_MISMATCH, "percpu_array");
        maps[0].fd = -1;
        expect_refused("packet_counter", &options, KERN_ERROR_NO_SUCH_MAP, "no map");
        kern_object_free(first);
}

static void test_map_sizes(void **state)
{
        KernMapSize sizes[] = {{"packets", 32}};
        KernLoadOptions options = KERN_LOAD_OPTIONS_INIT;
        KernObject *object;
        KernMapInfo info;

        (void)state;
        options.map_sizes = sizes;
        options.n_map_sizes = 1;
        object = load_wishes("packet_counter", &options);
        assert_int_equal(kern_map_info(map_of(object, "packets")->fd, &info), 0);
        assert_int_equal(info.max_entries, 32);
        kern_object_free(object);

        sizes[0].max_entries = 0;
        expect_refused("packet_counter", &options, KERN_ERROR_INVALID_ARGUMENT, "1 to 4294967295");
        sizes[0] = (KernMapSize){"packet", 1};
        expect_refused("packet_counter", &options, KERN_ERROR_NO_SUCH_MAP, "packets_percpu");
        sizes[0] = (KernMapSize){".rodata", 1};
        expect_refused("globals", &options, KERN_ERROR_INVALID_ARGUMENT, "variables");
}

/* Which maps are to be shared the object says; which there are, whoever loads it. */
static void test_shared_maps(void **state)
{
        KernMapWish shared[] = {{"bpfkeeper_test_pin", -1}};
        KernMapSize sizes[] = {{"bpfkeeper_test_pin", 99}};
        KernLoadOptions options = KERN_LOAD_OPTIONS_INIT;
        KernObject *first, *second;
        KernMapInfo a, b;

        (void)state;
        options.share = true;
        first = load_wishes("pinned", &options);
        assert_int_equal(first->n_programs, 0);
        assert_int_equal(first->n_unknown, 1);
        assert_string_equal(first->unknown[0], "bpfkeeper_test_pin");
        kern_object_free(first);

        options.shared = shared;
        options.n_shared = 1;
        first = load_wishes("pinned", &options);
        assert_int_equal(first->n_unknown, 0);
        assert_true(map_of(first, "bpfkeeper_test_pin")->shared);
        assert_false(map_of(first, "hits")->shared);

        shared[0].fd = map_of(first, "bpfkeeper_test_pin")->fd;
        second = load_wishes("pinned", &options);
        assert_true(map_of(second, "bpfkeeper_test_pin")->reused);
        assert_false(map_of(second, "bpfkeeper_test_pin")->shared);
        assert_int_equal(kern_map_info(shared[0].fd, &a), 0);
        assert_int_equal(kern_map_info(map_of(second, "bpfkeeper_test_pin")->fd, &b), 0);
        assert_int_equal(a.id, b.id);
        kern_object_free(second);

        options.map_sizes = sizes;
        options.n_map_sizes = 1;
        expect_refused("pinned", &options, KERN_ERROR_MAP_MISMATCH, "99");
        kern_object_free(first);
}

static void test_no_pins(void **state)
{
        KernObject *object = load("pinned");

        (void)state;
        assert_int_equal(access("/sys/fs/bpf/bpfkeeper_test_pin", F_OK), -1);
        kern_object_free(object);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_globals),   cmocka_unit_test(test_maps),
                cmocka_unit_test(test_map_sizes), cmocka_unit_test(test_shared_maps),
                cmocka_unit_test(test_no_pins),
        };

        if (!may_bpf())
                return EXIT_SKIPPED;
        return cmocka_run_group_tests(tests, NULL, clear_refused);
}
