/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "test-service.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <systemd/sd-bus.h>
#include <systemd/sd-id128.h>
#include <unistd.h>

#include "test-hooks.h"
#include "worker-protocol.h"

/* Messages are sealed and read in place: both sides of what is said, without a worker. */

static sd_bus *bus, *other;

static sd_bus *make_end(int fd, bool server)
{
        sd_id128_t id;
        sd_bus *b;

        assert_true(sd_id128_randomize(&id) >= 0);
        assert_true(sd_bus_new(&b) >= 0);
        assert_true(sd_bus_set_fd(b, fd, fd) >= 0);
        assert_true(sd_bus_negotiate_fds(b, 1) >= 0);
        if (server) {
                assert_true(sd_bus_set_server(b, 1, id) >= 0);
                assert_true(sd_bus_set_anonymous(b, 1) >= 0);
        }
        assert_true(sd_bus_start(b) >= 0);
        return b;
}

static int set_up(void **state)
{
        int fds[2];

        (void)state;
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds),
                         0);
        bus = make_end(fds[0], false);
        other = make_end(fds[1], true);
        while (sd_bus_is_ready(bus) == 0 || sd_bus_is_ready(other) == 0) {
                assert_true(sd_bus_process(bus, NULL) >= 0);
                assert_true(sd_bus_process(other, NULL) >= 0);
        }
        return 0;
}

static int tear_down(void **state)
{
        (void)state;
        sd_bus_flush_close_unref(bus);
        sd_bus_flush_close_unref(other);
        return 0;
}

static sd_bus_message *message_new(void)
{
        sd_bus_message *m = NULL;

        assert_true(sd_bus_message_new_method_call(bus, &m, NULL, WORKER_PATH, WORKER_INTERFACE,
                                                   "X") >= 0);
        return m;
}

static void seal(sd_bus_message *m)
{
        static uint64_t cookie;

        assert_true(sd_bus_message_seal(m, ++cookie, 0) >= 0);
        assert_true(sd_bus_message_rewind(m, 1) >= 0);
}

static void hooks_come_back(void **state)
{
        (void)state;
        for (const KernType *type = kern_types; type->name; type++) {
                KernHook back, hook = {.type = type, .xdp_frags = true, .xdp_shares = true};
                sd_bus_message *m = message_new();

                hook_fill(&hook, "vfs_*,a");
                hook.extension_fd = hook.target_program_fd = 7;
                assert_true(worker_hook_append(m, &hook) >= 0);
                seal(m);
                assert_int_equal(worker_hook_read(m, &back), 0);
                /* Descriptors travel otherwise. */
                assert_int_equal(back.extension_fd, -1);
                assert_int_equal(back.target_program_fd, -1);
                assert_true(back.xdp_frags && back.xdp_shares);
                assert_hooks_equal(&hook, &back, false);
                sd_bus_message_unref(m);
        }
}

static void files_come_back(void **state)
{
        KernHook back, hook = KERN_HOOK_INIT;
        sd_bus_message *m = message_new();
        int fds[WORKER_FILES_MAX];
        size_t n, wanted = 0;

        (void)state;
        for (int i = 0; i < _KERN_PARAM_MAX; i++)
                wanted += kern_params[i].kind == KERN_KIND_FILE;
        assert_true(wanted <= WORKER_FILES_MAX);

        hook.given = KERN_PARAM_BIT(KERN_PARAM_CGROUP) | KERN_PARAM_BIT(KERN_PARAM_PID);
        hook.cgroup_fd = STDERR_FILENO;
        for (int i = 0; i < 3; i++)
                assert_true(worker_hook_files_append(m, &hook) >= 0);
        seal(m);
        back = hook;
        back.cgroup_fd = -1;
        assert_int_equal(worker_hook_files_take(m, &back, fds, &n), 0);
        assert_int_equal(n, 1);
        assert_int_equal(back.cgroup_fd, fds[0]);
        assert_int_equal(back.target_fd, -1);
        close(fds[0]);
        /* more than were given, and fewer */
        back.given = 0;
        assert_int_equal(worker_hook_files_take(m, &back, fds, &n), -EINVAL);
        assert_int_equal(n, 1);
        close(fds[0]);
        back.given = KERN_PARAM_BIT(KERN_PARAM_CGROUP) | KERN_PARAM_BIT(KERN_PARAM_TARGET);
        assert_int_equal(worker_hook_files_take(m, &back, fds, &n), -EINVAL);
        assert_int_equal(n, 1);
        close(fds[0]);
        sd_bus_message_unref(m);
}

static int read_hook(const char *type, unsigned param, const char *value_type, ...)
{
        sd_bus_message *m = message_new();
        KernHook hook;
        va_list ap;
        int r;

        va_start(ap, value_type);
        assert_true(sd_bus_message_open_container(m, 'r', "sta(yv)bbatatatatu") >= 0);
        assert_true(sd_bus_message_append(m, "st", type, (uint64_t)0) >= 0);
        assert_true(sd_bus_message_open_container(m, 'a', "(yv)") >= 0);
        assert_true(sd_bus_message_open_container(m, 'r', "yv") >= 0);
        assert_true(sd_bus_message_append(m, "y", param) >= 0);
        assert_true(sd_bus_message_open_container(m, 'v', value_type) >= 0);
        assert_true(sd_bus_message_appendv(m, value_type, ap) >= 0);
        for (int i = 0; i < 3; i++)
                assert_true(sd_bus_message_close_container(m) >= 0);
        assert_true(sd_bus_message_append(m, "bbatatatatu", 0, 0, 0, 0, 0, 0, 0) >= 0);
        assert_true(sd_bus_message_close_container(m) >= 0);
        va_end(ap);
        seal(m);
        r = worker_hook_read(m, &hook);
        sd_bus_message_unref(m);
        return r;
}

