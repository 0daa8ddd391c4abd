/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "test-attach.h"

#include <sys/syscall.h>
#include <sys/wait.h>

/* Functions of this very binary, which probes go into. */
int probed_one(int a);
int probed_two(int a);
int probed_three(int a);

__attribute__((noinline)) int probed_one(int a)
{
        __asm__ volatile("");
        return a + 1;
}

__attribute__((noinline)) int probed_two(int a)
{
        __asm__ volatile("");
        return a + 2;
}

__attribute__((noinline)) int probed_three(int a)
{
        __asm__ volatile("");
        return a + 3;
}

static int call_all(void)
{
        return probed_one(1) + probed_two(2) + probed_three(3);
}

static KernHook hook_here(const char *type, int fd, unsigned given)
{
        KernHook hook = hook_of(type, BIT(TARGET) | given);

        hook.target_fd = fd;
        return hook;
}

static bool can_attach(KernObject *object, const KernHook *hook)
{
        KernAttachment attachment;

        kern_diag_clear(&diag);
        if (kern_attach(object->programs[0].fd, hook, &attachment, &diag) < 0) {
                if (diag.error != KERN_ERROR_NOT_SUPPORTED)
                        fail_msg("%s", diag.message);
                fprintf(stderr, "skipped: %s\n", diag.message);
                return false;
        }
        detach(object, hook, &attachment);
        return true;
}

static int ended_process(void)
{
        pid_t child = fork();
        int fd;

        if (child == 0)
                _exit(0);
        fd = (int)syscall(SYS_pidfd_open, child, 0);
        assert_true(fd >= 0);
        assert_int_equal(waitpid(child, NULL, 0), child);
        return fd;
}

static void test_functions(void **state)
{
        static const uint64_t cookies[] = {1, 2};
        KERN_AUTO_CLOSE int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
        KernObject *object = load_one("uprobe_multi", "uprobe_multi_anywhere", NULL);
        KernHook hook = hook_here("uprobe_multi", fd, BIT(FUNCTIONS) | BIT(COOKIES));
        KernAttachment attachment;

        (void)state;
        hook.functions = "probed_two,probed_*";
        hook.cookies = (KernNumbers){cookies, 2};
        if (!can_attach(object, &hook)) {
                kern_object_free(object);
                skip();
        }
        attach(object, &hook, &attachment);
        assert_int_equal(attachment.n_links, 1);
        assert_int_equal(call_all(), 12);
        /* the first wish that means a function has its cookie there */
        assert_int_equal(hits_of(object, 1), 1);
        assert_int_equal(hits_of(object, 2), 2);
        detach(object, &hook, &attachment);
        call_all();
        assert_int_equal(hits_of(object, 1) + hits_of(object, 2), 3);

        hook.given = BIT(TARGET) | BIT(FUNCTIONS);
        hook.cookies = (KernNumbers){0};
        hook.functions = "probed_four";
        must_fail(object, &hook, KERN_ERROR_NO_SUCH_FUNCTION, "probed_four");
        hook.functions = "probed_one,nothing*";
        must_fail(object, &hook, KERN_ERROR_NO_SUCH_FUNCTION, "nothing*");
        hook.functions = "probed_one,,probed_two";
        must_fail(object, &hook, KERN_ERROR_INVALID_ARGUMENT, "no name");
        hook.functions = "probed_one";
        hook.given |= BIT(PID);
        hook.pid = 4194304;
        must_fail(object, &hook, KERN_ERROR_NO_SUCH_PROCESS, "4194304");
        hook.pid = getpid();
        attach(object, &hook, &attachment);
        call_all();
        assert_int_equal(hits_of(object, 0), 1);
        detach(object, &hook, &attachment);

        /* The number is somebody's, but not that process's any more. */
        hook.pid_fd = ended_process();
        must_fail(object, &hook, KERN_ERROR_NO_SUCH_PROCESS, "has ended");
        close(hook.pid_fd);
        kern_object_free(object);
}

static void test_offsets(void **state)
{
        KERN_AUTO_CLOSE int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
        KernObject *object = load_one("uprobe_multi", "uretprobe_multi_anywhere", NULL);
        KernHook hook = hook_here("uretprobe_multi", fd, BIT(OFFSETS) | BIT(COOKIE));
        uint64_t offsets[2] = {0}, beyond = UINT64_MAX;
        KernAttachment attachment;

        (void)state;
        assert_int_equal(kern_symbol_resolve(fd, "probed_one", &offsets[0], NULL), 0);
        assert_int_equal(kern_symbol_resolve(fd, "probed_three", &offsets[1], NULL), 0);
        hook.offsets = (KernNumbers){offsets, 2};
        hook.cookie = 3;
        if (!can_attach(object, &hook)) {
                kern_object_free(object);
                skip();
        }
        attach(object, &hook, &attachment);
        call_all();
        assert_int_equal(hits_of(object, 3), 2);
        detach(object, &hook, &attachment);

        hook.offsets = (KernNumbers){&beyond, 1};
        must_fail(object, &hook, KERN_ERROR_INVALID_ARGUMENT, "0xffffffffffffffff");
        hook.offsets = (KernNumbers){0};
        must_fail(object, &hook, KERN_ERROR_INVALID_ARGUMENT, "0 offsets");
        hook.given = BIT(TARGET);
        must_fail(object, &hook, KERN_ERROR_MISSING_PARAMETER, "functions, or offsets");
        hook.given = BIT(TARGET) | BIT(OFFSETS) | BIT(FUNCTIONS);
        hook.functions = "probed_one";
        must_fail(object, &hook, KERN_ERROR_INVALID_ARGUMENT, "contradict");
        kern_object_free(object);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup(test_functions, clear_diag),
                cmocka_unit_test_setup(test_offsets, clear_diag),
        };

        return run_attach_tests(tests, NULL, clear_diag);
}
