/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <dirent.h>
#include <elf.h>
#include <sys/mman.h>

#include "test-refused.h"

#include "kern-info.h"
#include "kern-xdp.h"

/* Loading into the running kernel. */

static KernLoadOptions wish(const char *name, const char *type)
{
        static KernProgramWish wishes[1];
        KernLoadOptions options = KERN_LOAD_OPTIONS_INIT;

        wishes[0] = (KernProgramWish){.name = name, .type = kern_type_find(type)};
        options.programs = wishes;
        options.n_programs = 1;
        return options;
}

static size_t count_fds(void)
{
        DIR *dir = opendir("/proc/self/fd");
        size_t n = 0;

        assert_non_null(dir);
        while (readdir(dir))
                n++;
        closedir(dir);
        return n;
}

static void test_load_all(void **state)
{
        KernObject *object = load("packet_counter");
        KernProgramInfo info;

        (void)state;
        assert_int_equal(object->n_programs, 1);
        assert_int_equal(object->n_maps, 2);
        assert_string_equal(object->programs[0].name, "count_packets");
        assert_string_equal(object->programs[0].section, "xdp");
        assert_string_equal(object->programs[0].type->name, "xdp");
        assert_int_equal(kern_program_info(object->programs[0].fd, &info), 0);
        assert_int_equal(info.prog_type, BPF_PROG_TYPE_XDP);
        assert_int_equal(info.n_map_ids, 2);
        assert_null(object->log);
        /* new programs don't reach programs that are started later */
        assert_true(fcntl(object->programs[0].fd, F_GETFD) & FD_CLOEXEC);
        assert_true(fcntl(object->maps[0].fd, F_GETFD) & FD_CLOEXEC);
        kern_object_free(object);
}

/* How XDP programs run among others, if nobody says otherwise. */
static void test_run_configs(void **state)
{
        KernLoadOptions options = wish("chain_configured", NULL);
        KernObject *object = load_wishes("xdp_chain", &options);

        (void)state;
        assert_int_equal(object->programs[0].xdp_priority, 7);
        assert_int_equal(object->programs[0].xdp_proceed_on, 1U << XDP_DROP | 1U << XDP_TX);
        kern_object_free(object);

        options = wish("chain_link", NULL);
        object = load_wishes("xdp_chain", &options);
        assert_int_equal(object->programs[0].xdp_priority, 50);
        assert_int_equal(object->programs[0].xdp_proceed_on, 1U << XDP_PASS);
        kern_object_free(object);
}

/* All of an object, with the maps of the programs; where the kernel lacks it, nothing is lost. */
static void test_extensions(void **state)
{
        KernLoadOptions options = KERN_LOAD_OPTIONS_INIT;
        KernObject *object, *again;
        size_t n = 0;

        (void)state;
        options.extend = true;
        object = load_wishes("xdp_chain", &options);
        assert_int_equal(object->n_programs, 4);
        for (size_t i = 0; i < object->n_programs; i++) {
                const KernLoadedProgram *p = &object->programs[i];
                KernProgramInfo info, extension;

                assert_int_equal(kern_program_info(p->fd, &info), 0);
                if (p->extension_fd < 0)
                        continue;
                n++;
                assert_int_equal(kern_program_info(p->extension_fd, &extension), 0);
                assert_int_equal(extension.prog_type, BPF_PROG_TYPE_EXT);
                assert_string_equal(extension.tag, info.tag);
                assert_int_equal(extension.n_map_ids, info.n_map_ids);
                assert_memory_equal(extension.map_ids, info.map_ids,
                                    info.n_map_ids * sizeof(info.map_ids[0]));
                assert_int_equal(kern_xdp_extension_settle(p->extension_fd), 0);
        }
        assert_true(n == 0 || n == object->n_programs);
        /* libbpf has its own idea of sections again. */
        again = load("xdp_chain");
        assert_int_equal(again->programs[0].extension_fd, -1);
        kern_object_free(again);
        kern_object_free(object);
}

static void test_load_some(void **state)
{
        KernLoadOptions options = wish("tcx_egress", NULL);
        KernObject *object = load_wishes("tcx", &options);

        (void)state;
        assert_int_equal(object->n_programs, 1);
        assert_string_equal(object->programs[0].name, "tcx_egress");
        kern_object_free(object);

        options = wish("nobody", NULL);
        expect_refused("tcx", &options, KERN_ERROR_NO_SUCH_PROGRAM, "tcx_ingress, tcx_egress");
}

