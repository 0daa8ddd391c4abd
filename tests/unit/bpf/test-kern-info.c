/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <sched.h>
#include <sys/mount.h>
#include <time.h>

#include <bpf/libbpf.h>

#include "test-util.h"

#include "kern-info.h"

static void test_program(void **state)
{
        KernObject *object = load("long_name");
        KernProgramInfo info, again;
        uint64_t now = (uint64_t)time(NULL), memlock = 0;
        KERN_AUTO_CLOSE int fd = -1;

        (void)state;
        assert_int_equal(kern_program_info(object->programs[0].fd, &info), 0);
        assert_string_equal(info.name, "a_program_with_");
        assert_int_equal(info.prog_type, BPF_PROG_TYPE_TRACEPOINT);
        assert_int_equal(strlen(info.tag), BPF_TAG_SIZE * 2);
        assert_true(info.gpl_compatible);
        assert_int_equal(info.created_by_uid, getuid());
        assert_in_range(info.load_time_usec / 1000000, now - 5, now + 5);
        assert_int_equal(info.n_map_ids, 1);
        assert_true(info.bytes_xlated > 0);

        fd = kern_program_open_id(info.id);
        assert_true(fd >= 0);
        assert_int_equal(kern_program_info(fd, &again), 0);
        assert_memory_equal(&info, &again, sizeof(info));
        assert_int_equal(kern_memlock(fd, &memlock), 0);
        assert_true(memlock > 0);
        kern_object_free(object);

        assert_true(kern_program_info(-1, &info) < 0);
        assert_int_equal(kern_program_open_id(0), -ENOENT);
}

static void test_ids(void **state)
{
        KernObject *object = load("tc");
        KernProgramInfo info;
        uint32_t id = 0;
        bool seen = false;

        (void)state;
        assert_int_equal(kern_program_info(object->programs[0].fd, &info), 0);
        while (kern_program_next_id(id, &id) >= 0)
                seen = seen || id == info.id;
        assert_true(seen);
        assert_int_equal(kern_program_next_id(INT32_MAX - 1, &id), -ENOENT);
        assert_int_equal(kern_map_next_id(INT32_MAX - 1, &id), -ENOENT);
        assert_int_equal(kern_link_next_id(INT32_MAX - 1, &id), -ENOENT);
        kern_object_free(object);
}

static void test_map(void **state)
{
        KERN_AUTO_CLOSE int map = bpf_map_create(BPF_MAP_TYPE_HASH, "some_map", 4, 8, 2, NULL);
        KERN_AUTO_CLOSE int read_only = -1;
        uint32_t key = 5, next = 0;
        uint64_t value = 9, got = 0;
        bool frozen = true;
        KernMapInfo info;
        size_t size;

        (void)state;
        assert_int_equal(kern_map_info(map, &info), 0);
        assert_string_equal(info.name, "some_map");
        assert_int_equal(info.map_type, BPF_MAP_TYPE_HASH);
        assert_int_equal(info.key_size, 4);
        assert_int_equal(info.value_size, 8);
        assert_int_equal(info.max_entries, 2);
        assert_int_equal(kern_map_value_size(&info, &size), 0);
        assert_int_equal(size, 8);

        assert_int_equal(kern_map_next_key(map, NULL, &next), -ENOENT);
        assert_int_equal(kern_map_lookup(map, &key, &got), -ENOENT);
        assert_int_equal(kern_map_update(map, &key, &value, BPF_EXIST), -ENOENT);
        assert_int_equal(kern_map_update(map, &key, &value, BPF_ANY), 0);
        assert_int_equal(kern_map_lookup(map, &key, &got), 0);
        assert_int_equal(got, 9);
        assert_int_equal(kern_map_next_key(map, NULL, &next), 0);
        assert_int_equal(next, 5);
        assert_int_equal(kern_map_next_key(map, &key, &next), -ENOENT);
        key = 6;
        assert_int_equal(kern_map_update(map, &key, &value, BPF_ANY), 0);
        key = 7;
        assert_int_equal(kern_map_update(map, &key, &value, BPF_ANY), -E2BIG);
        assert_int_equal(kern_map_delete(map, &key), -ENOENT);

        /* the kernel itself keeps a reader from writing */
        read_only = kern_map_open_id_access(info.id, KERN_ACCESS_READ);
        assert_true(read_only >= 0);
        key = 5;
        assert_int_equal(kern_map_lookup(read_only, &key, &got), 0);
        assert_int_equal(kern_map_update(read_only, &key, &value, BPF_ANY), -EPERM);
        assert_int_equal(kern_map_delete(read_only, &key), -EPERM);

        assert_int_equal(kern_map_frozen(map, &frozen), 0);
        assert_false(frozen);
        assert_int_equal(bpf_map_freeze(map), 0);
        assert_int_equal(kern_map_frozen(map, &frozen), 0);
        assert_true(frozen);
        assert_int_equal(kern_map_update(map, &key, &value, BPF_ANY), -EPERM);
}

