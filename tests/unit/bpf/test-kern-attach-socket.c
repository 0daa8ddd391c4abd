/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "test-util.h"

#include <sys/socket.h>

#include "kern-attach-internal.h"

/* What is asked of a socket, and what is made of the kernel's answers: each as the test wants it. */

#define SOCKET_FD 1000
#define PROGRAM_FD 1001

static int answer; /* the kernel's error, or 0 */
static int lock;   /* what SO_LOCK_FILTER says; below 0: that can't be read */
static int option; /* that was set last */

int __wrap_setsockopt(int fd, int level, int name, const void *value, socklen_t size);
int __wrap_getsockopt(int fd, int level, int name, void *value, socklen_t *size);

int __wrap_setsockopt(int fd, int level, int name, const void *value, socklen_t size)
{
        int program;

        assert_int_equal(fd, SOCKET_FD);
        assert_int_equal(level, SOL_SOCKET);
        assert_int_equal(size, sizeof(program));
        memcpy(&program, value, sizeof(program));
        assert_int_equal(program, PROGRAM_FD);
        option = name;
        errno = answer;
        return answer != 0 ? -1 : 0;
}

int __wrap_getsockopt(int fd, int level, int name, void *value, socklen_t *size)
{
        assert_int_equal(fd, SOCKET_FD);
        assert_int_equal(level, SOL_SOCKET);
        assert_int_equal(name, SO_LOCK_FILTER);
        assert_int_equal(*size, sizeof(lock));
        if (lock < 0) {
                errno = EPERM;
                return -1;
        }
        memcpy(value, &lock, sizeof(lock));
        return 0;
}

static KernHook hook_on(const char *type, int fd)
{
        KernHook hook = KERN_HOOK_INIT;

        hook.type = kern_type_find(type);
        hook.given = KERN_PARAM_BIT(KERN_PARAM_SOCKET);
        hook.socket_fd = fd;
        return hook;
}

static void test_options(void **state)
{
        static const struct {
                const char *type;
                int option;
        } cases[] = {
                {"socket_filter", SO_ATTACH_BPF},
                {"sk_reuseport", SO_ATTACH_REUSEPORT_EBPF},
        };

        (void)state;
        answer = 0;
        for (size_t i = 0; i < KERN_ELEMENTSOF(cases); i++) {
                KernHook hook = hook_on(cases[i].type, SOCKET_FD);
                KernAttachment attachment = KERN_ATTACHMENT_INIT;
                KernDiag diag = {0};

                option = 0;
                assert_int_equal(kern_attach(PROGRAM_FD, &hook, &attachment, &diag), 0);
                assert_int_equal(option, cases[i].option);
                assert_int_equal(attachment.n_links, 0);
        }
}

static void test_errors(void **state)
{
        static const struct {
                const char *type;
                int error, lock;
                KernError kind;
                const char *text;
        } cases[] = {
                {"socket_filter", EPERM, 1, KERN_ERROR_HOOK_BUSY, "SO_LOCK_FILTER"},
                {"sk_reuseport", EPERM, 1, KERN_ERROR_HOOK_BUSY, "SO_LOCK_FILTER"},
                {"socket_filter", EPERM, 0, KERN_ERROR_FAILED, "cgroup"},
                {"socket_filter", EPERM, -1, KERN_ERROR_FAILED, "cgroup"},
                {"socket_filter", ENOMEM, 0, KERN_ERROR_LIMIT_EXCEEDED, "net.core.optmem_max"},
                {"socket_filter", EINVAL, 0, KERN_ERROR_INVALID_ARGUMENT, "Invalid argument"},
                {"socket_filter", EOPNOTSUPP, 0, KERN_ERROR_INVALID_ARGUMENT, "not supported"},
                {"sk_reuseport", EINVAL, 0, KERN_ERROR_INVALID_ARGUMENT, "SO_REUSEPORT"},
                {"sk_reuseport", EOPNOTSUPP, 0, KERN_ERROR_INVALID_ARGUMENT, "TCP and UDP alone"},
                /* ENOTSUPP, which no C library knows */
                {"sk_reuseport", 524, 0, KERN_ERROR_INVALID_ARGUMENT, "TCP and UDP alone"},
                {"socket_filter", EIO, 0, KERN_ERROR_FAILED, "Input/output error"},
        };

        (void)state;
        for (size_t i = 0; i < KERN_ELEMENTSOF(cases); i++) {
                KernHook hook = hook_on(cases[i].type, SOCKET_FD);
                KernAttachment attachment = KERN_ATTACHMENT_INIT;
                KernDiag diag = {0};

                answer = cases[i].error;
                lock = cases[i].lock;
                assert_int_equal(kern_attach(PROGRAM_FD, &hook, &attachment, &diag), -answer);
                assert_int_equal(diag.error, cases[i].kind);
                if (!strstr(diag.message, cases[i].text))
                        fail_msg("%s", diag.message);
                kern_diag_clear(&diag);
        }
}

static void test_none(void **state)
{
        KernHook hook = hook_on("socket_filter", -1);
        KernAttachment attachment = KERN_ATTACHMENT_INIT;
        KernDiag diag = {0};

        (void)state;
        assert_int_equal(kern_attach(PROGRAM_FD, &hook, &attachment, &diag), -EINVAL);
        assert_int_equal(diag.error, KERN_ERROR_MISSING_PARAMETER);
        kern_diag_clear(&diag);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_options),
                cmocka_unit_test(test_errors),
                cmocka_unit_test(test_none),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