static void what_can_be_no_hook(void **state)
{
        g_autofree char *n128 = g_strnfill(128, 'x'), *n127 = g_strnfill(127, 'x');

        (void)state;
        assert_int_equal(read_hook("xdp", KERN_PARAM_FUNCTION, "s", n127), 0);
        assert_int_equal(read_hook("xdp", KERN_PARAM_FUNCTION, "s", n128), -EINVAL);
        assert_int_equal(read_hook("xdp", KERN_PARAM_PID, "t", UINT64_MAX), 0);
        assert_int_equal(read_hook("xdp", KERN_PARAM_PID, "t", UINT64_C(1) << 31), -EINVAL);
        assert_int_equal(read_hook("xdp", KERN_PARAM_PRIORITY, "t", UINT64_C(1) << 32), -EINVAL);
        assert_true(read_hook("xdp", KERN_PARAM_PRIORITY, "s", "1") < 0);
        assert_true(read_hook("xdp", KERN_PARAM_COOKIES, "t", UINT64_C(1)) < 0);
        assert_int_equal(read_hook("xdp", KERN_PARAM_CGROUP, "t", UINT64_C(1)), -EINVAL);
        assert_int_equal(read_hook("xdp", _KERN_PARAM_MAX, "t", UINT64_C(1)), -EINVAL);
        assert_int_equal(read_hook("spaceship", KERN_PARAM_PID, "t", UINT64_C(1)), -EINVAL);
        assert_int_equal(read_hook("", KERN_PARAM_PID, "t", UINT64_C(1)), -EINVAL);
}

static unsigned count_descriptors(void)
{
        g_autoptr(GDir) dir = g_dir_open("/proc/self/fd", 0, NULL);
        unsigned n = 0;

        while (g_dir_read_name(dir))
                n++;
        return n;
}

static ino_t inode(int fd)
{
        struct stat st;

        assert_int_equal(fstat(fd, &st), 0);
        return st.st_ino;
}

static void descriptors_are_taken(void **state)
{
        sd_bus_message *m = message_new();
        int pipes[2], taken[2], fd;
        unsigned before;
        size_t n;
        char c;

        (void)state;
        assert_int_equal(pipe2(pipes, O_CLOEXEC), 0);
        assert_int_equal(worker_fds_append(m, pipes, 2), 0);
        assert_true(sd_bus_message_append(m, "s", "after") >= 0);
        seal(m);
        before = count_descriptors();
        assert_int_equal(worker_fds_take(m, taken, 2, &n), 0);
        assert_int_equal(n, 2);
        assert_int_equal(count_descriptors(), before + 2);
        assert_int_equal(inode(taken[0]), inode(pipes[0]));
        assert_true(taken[0] >= 3);
        for (int i = 0; i < 2; i++)
                assert_true(fcntl(taken[i], F_GETFD) & FD_CLOEXEC);

        /* Whoever took them has the last ones: what the message keeps is something else. */
        close(pipes[1]);
        close(taken[1]);
        assert_int_equal(read(pipes[0], &c, 1), 0);

        /* The position is behind the array. */
        assert_true(sd_bus_message_skip(m, "s") > 0);
        assert_true(sd_bus_message_rewind(m, 1) >= 0);
        assert_true(sd_bus_message_enter_container(m, 'a', "h") > 0);
        assert_true(sd_bus_message_read_basic(m, 'h', &fd) > 0);
        assert_int_equal(inode(fd), inode(STDIN_FILENO));
        close(pipes[0]);
        close(taken[0]);
        sd_bus_message_unref(m);
}

static void more_than_expected(void **state)
{
        int fds[] = {STDIN_FILENO, STDIN_FILENO, STDIN_FILENO}, taken[2];
        sd_bus_message *m = message_new();
        unsigned before;
        size_t n = 99;

        (void)state;
        assert_int_equal(worker_fds_append(m, fds, 3), 0);
        seal(m);
        before = count_descriptors();
        assert_int_equal(worker_fds_take(m, taken, 2, &n), -E2BIG);
        /* Nothing was kept, and nothing was said. */
        assert_int_equal(count_descriptors(), before);
        assert_int_equal(n, 99);
        sd_bus_message_unref(m);
}

static void none_and_something_else(void **state)
{
        sd_bus_message *m = message_new(), *wrong = message_new();
        size_t n = 99;
        int fd;

        (void)state;
        assert_int_equal(worker_fds_append(m, NULL, 0), 0);
        seal(m);
        assert_int_equal(worker_fds_take(m, &fd, 1, &n), 0);
        assert_int_equal(n, 0);
        sd_bus_message_unref(m);
        assert_true(sd_bus_message_append(wrong, "as", 1, "text") >= 0);
        seal(wrong);
        assert_true(worker_fds_take(wrong, &fd, 1, &n) < 0);
        sd_bus_message_unref(wrong);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
        const struct CMUnitTest tests[] = {
                TEST(hooks_come_back),     TEST(files_come_back),
                TEST(what_can_be_no_hook), TEST(descriptors_are_taken),
                TEST(more_than_expected),  TEST(none_and_something_else),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