static void test_per_cpu(void **state)
{
        KERN_AUTO_CLOSE int map = bpf_map_create(BPF_MAP_TYPE_PERCPU_ARRAY, "x", 4, 5, 1, NULL);
        int cpus = libbpf_num_possible_cpus();
        KernMapInfo info;
        size_t size;

        (void)state;
        assert_int_equal(kern_map_info(map, &info), 0);
        assert_true(kern_map_is_per_cpu(info.map_type));
        assert_int_equal(kern_map_value_size(&info, &size), 0);
        assert_int_equal(size, 8 * cpus);
        assert_true(kern_map_has_elements(BPF_MAP_TYPE_PERCPU_ARRAY));
        assert_true(kern_map_has_elements(BPF_MAP_TYPE_QUEUE));
        assert_false(kern_map_has_elements(BPF_MAP_TYPE_RINGBUF));
        assert_false(kern_map_is_per_cpu(BPF_MAP_TYPE_ARRAY));
}

static void test_run(void **state)
{
        KernObject *object = load("packet_counter");
        uint8_t packet[64] = {[12] = 0x08, [13] = 0x06}, out[64], small[8];
        KernTestRun run = {.data_in = packet,
                           .data_in_size = sizeof(packet),
                           .data_out = out,
                           .data_out_size = sizeof(out),
                           .repeat = 3};
        uint64_t packets = 0;
        uint32_t arp = 3;

        (void)state;
        assert_int_equal(kern_test_run(object->programs[0].fd, &run), 0);
        assert_int_equal(run.retval, 2); /* XDP_PASS */
        assert_int_equal(run.data_out_size, sizeof(packet));
        assert_memory_equal(out, packet, sizeof(packet));
        assert_int_equal(kern_map_lookup(map_of(object, "packets")->fd, &arp, &packets), 0);
        assert_int_equal(packets, 3);

        run.data_out = small;
        run.data_out_size = sizeof(small);
        assert_int_equal(kern_test_run(object->programs[0].fd, &run), -ENOSPC);
        assert_int_equal(run.data_out_size, sizeof(packet));

        run.data_in_size = 3;
        assert_true(kern_test_run(object->programs[0].fd, &run) < 0);
        kern_object_free(object);
}

static void test_pins(void **state)
{
        char dir[] = "/tmp/bpfkeeper-test-XXXXXX", path[64];
        KERN_AUTO_CLOSE int map = bpf_map_create(BPF_MAP_TYPE_ARRAY, "pinned", 4, 4, 1, NULL);
        KERN_AUTO_CLOSE int again = -1;
        KernMapInfo a, b;

        (void)state;
        assert_non_null(mkdtemp(dir));
        if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
            mount("bpffs", dir, "bpf", 0, NULL) < 0) {
                rmdir(dir);
                skip();
        }
        snprintf(path, sizeof(path), "%s/pin", dir);
        assert_int_equal(kern_open_pin(path), -ENOENT);
        assert_int_equal(kern_pin(map, path), 0);
        assert_int_equal(kern_pin(map, path), -EEXIST);
        again = kern_open_pin(path);
        assert_true(again >= 0);
        assert_int_equal(kern_map_info(map, &a), 0);
        assert_int_equal(kern_map_info(again, &b), 0);
        assert_int_equal(a.id, b.id);
        assert_int_equal(umount2(dir, MNT_DETACH), 0);
        rmdir(dir);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_program), cmocka_unit_test(test_ids),
                cmocka_unit_test(test_map),     cmocka_unit_test(test_per_cpu),
                cmocka_unit_test(test_run),     cmocka_unit_test(test_pins),
        };

        if (!may_bpf())
                return EXIT_SKIPPED;
        return cmocka_run_group_tests(tests, NULL, NULL);
}
