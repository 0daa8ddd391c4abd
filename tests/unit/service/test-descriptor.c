/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "test-service.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/magic.h>

#include "descriptor.h"

static char *directory;

static int set_up(void **state)
{
        g_autofree char *made = make_directory();

        (void)state;
        /* As it is without symbolic links, which /tmp may be. */
        directory = realpath(made, NULL);
        assert_non_null(directory);
        return 0;
}

static int tear_down(void **state)
{
        (void)state;
        remove_tree(directory);
        free(directory);
        return 0;
}

static int open_at(const char *name, int flags)
{
        g_autofree char *path = g_build_filename(directory, name, NULL);
        int fd = open(path, flags | O_CLOEXEC, 0600);

        assert_true(fd >= 0);
        return fd;
}

static void readable(void **state)
{
        static const struct {
                int flags;
                bool readable;
        } modes[] = {
                {O_RDONLY | O_CREAT, true},   {O_RDWR, true},  {O_WRONLY, false},
                {O_WRONLY | O_APPEND, false}, {O_PATH, false},
        };
        int pipes[2];

        (void)state;
        for (size_t i = 0; i < G_N_ELEMENTS(modes); i++) {
                int fd = open_at("file", modes[i].flags);

                assert_int_equal(descriptor_is_readable(fd), modes[i].readable);
                close(fd);
        }
        assert_int_equal(pipe(pipes), 0);
        assert_true(descriptor_is_readable(pipes[0]));
        assert_false(descriptor_is_readable(pipes[1]));
        close(pipes[0]);
        close(pipes[1]);
        assert_false(descriptor_is_readable(-1));
}

static void regular(void **state)
{
        int file = open_at("file", O_RDONLY | O_CREAT), dir = open_at(".", O_RDONLY | O_DIRECTORY);
        int null = open("/dev/null", O_RDONLY | O_CLOEXEC), memfd = memfd_create("m", MFD_CLOEXEC);

        (void)state;
        assert_true(descriptor_is_regular(file));
        assert_true(descriptor_is_regular(memfd));
        assert_false(descriptor_is_regular(dir));
        assert_false(descriptor_is_regular(null));
        assert_false(descriptor_is_regular(-1));
        close(file);
        close(dir);
        close(null);
        close(memfd);
}

static void assert_path(int fd, const char *prefix, const char *name)
{
        g_autofree char *path = descriptor_path(fd);
        g_autofree char *expected = g_strconcat(prefix, directory, "/", name, NULL);

        assert_string_equal(path, expected);
}

static void assert_unverified(int fd)
{
        g_autofree char *path = descriptor_path(fd);

        assert_true(g_str_has_prefix(path, "unverified:"));
        assert_true(g_utf8_validate(path, -1, NULL));
}

static void paths(void **state)
{
        g_autofree char *file = g_build_filename(directory, "file", NULL);
        g_autofree char *moved = g_build_filename(directory, "moved", NULL);
        g_autofree char *symbolic = g_build_filename(directory, "symbolic", NULL);
        int fd = open_at("file", O_RDONLY | O_CREAT), other;

        (void)state;
        assert_path(fd, "", "file");
        /* What it is called now, and not by which name it was opened. */
        assert_int_equal(rename(file, moved), 0);
        assert_path(fd, "", "moved");
        assert_int_equal(symlink(moved, symbolic), 0);
        other = open_at("symbolic", O_RDONLY);
        assert_path(other, "", "moved");
        close(other);
        /* Something else is there. */
        assert_int_equal(unlink(moved), 0);
        assert_unverified(fd);
        assert_int_equal(symlink("/etc/passwd", moved), 0);
        assert_unverified(fd);
        close(fd);
}

/* A name that says what the kernel adds for a file that is gone. */
static void a_file_that_calls_itself_deleted(void **state)
{
        g_autofree char *file = g_build_filename(directory, "file", NULL);
        int fd = open_at("file", O_RDONLY | O_CREAT), decoy;

        (void)state;
        decoy = open_at("file (deleted)", O_RDONLY | O_CREAT);
        assert_path(decoy, "", "file (deleted)");
        assert_int_equal(unlink(file), 0);
        assert_path(fd, "unverified:", "file (deleted)");
        close(fd);
        close(decoy);
}

static void what_has_no_path(void **state)
{
        int memfd = memfd_create("/usr/bin/true", MFD_CLOEXEC), pipes[2];

        (void)state;
        assert_unverified(memfd);
        assert_int_equal(pipe(pipes), 0);
        assert_unverified(pipes[0]);
        assert_unverified(-1);
        close(memfd);
        close(pipes[0]);
        close(pipes[1]);
}

static void names_that_are_no_text(void **state)
{
        int fd = open_at("n\xff\xfe", O_RDONLY | O_CREAT);

        (void)state;
        assert_unverified(fd);
        close(fd);
}

static void no_cgroups(void **state)
{
        static const char *const names[] = {
                "",
                "/",
                "/etc",
                "sys/fs/cgroup",
                "/sys/fs/cgroupx",
                "/sys/fs/cgrou",
                "/sys/fs",
                "/sys/fs/cgroup/../../../etc",
                "/sys/fs/cgroup/..",
                "/sys/fs/cgroup//../../..",
                "/sys/fs/cgroup/no/such/group",
                "/sys/fs/cgroup/cgroup.procs",
        };
        int dir = open_at(".", O_RDONLY | O_DIRECTORY), file = open_at("file", O_RDONLY | O_CREAT);
        uint64_t id;

        (void)state;
        for (size_t i = 0; i < G_N_ELEMENTS(names); i++)
                assert_true(descriptor_open_cgroup(names[i]) < 0);
        assert_false(descriptor_is_cgroup(dir, &id));
        assert_false(descriptor_is_cgroup(file, &id));
        assert_false(descriptor_is_cgroup(-1, &id));
        close(dir);
        close(file);
}

