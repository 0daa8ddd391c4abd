/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <sys/stat.h>

#include "test-attach.h"

/* Loaded for a tracepoint, said to be for a function: the kernel doesn't tell these types apart. */
static void test_other_type(void **state)
{
        static const char *const types[] = {"fentry", "fexit", "fmod_ret", "lsm"};
        KernObject *object = load_if_possible("tp_btf", "tp_btf_fork");

        (void)state;
        if (!object) {
                skip();
                return;
        }
        for (size_t i = 0; i < KERN_ELEMENTSOF(types); i++) {
                KernHook hook = hook_of(types[i], BIT(FUNCTION));

                put(hook.function, "sched_process_fork");
                must_fail(object, &hook, KERN_ERROR_INVALID_ARGUMENT,
                          "loaded for tracepoint sched_process_fork");
        }
        kern_object_free(object);
}

static void run_raw(const char *file, const char *program, const char *type)
{
        KernObject *object = load_one(file, program, NULL);
        KernHook hook = hook_of(type, BIT(TRACEPOINT));
        KernAttachment attachment;
        uint64_t before;

        put(hook.tracepoint, "sched_process_fork");
        attach(object, &hook, &attachment);
        fork_once();
        before = hits_of(object, 0);
        assert_true(before >= 1);
        detach(object, &hook, &attachment);
        before = hits_of(object, 0);
        fork_once();
        assert_int_equal(hits_of(object, 0), before);

        if (strcmp(type, "raw_tracepoint") == 0) {
                put(hook.tracepoint, "no_such_tracepoint");
                must_fail(object, &hook, KERN_ERROR_NO_SUCH_TRACEPOINT, "no_such_tracepoint");
        } else {
                must_be_as_loaded(object, hook);
        }
        kern_object_free(object);
}

static void test_raw_tracepoint(void **state)
{
        (void)state;
        run_raw("raw_tracepoint", "raw_tracepoint_fork", "raw_tracepoint");
}

static void test_tp_btf(void **state)
{
        (void)state;
        if (access("/sys/kernel/btf/vmlinux", R_OK) < 0) {
                skip();
                return;
        }
        run_raw("tp_btf", "tp_btf_fork", "tp_btf");
}

static void test_fentry(void **state)
{
        (void)state;
        run_kernel_function("fentry", "fentry_open", "fentry", "vfs_open", 0);
}

static void test_fexit(void **state)
{
        (void)state;
        run_kernel_function("fentry", "fexit_open", "fexit", "vfs_open", 1);
}

static int nothing(const char *path)
{
        (void)path;
        return 0;
}

static int make_directory(const char *path)
{
        return mkdir(path, 0700);
}

static int make_link(const char *path)
{
        return symlink("nowhere", path);
}

/* A program that keeps this process from making directories, or symbolic links. */
static void run_decision(const char *type, const char *program, const char *function,
                         int (*prepare)(const char *path), int (*decided)(const char *path))
{
        KERN_AUTO_CLOSE int fd = open_program(type);
        KernProgramWish wishes[] = {{.name = program}};
        uint32_t pid = (uint32_t)getpid();
        KernGlobalWish globals[] = {bytes_of("denied_pid", &pid, sizeof(pid))};
        KernLoadOptions options = KERN_LOAD_OPTIONS_INIT;
        KernHook hook = hook_of(type, BIT(FUNCTION));
        KernAttachment attachment = KERN_ATTACHMENT_INIT;
        KernObject *object = NULL;
        char path[64];

        options.programs = wishes;
        options.n_programs = 1;
        options.globals = globals;
        options.n_globals = 1;
        put(hook.function, function);
        kern_diag_clear(&diag);
        if (kern_object_load(fd, &options, &object, &diag) < 0 ||
            kern_attach(object->programs[0].fd, &hook, &attachment, &diag) < 0) {
                if (diag.error != KERN_ERROR_NOT_SUPPORTED)
                        fail_msg("%s", diag.message);
                fprintf(stderr, "skipped: %s\n", diag.message);
                kern_object_free(object);
                skip();
                return;
        }
        snprintf(path, sizeof(path), "/tmp/bpfkeeper-lsm-%d", getpid());
        assert_int_equal(prepare(path), 0);
        assert_int_equal(decided(path), -1);
        assert_int_equal(errno, EPERM);
        assert_int_equal(hits_of(object, 0), 1);
        detach(object, &hook, &attachment);
        assert_int_equal(decided(path), 0);
        remove(path);
        kern_object_free(object);
}

static void test_lsm(void **state)
{
        (void)state;
        run_decision("lsm", "lsm_mkdir", "inode_mkdir", nothing, make_directory);
}

static void test_fmod_ret(void **state)
{
        (void)state;
        run_decision("fmod_ret", "fmod_ret_symlink", "security_inode_symlink", nothing, make_link);
}

/* What a function returns is decided only where the kernel allows that. */
static void test_fmod_ret_refused(void **state)
{
        KERN_AUTO_CLOSE int fd = open_program("fmod_ret_refused");
        KernProgramWish wishes[] = {{.name = "fmod_ret_refused"}};
        KernLoadOptions options = KERN_LOAD_OPTIONS_INIT;
        KernObject *object = NULL;

        (void)state;
        options.programs = wishes;
        options.n_programs = 1;
        kern_diag_clear(&diag);
        assert_true(kern_object_load(fd, &options, &object, &diag) < 0);
        if (diag.error == KERN_ERROR_NOT_SUPPORTED) {
                fprintf(stderr, "skipped: %s\n", diag.message);
                skip();
                return;
        }
        assert_int_equal(diag.error, KERN_ERROR_INVALID_ARGUMENT);
        assert_non_null(strstr(diag.message, "error injection"));
        assert_non_null(strstr(diag.message, "vfs_open() is not modifiable"));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_raw_tracepoint), cmocka_unit_test(test_tp_btf),
                cmocka_unit_test(test_other_type),     cmocka_unit_test(test_fentry),
                cmocka_unit_test(test_fexit),          cmocka_unit_test(test_lsm),
                cmocka_unit_test(test_fmod_ret),       cmocka_unit_test(test_fmod_ret_refused),
        };

        return run_attach_tests(tests, NULL, clear_diag);
}
