/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <elf.h>

#include "test-util.h"

#include "kern-usdt.h"

static KernUsdtSpec parsed(const char *text, unsigned machine)
{
        KernUsdtSpec spec;
        const char *bad = "";
        int r = kern_usdt_parse_args(text, machine, &spec, &bad);

        if (r < 0)
                fail_msg("\"%s\": %d at \"%s\"", text, r, bad);
        return spec;
}

static void assert_arg(const KernUsdtArg *arg, KernUsdtKind kind, int64_t value, int place,
                       int size)
{
        assert_int_equal(arg->kind, kind);
        assert_int_equal(arg->value, (uint64_t)value);
        assert_int_equal(arg->reg, place * 8);
        assert_int_equal(arg->is_signed, size < 0);
        assert_int_equal(arg->shift, 64 - 8 * abs(size));
}

/* struct pt_regs is the kernel's promise to user space, and what programs read is that. */
static void test_x86(void **state)
{
        KernUsdtSpec spec = parsed(" -4@%edi 8@-1204(%rbp) 1@%r10b -8@$-9 2@(%rax) 4@0x10(%r15) "
                                   "-1@%sil 2@%sp 8@%rip",
                                   EM_X86_64);

        (void)state;
        assert_int_equal(spec.n_args, 9);
        assert_arg(&spec.args[0], KERN_USDT_REG, 0, 14, -4);
        assert_arg(&spec.args[1], KERN_USDT_DEREF, -1204, 4, 8);
        assert_arg(&spec.args[2], KERN_USDT_REG, 0, 7, 1);
        assert_arg(&spec.args[3], KERN_USDT_CONST, -9, 0, -8);
        assert_arg(&spec.args[4], KERN_USDT_DEREF, 0, 10, 2);
        assert_arg(&spec.args[5], KERN_USDT_DEREF, 16, 0, 4);
        assert_arg(&spec.args[6], KERN_USDT_REG, 0, 13, -1);
        assert_arg(&spec.args[7], KERN_USDT_REG, 0, 19, 2);
        assert_arg(&spec.args[8], KERN_USDT_REG, 0, 16, 8);
        assert_int_equal(parsed("", EM_X86_64).n_args, 0);
}

static void test_aarch64(void **state)
{
        KernUsdtSpec spec =
                parsed("-4@x0 8@[sp, 8] 4@w30 -8@-5 1@[x29,-16] 2@[x1] 8@sp", EM_AARCH64);

        (void)state;
        assert_int_equal(spec.n_args, 7);
        assert_arg(&spec.args[0], KERN_USDT_REG, 0, 0, -4);
        assert_arg(&spec.args[1], KERN_USDT_DEREF, 8, 31, 8);
        assert_arg(&spec.args[2], KERN_USDT_REG, 0, 30, 4);
        assert_arg(&spec.args[3], KERN_USDT_CONST, -5, 0, -8);
        assert_arg(&spec.args[4], KERN_USDT_DEREF, -16, 29, 1);
        assert_arg(&spec.args[5], KERN_USDT_DEREF, 0, 1, 2);
        assert_arg(&spec.args[6], KERN_USDT_REG, 0, 31, 8);
}