static void a_cgroup(void **state)
{
        static const char *const names[] = {"/sys/fs/cgroup", "/sys/fs/cgroup/",
                                            "/sys/fs/cgroup//"};
        struct statfs fs;
        struct stat st;

        (void)state;
        if (statfs("/sys/fs/cgroup", &fs) < 0 || fs.f_type != CGROUP2_SUPER_MAGIC)
                skip(); /* no cgroup version 2 */
        for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
                int fd = descriptor_open_cgroup(names[i]);
                uint64_t id = 0;

                assert_true(fd >= 0);
                assert_true(descriptor_is_cgroup(fd, &id));
                assert_int_equal(fstat(fd, &st), 0);
                assert_int_equal(id, st.st_ino);
                close(fd);
        }
}

static int open_pidfd(pid_t pid)
{
        return (int)syscall(SYS_pidfd_open, pid, 0);
}

static void processes(void **state)
{
        int file = open_at("file", O_RDONLY | O_CREAT), self = open_pidfd(getpid()), fd;
        pid_t pid = 0, child;

        (void)state;
        assert_int_equal(descriptor_process(self, &pid), 0);
        assert_int_equal(pid, getpid());
        assert_int_equal(descriptor_process(file, &pid), -EBADF);
        assert_int_equal(descriptor_process(-1, &pid), -EBADF);
        child = fork();
        if (child == 0)
                _exit(0);
        fd = open_pidfd(child);
        assert_true(fd >= 0);
        assert_int_equal(waitpid(child, NULL, 0), child);
        assert_int_equal(descriptor_process(fd, &pid), -ESRCH);
        close(fd);
        close(self);
        close(file);
}

static void devices(void **state)
{
        int null = open("/dev/null", O_WRONLY | O_CLOEXEC), place = open("/dev/null", O_PATH);
        int file = open_at("file", O_RDONLY | O_CREAT);
        g_autofree char *path = NULL;
        uint64_t number = 0;
        struct stat st;

        (void)state;
        assert_true(descriptor_is_writable(null));
        assert_false(descriptor_is_writable(place));
        assert_false(descriptor_is_writable(file));
        assert_false(descriptor_is_writable(-1));
        assert_int_equal(descriptor_device(null, "lirc", &number, &path), -ENOTTY);
        assert_int_equal(descriptor_device(file, "mem", &number, &path), -ENOTTY);
        assert_int_equal(descriptor_device(-1, "mem", &number, &path), -ENOTTY);
        assert_null(path);
        assert_false(descriptor_device_exists(makedev(4095, 1), "mem"));
        assert_int_equal(fstat(null, &st), 0);
        if (descriptor_device_exists(st.st_rdev, "mem")) { /* there is a sysfs */
                assert_int_equal(descriptor_device(null, "mem", &number, &path), 0);
                assert_int_equal(number, st.st_rdev);
                assert_string_equal(path, "/dev/null");
        }
        close(null);
        close(place);
        close(file);
}

static void sockets(void **state)
{
        int fds[2], datagram = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), place, bound;
        int file = open_at("file", O_RDONLY | O_CREAT);
        g_autofree char *path = g_build_filename(directory, "socket", NULL);
        struct sockaddr_un address = {.sun_family = AF_UNIX};
        g_autofree char *text = NULL, *stream = NULL;
        struct stat st;

        (void)state;
        assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
        assert_int_equal(descriptor_socket(fds[0], &text), -ENOTSOCK);
        assert_int_equal(descriptor_socket(file, &text), -ENOTSOCK);
        assert_int_equal(descriptor_socket(-1, &text), -EBADF);
        assert_null(text);
        assert_string_equal(descriptor_kind(fds[0]), "a pipe");
        assert_string_equal(descriptor_kind(file), "a file");
        assert_string_equal(descriptor_kind(-1), "something else");
        close(fds[0]);
        close(fds[1]);
        close(file);

        /* A socket's file is a socket to stat(2), and none to open(2). */
        bound = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        assert_true(g_strlcpy(address.sun_path, path, sizeof(address.sun_path)) <
                    sizeof(address.sun_path));
        assert_int_equal(bind(bound, (struct sockaddr *)&address, sizeof(address)), 0);
        place = open_at("socket", O_PATH);
        assert_int_equal(descriptor_socket(place, &text), -EBADF);
        close(place);

        assert_string_equal(descriptor_kind(bound), "a socket");
        assert_int_equal(descriptor_socket(bound, &stream), 0);
        assert_true(g_str_has_prefix(stream, "UNIX-STREAM socket:["));
        assert_int_equal(descriptor_socket(datagram, &text), 0);
        assert_int_equal(fstat(datagram, &st), 0);
        g_free(stream);
        stream = g_strdup_printf("UDP socket:[%" G_GUINT64_FORMAT "]", (guint64)st.st_ino);
        assert_string_equal(text, stream);
        close(bound);
        close(datagram);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
        const struct CMUnitTest tests[] = {
                TEST(readable),
                TEST(regular),
                TEST(paths),
                TEST(a_file_that_calls_itself_deleted),
                TEST(what_has_no_path),
                TEST(names_that_are_no_text),
                TEST(no_cgroups),
                TEST(a_cgroup),
                TEST(processes),
                TEST(devices),
                TEST(sockets),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
