/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "test-tools.h"

#include <fcntl.h>
#include <inttypes.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "socket.h"

static void assert_none(const char *number, const char *why)
{
        g_autofree char *reason = NULL;
        int fd = -1;

        assert_false(socket_open(number, &fd, &reason));
        assert_int_equal(fd, -1);
        if (!strstr(reason, why))
                fail_msg("%s", reason);
}

static void test_numbers(void **state)
{
        int ours = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0),
            file = open("/dev/null", O_RDONLY);
        g_autofree char *closed_on_exec = g_strdup_printf("%d", ours);
        g_autofree char *no_socket = g_strdup_printf("%d", file);

        (void)state;
        assert_none("", "isn't the number");
        assert_none("socket", "isn't the number");
        assert_none("-1", "isn't the number");
        assert_none("2147483648", "isn't the number");
        assert_none("2147483647", "without a descriptor 2147483647");
        assert_none(closed_on_exec, "without a descriptor");
        assert_none(no_socket, "is no socket");
        close(ours);
        close(file);
}

static void test_inherited(void **state)
{
        int given = socket(AF_UNIX, SOCK_STREAM, 0), fd = -1;
        g_autofree char *number = g_strdup_printf("%d", given), *reason = NULL, *expected = NULL;
        struct stat st, same;

        (void)state;
        assert_true(socket_open(number, &fd, &reason));
        assert_int_not_equal(fd, given);
        assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
        assert_int_equal(fstat(given, &st), 0);
        assert_int_equal(fstat(fd, &same), 0);
        assert_int_equal(st.st_ino, same.st_ino);
        expected = g_strdup_printf("UNIX-STREAM socket:[%" PRIu64 "]", (uint64_t)st.st_ino);
        assert_text(socket_describe(fd), expected);
        close(given);
        close(fd);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_numbers),
                cmocka_unit_test(test_inherited),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