static void test_asked_twice(void **state)
{
        KernProgramWish wishes[] = {{.name = "tc_count"}, {.name = "tc_count"}};
        KernLoadOptions options = KERN_LOAD_OPTIONS_INIT;

        (void)state;
        options.programs = wishes;
        options.n_programs = 2;
        expect_refused("tc", &options, KERN_ERROR_INVALID_ARGUMENT, "twice");
}

static void test_types(void **state)
{
        static const struct {
                const char *file, *program, *type;
                enum bpf_prog_type prog_type;
        } good[] = {
                {"plain_section", "plain_prog", "xdp", BPF_PROG_TYPE_XDP},
                {"plain_section", "plain_prog", "tc", BPF_PROG_TYPE_SCHED_CLS},
                {"plain_section", "plain_optional", NULL, BPF_PROG_TYPE_XDP},
                {"tc", "tc_count", "tcx", BPF_PROG_TYPE_SCHED_CLS},
                {"tcx", "tcx_ingress", "tc", BPF_PROG_TYPE_SCHED_CLS},
                {"kprobe", "kprobe_open", "kretprobe", BPF_PROG_TYPE_KPROBE},
                {"uprobe", "uprobe_anywhere", "kprobe", BPF_PROG_TYPE_KPROBE},
        };
        KernLoadOptions options;

        (void)state;
        for (size_t i = 0; i < KERN_ELEMENTSOF(good); i++) {
                KernProgramInfo info;
                KernObject *object;

                options = wish(good[i].program, good[i].type);
                object = load_wishes(good[i].file, &options);
                assert_int_equal(kern_program_info(object->programs[0].fd, &info), 0);
                assert_int_equal(info.prog_type, good[i].prog_type);
                if (good[i].type)
                        assert_string_equal(object->programs[0].type->name, good[i].type);
                kern_object_free(object);
        }

        options = wish("tc_count", "xdp");
        expect_refused("tc", &options, KERN_ERROR_TYPE_MISMATCH, "xdp");
        options = wish("plain_action", "tc");
        expect_refused("plain_section", &options, KERN_ERROR_TYPE_MISMATCH, "action");
        /* one to the kernel, but the name in the section would be that of something else */
        options = wish("tp_btf_fork", "fentry");
        expect_refused("tp_btf", &options, KERN_ERROR_TYPE_MISMATCH, "tp_btf program attaches to");
        options = wish("tp_btf_fork", "fexit");
        expect_refused("tp_btf", &options, KERN_ERROR_TYPE_MISMATCH, "can't be loaded as fexit");
        options = wish("fentry_open", "tp_btf");
        expect_refused("fentry", &options, KERN_ERROR_TYPE_MISMATCH, "can't be loaded as tp_btf");
        options = wish("plain_prog", NULL);
        expect_refused("plain_section", &options, KERN_ERROR_UNKNOWN_SECTION, "\"prog\"");
        options = wish("plain_prog", "fentry");
        expect_refused("plain_section", &options, KERN_ERROR_MISSING_PARAMETER, "fentry/FUNCTION");
}

/* What is loaded is handed over in one message, which has room for so many descriptors. */
static void test_too_many(void **state)
{
        static char names[KERN_LOADED_MAX][16];
        static KernProgramWish wishes[KERN_LOADED_MAX];
        KernLoadOptions options = KERN_LOAD_OPTIONS_INIT;
        KernObject *object;

        (void)state;
        expect_refused("many", &options, KERN_ERROR_LIMIT_EXCEEDED,
                       "250 programs and 1 maps are too many");
        for (size_t i = 0; i < KERN_LOADED_MAX; i++) {
                snprintf(names[i], sizeof(names[i]), "many_%c%zu", (char)('a' + i / 10), i % 10);
                wishes[i].name = names[i];
        }
        options.programs = wishes;
        options.n_programs = KERN_LOADED_MAX;
        expect_refused("many", &options, KERN_ERROR_LIMIT_EXCEEDED, "together they may be 249");
        options.n_programs--;
        object = load_wishes("many", &options);
        assert_int_equal(object->n_programs + object->n_maps, KERN_LOADED_MAX);
        kern_object_free(object);
}

static void test_verifier(void **state)
{
        KernLoadOptions options = KERN_LOAD_OPTIONS_INIT;

        (void)state;
        expect_refused("refused", &options, KERN_ERROR_VERIFIER, "refused_xdp");
        assert_non_null(strstr(refusal.message, "invalid access to packet"));
        assert_non_null(refusal.log);
        assert_int_equal(refusal.log_size, strlen(refusal.log));
        assert_non_null(strstr(refusal.log, "processed"));
        assert_null(strstr(refusal.message, "processed"));

        /* with a level of its own the log is the program's, not the object's */
        options.log_level = 2;
        expect_refused("refused", &options, KERN_ERROR_VERIFIER, "invalid access to packet");
        options.log_level = 99;
        expect_refused("refused", &options, KERN_ERROR_INVALID_ARGUMENT, "log_level");
}

