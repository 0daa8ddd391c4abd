/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <elf.h>
#include <sys/mman.h>

#include "test-util.h"

#include "kern-elf.h"
#include "kern-info.h"

/* Objects that are none, damaged ones, hostile ones. Nothing here needs a privilege. */

static void *read_program(const char *name, size_t *ret_size)
{
        KERN_AUTO_CLOSE int fd = open_program(name);
        off_t size = lseek(fd, 0, SEEK_END);
        void *data = malloc((size_t)size);

        assert_non_null(data);
        assert_int_equal(pread(fd, data, (size_t)size, 0), size);
        *ret_size = (size_t)size;
        return data;
}

/* What kern_object_outline() makes of these bytes; the error's number, or 0. */
static KernError inspect(const void *data, size_t size, char *ret_message, size_t message_size)
{
        KERN_AUTO_CLOSE int fd = memfd_create("object", MFD_CLOEXEC | MFD_ALLOW_SEALING);
        KernOutline *object = NULL;
        KernDiag diag = {0};
        KernError error;
        int r;

        assert_true(fd >= 0);
        assert_int_equal(write(fd, data, size), size);
        /* half of the cases sealed, so that both ways of reading are gone */
        if (size % 2)
                assert_int_equal(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE),
                                 0);
        r = kern_object_outline(fd, &object, &diag);
        assert_int_equal(r < 0, object == NULL);
        assert_int_equal(r < 0, diag.error != KERN_ERROR_NONE);
        assert_true(r > -4096);
        if (ret_message)
                snprintf(ret_message, message_size, "%s", diag.message);
        error = diag.error;
        kern_outline_free(object);
        kern_diag_clear(&diag);
        return error;
}

static void expect(const void *data, size_t size, KernError error, const char *word)
{
        char message[2048];
        KernError got = inspect(data, size, message, sizeof(message));

        if (got != error || !strstr(message, word))
                fail_msg("wanted %d and \"%s\", got %d: %s", error, word, got, message);
}

static void test_not_elf(void **state)
{
        (void)state;
        expect("", 0, KERN_ERROR_NOT_ELF, "empty");
        expect("x", 1, KERN_ERROR_NOT_ELF, "78 00 00 00");
        expect("#!/bin/sh\n", 10, KERN_ERROR_NOT_ELF, "23 21 2f 62");
        expect("\x7f"
               "ELF",
               4, KERN_ERROR_NOT_ELF, "ends within");
}

static void test_other_elves(void **state)
{
        size_t size;
        KERN_AUTO_FREE uint8_t *data = read_program("packet_counter", &size);
        Elf64_Ehdr *h = (Elf64_Ehdr *)(void *)data;
        Elf64_Ehdr good = *h;

        (void)state;
        expect(data, size, KERN_ERROR_NONE, "");

        h->e_ident[EI_CLASS] = ELFCLASS32;
        expect(data, size, KERN_ERROR_WRONG_ARCHITECTURE, "32-bit");
        *h = good;
        h->e_ident[EI_DATA] = good.e_ident[EI_DATA] == ELFDATA2LSB ? ELFDATA2MSB : ELFDATA2LSB;
        expect(data, size, KERN_ERROR_WRONG_ARCHITECTURE, "endian");
        *h = good;
        h->e_machine = EM_X86_64;
        expect(data, size, KERN_ERROR_WRONG_ARCHITECTURE, "x86-64");
        *h = good;
        h->e_type = ET_EXEC;
        expect(data, size, KERN_ERROR_NOT_ELF, "executable");
        *h = good;
        h->e_shoff = UINT64_MAX;
        expect(data, size, KERN_ERROR_NOT_ELF, "outside");
        *h = good;
        h->e_shnum = 0;
        expect(data, size, KERN_ERROR_NOT_ELF, "sections");
        *h = good;
        h->e_shstrndx = 0xffff;
        expect(data, size, KERN_ERROR_NOT_ELF, "names");
}

static void test_own_binary(void **state)
{
        KERN_AUTO_CLOSE int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
        KernOutline *object = NULL;
        KernDiag diag = {0};

        (void)state;
        assert_true(fd >= 0);
        assert_true(kern_object_outline(fd, &object, &diag) < 0);
        assert_int_equal(diag.error, KERN_ERROR_WRONG_ARCHITECTURE);
        assert_null(object);
}

static void test_not_a_file(void **state)
{
        KERN_AUTO_CLOSE int fd = open("/", O_RDONLY | O_CLOEXEC);
        KERN_AUTO_CLOSE int big = memfd_create("big", MFD_CLOEXEC);
        KernOutline *object = NULL;
        KernDiag diag = {0};

        (void)state;
        assert_true(kern_object_outline(fd, &object, &diag) < 0);
        assert_int_equal(diag.error, KERN_ERROR_INVALID_ARGUMENT);
        kern_diag_clear(&diag);
        assert_int_equal(ftruncate(big, (off_t)KERN_OBJECT_SIZE_MAX + 1), 0);
        assert_true(kern_object_outline(big, &object, &diag) < 0);
        assert_int_equal(diag.error, KERN_ERROR_LIMIT_EXCEEDED);
        kern_diag_clear(&diag);
        assert_true(kern_object_outline(-1, &object, &diag) < 0);
}

static void test_truncated(void **state)
{
        static const char *const names[] = {"packet_counter", "globals", "tp_btf"};

        (void)state;
        for (size_t n = 0; n < KERN_ELEMENTSOF(names); n++) {
                size_t size;
                KERN_AUTO_FREE uint8_t *data = read_program(names[n], &size);

                for (size_t cut = 0; cut < size; cut += cut < 128 ? 1 : 61)
                        inspect(data, cut, NULL, 0);
        }
}

