/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <sys/mman.h>

#include "test-util.h"

#include "kern-attach-internal.h"
#include "kern-target.h"

static int open_target(const char *name)
{
        char path[512];
        int fd;

        snprintf(path, sizeof(path), "%s/%s", getenv("TEST_PROGRAMS") ?: ".", name);
        fd = open(path, O_RDONLY | O_CLOEXEC);
        if (fd < 0)
                fail_msg("%s: %s", path, strerror(errno));
        return fd;
}

static void must_fail(int fd, const char *symbol, KernError error, const char *word)
{
        uint64_t offset = 1234;
        KernDiag diag = {0};

        assert_true(kern_symbol_resolve(fd, symbol, &offset, &diag) < 0);
        if (diag.error != error || !strstr(diag.message, word))
                fail_msg("%s: %d %s", symbol, diag.error, diag.message);
        assert_int_equal(offset, 1234);
        kern_diag_clear(&diag);
}

static void test_binary(void **state)
{
        KERN_AUTO_CLOSE int fd = open_target("target");
        KERN_AUTO_CLOSE int stripped = open_target("target-stripped");
        uint64_t add = 0, twice = 0;

        (void)state;
        assert_int_equal(kern_symbol_resolve(fd, "target_add", &add, NULL), 0);
        assert_int_equal(kern_symbol_resolve(fd, "target_twice", &twice, NULL), 0);
        assert_true(add > 0 && twice > 0 && add != twice);
        must_fail(fd, "target_ad", KERN_ERROR_NO_SUCH_FUNCTION, "target_add");
        must_fail(fd, "", KERN_ERROR_NO_SUCH_FUNCTION, "no function");
        must_fail(fd, "@", KERN_ERROR_NO_SUCH_FUNCTION, "no function");
        must_fail(stripped, "target_add", KERN_ERROR_NO_SUCH_FUNCTION, "stripped");
}

/* Of probes beside the code, which would be breakpoints in data. */
static void test_offsets(void **state)
{
        KERN_AUTO_CLOSE int fd = open_target("target");
        KERN_AUTO_CLOSE int object = open_target("tc.bpf.o");
        uint64_t places[] = {0, 4}, end = INT64_MAX;
        KernDiag diag = {0};

        (void)state;
        assert_int_equal(kern_symbol_resolve(fd, "target_add", &places[0], NULL), 0);
        assert_int_equal(kern_offsets_check(fd, places, 1, &diag), 0);
        assert_int_equal(kern_offsets_check(fd, places, 2, &diag), -EINVAL);
        assert_int_equal(diag.error, KERN_ERROR_INVALID_ARGUMENT);
        assert_non_null(strstr(diag.message, "offset 0x4 is in no part"));
        kern_diag_clear(&diag);
        assert_int_equal(kern_offsets_check(fd, &end, 1, NULL), -EINVAL);
        /* Who knows what runs that, and where */
        assert_int_equal(kern_offsets_check(object, places, 2, NULL), 0);
}

/* The bytes at the offset are the function's, as the loader mapped them. */
static void test_own(void **state)
{
        KERN_AUTO_CLOSE int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
        uint8_t bytes[16];
        uint64_t offset;

        (void)state;
        assert_int_equal(kern_symbol_resolve(fd, "kern_symbol_resolve", &offset, NULL), 0);
        assert_int_equal(pread(fd, bytes, sizeof(bytes), (off_t)offset), sizeof(bytes));
        assert_memory_equal(bytes, (const void *)(uintptr_t)kern_symbol_resolve, sizeof(bytes));
}

static void test_versions(void **state)
{
        char line[512], path[256] = "";
        KERN_AUTO_FCLOSE FILE *maps = fopen("/proc/self/maps", "re");
        KERN_AUTO_CLOSE int fd = -1;
        uint64_t plain = 0, versioned = 0;

        (void)state;
        assert_non_null(maps);
        while (fgets(line, sizeof(line), maps))
                if (strstr(line, "/libbpf.so") &&
                    sscanf(line, "%*s %*s %*s %*s %*s %255s", path) == 1)
                        break;
        fd = open(path, O_RDONLY | O_CLOEXEC);
        if (fd < 0)
                skip();
        assert_int_equal(kern_symbol_resolve(fd, "bpf_map_lookup_elem", &plain, NULL), 0);
        assert_int_equal(kern_symbol_resolve(fd, "bpf_map_lookup_elem@LIBBPF_0.0.1", &versioned,
                                             NULL),
                         0);
        assert_int_equal(plain, versioned);
        versioned = 0;
        assert_int_equal(kern_symbol_resolve(fd, "bpf_map_lookup_elem@@LIBBPF_0.0.1", &versioned,
                                             NULL),
                         0);
        assert_int_equal(plain, versioned);
        must_fail(fd, "bpf_map_lookup_elem@LIBBPF_9.9.9", KERN_ERROR_NO_SUCH_FUNCTION,
                  "no function");
}

static void test_no_binary(void **state)
{
        KERN_AUTO_CLOSE int object = open_target("tc.bpf.o");
        KERN_AUTO_CLOSE int text = memfd_create("text", MFD_CLOEXEC);

        (void)state;
        must_fail(object, "tc_count", KERN_ERROR_NO_SUCH_TARGET, "neither a binary");
        must_fail(text, "main", KERN_ERROR_NO_SUCH_TARGET, "no ELF");
        assert_int_equal(write(text, "#!/bin/sh\n", 10), 10);
        must_fail(text, "main", KERN_ERROR_NO_SUCH_TARGET, "no ELF");
        must_fail(-1, "main", KERN_ERROR_NO_SUCH_TARGET, "no ELF");
}

static void test_damaged(void **state)
{
        KERN_AUTO_CLOSE int fd = open_target("target");
        KERN_AUTO_CLOSE int copy = memfd_create("target", MFD_CLOEXEC);
        off_t size = lseek(fd, 0, SEEK_END);
        KERN_AUTO_FREE uint8_t *good = malloc((size_t)size);
        uint32_t seed = 362436069;

        (void)state;
        assert_non_null(good);
        assert_int_equal(pread(fd, good, (size_t)size, 0), size);
        for (int round = 0; round < 500; round++) {
                uint64_t offset;

                assert_int_equal(pwrite(copy, good, (size_t)size, 0), size);
                for (int i = 0; i < 8; i++) {
                        uint8_t byte;
                        off_t at;

                        /* mostly where the headers are: at both ends */
                        seed = seed * 1664525 + 1013904223;
                        at = (off_t)(seed >> 8) % 2048;
                        if (seed & 0x80)
                                at = size - 1 - at;
                        byte = good[at] ^ (uint8_t)(1U << (seed >> 4) % 8);
                        assert_int_equal(pwrite(copy, &byte, 1, at), 1);
                }
                kern_symbol_resolve(copy, "target_add@X", &offset, NULL);
                kern_symbol_resolve(copy, "target_add", &offset, NULL);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_binary),   cmocka_unit_test(test_own),
                cmocka_unit_test(test_versions), cmocka_unit_test(test_no_binary),
                cmocka_unit_test(test_damaged),  cmocka_unit_test(test_offsets),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