static void test_log(void **state)
{
        KernLoadOptions options = KERN_LOAD_OPTIONS_INIT;
        KernObject *object;

        (void)state;
        options.log_level = 1;
        object = load_wishes("tcx", &options);
        assert_non_null(strstr(object->log, "; program tcx_ingress"));
        assert_non_null(strstr(object->log, "; program tcx_egress"));
        assert_int_equal(object->log_size, strlen(object->log));
        kern_object_free(object);
}

static void check_long_log(const char *log, size_t size)
{
        static const char beginning[] = "; The beginning of this log was left out.\n";

        assert_non_null(log);
        assert_int_equal(size, strlen(log));
        assert_in_range(size, KERN_LOG_MAX / 2, KERN_LOG_MAX + strlen(beginning));
        assert_memory_equal(log, beginning, strlen(beginning));
}

/* A log of more than there is room for refuses nothing, and comes with its end. */
static void test_long_log(void **state)
{
        KernProgramWish wishes[] = {{.name = "long_good"}, {.name = "long_short"}};
        KernLoadOptions options = KERN_LOAD_OPTIONS_INIT;
        KernObject *object;

        (void)state;
        options.log_level = 2;
        object = load_wishes("long_log", &options);
        assert_int_equal(object->n_programs, 1);
        check_long_log(object->log, object->log_size);
        assert_non_null(strstr(object->log, "; The log of program long_good has more than"));
        kern_object_free(object);

        options.programs = wishes;
        options.n_programs = KERN_ELEMENTSOF(wishes);
        object = load_wishes("long_log", &options);
        assert_int_equal(object->n_programs, 2);
        check_long_log(object->log, object->log_size);
        kern_object_free(object);

        /* what is refused is refused for its reason, whatever log is asked for */
        wishes[0].name = "long_refused";
        options.n_programs = 1;
        for (options.log_level = 0; options.log_level <= 2; options.log_level++) {
                expect_refused("long_log", &options, KERN_ERROR_VERIFIER,
                               "invalid access to packet");
                assert_null(strstr(refusal.message, "No space"));
                check_long_log(refusal.log, refusal.log_size);
        }
}

static void test_license(void **state)
{
        KernLoadOptions options = wish("proprietary_prints", NULL);

        (void)state;
        expect_refused("proprietary", &options, KERN_ERROR_VERIFIER, "\"Proprietary\"");
}

static void test_missing_targets(void **state)
{
        KernLoadOptions options = wish("missing_function", NULL);

        (void)state;
        expect_refused("missing_target", &options, KERN_ERROR_NO_SUCH_FUNCTION,
                       "bpfkeeper_no_such_function");
        options = wish("missing_tracepoint", NULL);
        expect_refused("missing_target", &options, KERN_ERROR_NO_SUCH_TRACEPOINT,
                       "bpfkeeper_no_such_tracepoint");
        options = wish("missing_hook", NULL);
        expect_refused("missing_target", &options, KERN_ERROR_NO_SUCH_FUNCTION,
                       "bpfkeeper_no_such_hook");
        options = wish("missing_target", NULL);
        expect_refused("missing_target", &options, KERN_ERROR_MISSING_PARAMETER, "FUNCTION");
}

static void test_huge_map(void **state)
{
        KernLoadOptions options = KERN_LOAD_OPTIONS_INIT;

        (void)state;
        expect_refused("huge_map", &options, KERN_ERROR_LIMIT_EXCEEDED, "4294967295");
}

static void test_custom_btf(void **state)
{
        KERN_AUTO_CLOSE int raw = open("/sys/kernel/btf/vmlinux", O_RDONLY | O_CLOEXEC);
        KERN_AUTO_CLOSE int junk = memfd_create("junk", MFD_CLOEXEC);
        KernLoadOptions options = KERN_LOAD_OPTIONS_INIT;
        KernObject *object;

        (void)state;
        if (raw < 0)
                skip();
        options.btf_fd = raw;
        object = load_wishes("core_task", &options);
        kern_object_free(object);
        /* at whatever offset */
        assert_true(lseek(raw, 100, SEEK_SET) == 100);
        object = load_wishes("core_task", &options);
        kern_object_free(object);

        assert_int_equal(write(junk, "junk that is no BTF", 19), 19);
        options.btf_fd = junk;
        expect_refused("core_task", &options, KERN_ERROR_NO_BTF, "neither");
}