/* The same damage at every run, so that what it finds can be found again. */
static uint32_t next_random(uint32_t *seed)
{
        *seed ^= *seed << 13;
        *seed ^= *seed >> 17;
        *seed ^= *seed << 5;
        return *seed;
}

static void test_damaged(void **state)
{
        static const char *const names[] = {"packet_counter", "globals",       "tp_btf",
                                            "pinned",         "plain_section", "ringbuf"};
        unsigned rounds = rounds_or(400);
        uint32_t seed = 2463534242;

        (void)state;
        for (size_t n = 0; n < KERN_ELEMENTSOF(names); n++) {
                size_t size;
                KERN_AUTO_FREE uint8_t *good = read_program(names[n], &size);
                KERN_AUTO_FREE uint8_t *data = malloc(size);

                assert_non_null(data);
                for (unsigned round = 0; round < rounds; round++) {
                        unsigned flips = 1 + next_random(&seed) % 8;

                        memcpy(data, good, size);
                        for (unsigned i = 0; i < flips; i++) {
                                size_t at = next_random(&seed) % size;

                                /* a flipped bit, or a byte that is an extreme of something */
                                if (next_random(&seed) & 1)
                                        data[at] ^= (uint8_t)(1U << next_random(&seed) % 8);
                                else
                                        data[at] = next_random(&seed) & 1 ? 0xff : 0;
                        }
                        inspect(data, size, NULL, 0);
                }
        }
}

/* Every section header of an object set to every extreme in turn. */
static void test_damaged_headers(void **state)
{
        static const uint64_t extremes[] = {0,          1,          7,
                                            0x7fffffff, 0x80000000, 0xffffffff,
                                            INT64_MAX,  UINT64_MAX, UINT64_MAX - 8};
        size_t size;
        KERN_AUTO_FREE uint8_t *good = read_program("globals", &size);
        KERN_AUTO_FREE uint8_t *data = malloc(size);
        Elf64_Ehdr *h = (Elf64_Ehdr *)(void *)good;

        (void)state;
        assert_non_null(data);
        for (size_t i = 0; i < h->e_shnum * sizeof(Elf64_Shdr) / 8; i++)
                for (size_t e = 0; e < KERN_ELEMENTSOF(extremes); e++) {
                        memcpy(data, good, size);
                        memcpy(data + h->e_shoff + i * 8, &extremes[e], 8);
                        inspect(data, size, NULL, 0);
                }
}

static void test_too_many_symbols(void **state)
{
        size_t size, n = 300;
        KERN_AUTO_FREE uint8_t *good = read_program("packet_counter", &size);
        KERN_AUTO_FREE uint8_t *data = malloc(size + n * sizeof(Elf64_Sym));
        const Elf64_Ehdr *h = (const Elf64_Ehdr *)(const void *)good;

        (void)state;
        assert_non_null(data);
        memcpy(data, good, size);
        for (size_t i = 0; i < h->e_shnum; i++) {
                Elf64_Shdr s;

                memcpy(&s, good + h->e_shoff + i * sizeof(s), sizeof(s));
                if (s.sh_type != SHT_SYMTAB)
                        continue;
                /* a table at the file's end that has the program's symbol over and over */
                for (size_t k = 0; k < s.sh_size / sizeof(Elf64_Sym); k++) {
                        Elf64_Sym sym;

                        memcpy(&sym, good + s.sh_offset + k * sizeof(sym), sizeof(sym));
                        if (ELF64_ST_TYPE(sym.st_info) != STT_FUNC)
                                continue;
                        for (size_t m = 0; m < n; m++)
                                memcpy(data + size + m * sizeof(sym), &sym, sizeof(sym));
                }
                s.sh_offset = size;
                s.sh_size = n * sizeof(Elf64_Sym);
                memcpy(data + h->e_shoff + i * sizeof(s), &s, sizeof(s));
        }
        /* relocations still refer to symbols below 300: what is left to refuse is their number */
        expect(data, size + n * sizeof(Elf64_Sym), KERN_ERROR_LIMIT_EXCEEDED, "256");
}

static void test_inspect(void **state)
{
        KERN_AUTO_CLOSE int fd = open_program("plain_section");
        KernOutline *object = NULL;
        KernDiag diag = {0};

        (void)state;
        assert_int_equal(kern_object_outline(fd, &object, &diag), 0);
        assert_int_equal(object->n_programs, 3);
        assert_string_equal(object->programs[0].name, "plain_prog");
        assert_null(object->programs[0].type);
        assert_string_equal(object->programs[0].section, "prog");
        assert_false(object->programs[0].optional);
        assert_string_equal(object->programs[1].name, "plain_optional");
        assert_string_equal(object->programs[1].type->name, "xdp");
        assert_string_equal(object->programs[1].section, "xdp");
        assert_true(object->programs[1].optional);
        assert_string_equal(object->programs[2].type->name, "tc_action");
        assert_string_equal(object->license, "Dual BSD/GPL");
        kern_outline_free(object);
        kern_outline_free(NULL);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_not_elf),         cmocka_unit_test(test_other_elves),
                cmocka_unit_test(test_own_binary),      cmocka_unit_test(test_not_a_file),
                cmocka_unit_test(test_truncated),       cmocka_unit_test(test_damaged),
                cmocka_unit_test(test_damaged_headers), cmocka_unit_test(test_too_many_symbols),
                cmocka_unit_test(test_inspect),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