static void test_malformed(void **state)
{
        static const struct {
                unsigned machine;
                const char *text, *bad;
        } cases[] = {
                {EM_X86_64, "4@%edi x", "x"},
                {EM_X86_64, "4", "4"},
                {EM_X86_64, "4@", "4@"},
                {EM_X86_64, "@%edi", "@%edi"},
                {EM_X86_64, "3@%edi", "3@%edi"},
                {EM_X86_64, "16@%edi", "16@%edi"},
                {EM_X86_64, "8f@%xmm0", "8f@%xmm0"},
                {EM_X86_64, "8@%xmm0", "8@%xmm0"},
                {EM_X86_64, "8@%", "8@%"},
                {EM_X86_64, "8@$", "8@$"},
                {EM_X86_64, "8@$5x", "8@$5x"},
                {EM_X86_64, "8@4(%rbp", "8@4(%rbp"},
                {EM_X86_64, "8@4(rbp)", "8@4(rbp)"},
                {EM_X86_64, "8@4(%rbp,%rax,8)", "8@4(%rbp,%rax,8)"},
                {EM_X86_64, "8@name(%rip)", "8@name(%rip)"},
                {EM_X86_64, "8@99999999999999999999(%rax)", "8@99999999999999999999(%rax)"},
                {EM_AARCH64, "8@x31", "8@x31"},
                {EM_AARCH64, "8@x4294967296", "8@x4294967296"},
                {EM_AARCH64, "8@x1 8@[x1", "8@[x1"},
                {EM_AARCH64, "8@[x1,]", "8@[x1,]"},
                {EM_AARCH64, "8@[x1, x2]", "8@[x1, x2]"},
                {EM_AARCH64, "8@d0", "8@d0"},
        };
        KernUsdtSpec spec;
        const char *bad;

        (void)state;
        for (size_t i = 0; i < KERN_ELEMENTSOF(cases); i++) {
                bad = NULL;
                if (kern_usdt_parse_args(cases[i].text, cases[i].machine, &spec, &bad) != -EINVAL)
                        fail_msg("\"%s\"", cases[i].text);
                assert_string_equal(bad, cases[i].bad);
        }
        assert_int_equal(kern_usdt_parse_args("1@$1 1@$2 1@$3 1@$4 1@$5 1@$6 1@$7 1@$8 1@$9 1@$10 "
                                              "1@$11 1@$12 1@$13",
                                              EM_X86_64, &spec, &bad),
                         -E2BIG);
        assert_string_equal(bad, "1@$13");
        assert_int_equal(kern_usdt_parse_args("1@1", EM_S390, &spec, &bad), -EOPNOTSUPP);
}

/* A program reads there in the kernel's own memory. */
static void test_validity(void **state)
{
        KernUsdtSpec good = {.n_args = 1, .args = {{.kind = KERN_USDT_DEREF, .reg = 8}}};
        KernUsdtSpec spec = good;

        (void)state;
        assert_true(kern_usdt_spec_is_valid(&spec));
        spec.args[0].reg = 4096;
        assert_false(kern_usdt_spec_is_valid(&spec));
        spec.args[0].reg = -8;
        assert_false(kern_usdt_spec_is_valid(&spec));
        spec.args[0].reg = 4;
        assert_false(kern_usdt_spec_is_valid(&spec));
        spec = good;
        spec.args[0].kind = 3;
        assert_false(kern_usdt_spec_is_valid(&spec));
        spec = good;
        spec.args[0].shift = 64;
        assert_false(kern_usdt_spec_is_valid(&spec));
        spec = good;
        spec.n_args = KERN_USDT_ARGS_MAX + 1;
        assert_false(kern_usdt_spec_is_valid(&spec));
        spec.n_args = -1;
        assert_false(kern_usdt_spec_is_valid(&spec));
}

static void assert_found(const char *name)
{
        KernUsdtProbe found = {0};
        char path[512];
        KERN_AUTO_CLOSE int fd = -1;

        snprintf(path, sizeof(path), "%s/%s", getenv("TEST_PROGRAMS") ?: ".", name);
        fd = open(path, O_RDONLY | O_CLOEXEC);
        assert_true(fd >= 0);
        assert_int_equal(kern_usdt_resolve(fd, "bpfkeeper:line", &found, NULL), 0);
        assert_int_equal(found.n_sites, 1);
        assert_int_equal(found.n_specs, 1);
        assert_int_equal(found.specs[0].n_args, 3);
        assert_int_equal(found.sites[0].semaphore, 0);
        kern_usdt_probe_done(&found);

        assert_int_equal(kern_usdt_resolve(fd, "bpfkeeper:result", &found, NULL), 0);
        assert_int_equal(found.n_sites, 2);
        assert_int_equal(found.n_specs, 2);
        assert_int_not_equal(found.sites[0].spec, found.sites[1].spec);
        assert_int_not_equal(found.sites[0].offset, found.sites[1].offset);
        assert_int_not_equal(found.sites[0].semaphore, 0);
        assert_int_equal(found.sites[0].semaphore, found.sites[1].semaphore);
        kern_usdt_probe_done(&found);
}

static void test_files(void **state)
{
        (void)state;
        assert_found("target");
        assert_found("target-stripped");
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_x86),       cmocka_unit_test(test_aarch64),
                cmocka_unit_test(test_malformed), cmocka_unit_test(test_validity),
                cmocka_unit_test(test_files),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