/* Nothing may stay open, or loaded, of what failed and of what was freed. */
static void test_no_leaks(void **state)
{
        KernLoadOptions options = KERN_LOAD_OPTIONS_INIT;
        size_t before;

        (void)state;
        kern_object_free(load("packet_counter"));
        before = count_fds();
        for (int i = 0; i < 20; i++) {
                kern_object_free(load("packet_counter"));
                expect_refused("refused", &options, KERN_ERROR_VERIFIER, "");
                expect_refused("huge_map", &options, KERN_ERROR_LIMIT_EXCEEDED, "");
        }
        assert_int_equal(count_fds(), before);
}

static void test_warm_up(void **state)
{
        size_t before;

        (void)state;
        assert_int_equal(kern_object_warm_up(), 0);
        before = count_fds();
        assert_int_equal(kern_object_warm_up(), 0);
        assert_int_equal(count_fds(), before);
}

/*
 * Where the object's BTF is. It has the sizes of maps: damaged, these would take the machine's memory
 * for a moment, so that only test-kern-elf, which loads nothing, damages it.
 */
static void find_btf(const uint8_t *data, off_t *ret_start, off_t *ret_end)
{
        Elf64_Ehdr header;
        Elf64_Shdr names;

        memcpy(&header, data, sizeof(header));
        memcpy(&names, data + header.e_shoff + header.e_shstrndx * sizeof(names), sizeof(names));
        for (size_t i = 0; i < header.e_shnum; i++) {
                Elf64_Shdr s;

                memcpy(&s, data + header.e_shoff + i * sizeof(s), sizeof(s));
                if (strcmp((const char *)data + names.sh_offset + s.sh_name, ".BTF") == 0) {
                        *ret_start = (off_t)s.sh_offset;
                        *ret_end = (off_t)(s.sh_offset + s.sh_size);
                        return;
                }
        }
        fail_msg("no BTF");
}

/* A loader that the damage reaches through libbpf, up to the kernel. */
static void test_damaged(void **state)
{
        static const char *const names[] = {"packet_counter", "globals", "ringbuf", "tc"};
        unsigned rounds = rounds_or(150);
        uint32_t seed = 88172645;

        (void)state;
        for (size_t n = 0; n < KERN_ELEMENTSOF(names); n++) {
                KERN_AUTO_CLOSE int fd = open_program(names[n]);
                size_t size = (size_t)lseek(fd, 0, SEEK_END);
                KERN_AUTO_FREE uint8_t *good = malloc(size);
                KERN_AUTO_CLOSE int copy = memfd_create("object", MFD_CLOEXEC);
                off_t btf_start = 0, btf_end = 0;

                assert_non_null(good);
                assert_int_equal(pread(fd, good, size, 0), size);
                find_btf(good, &btf_start, &btf_end);
                for (unsigned round = 0; round < rounds; round++) {
                        KernLoadOptions options = KERN_LOAD_OPTIONS_INIT;
                        KernObject *object = NULL;

                        assert_int_equal(pwrite(copy, good, size, 0), size);
                        for (int i = 0; i < 4; i++) {
                                uint8_t byte;
                                off_t at;

                                seed = seed * 1664525 + 1013904223;
                                at = (off_t)((seed >> 8) % size);
                                if (at >= btf_start && at < btf_end)
                                        continue;
                                byte = good[at] ^ (uint8_t)(1U << (seed >> 5) % 8);
                                assert_int_equal(pwrite(copy, &byte, 1, at), 1);
                        }
                        kern_diag_clear(&refusal);
                        if (kern_object_load(copy, &options, &object, &refusal) < 0)
                                assert_true(refusal.error != KERN_ERROR_NONE);
                        kern_object_free(object);
                }
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_load_all),    cmocka_unit_test(test_load_some),
                cmocka_unit_test(test_run_configs), cmocka_unit_test(test_extensions),
                cmocka_unit_test(test_asked_twice), cmocka_unit_test(test_types),
                cmocka_unit_test(test_too_many),    cmocka_unit_test(test_verifier),
                cmocka_unit_test(test_log),         cmocka_unit_test(test_long_log),
                cmocka_unit_test(test_license),     cmocka_unit_test(test_missing_targets),
                cmocka_unit_test(test_huge_map),    cmocka_unit_test(test_custom_btf),
                cmocka_unit_test(test_no_leaks),    cmocka_unit_test(test_warm_up),
                cmocka_unit_test(test_damaged),
        };

        if (!may_bpf())
                return EXIT_SKIPPED;
        return cmocka_run_group_tests(tests, NULL, clear_refused);
}
