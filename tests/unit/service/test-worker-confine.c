/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * What a worker can still do in each role. A child enters the role and tries, since there is no way
 * back; it says how each attempt ended.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/capability.h>
#include <linux/landlock.h>
#include <linux/perf_event.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "worker-confine.h"

/* Each returns 0 where it was possible, or a negative errno. */

static int result(long r)
{
        return r < 0 ? -errno : 0;
}

static int open_file(const char *path, int flags)
{
        int fd = open(path, flags | O_CLOEXEC, 0600);

        if (fd < 0)
                return -errno;
        close(fd);
        return 0;
}

static int try_passwd(void)
{
        return open_file("/etc/passwd", O_RDONLY);
}

static int try_shadow(void)
{
        return open_file("/etc/shadow", O_RDONLY);
}

static int try_write_file(void)
{
        return open_file("/tmp/bpfkeeper-confined", O_WRONLY | O_CREAT);
}

static int try_write_proc(void)
{
        return open_file("/proc/sys/kernel/core_pattern", O_WRONLY);
}

static int try_other_process(void)
{
        char path[64];

        snprintf(path, sizeof(path), "/proc/%d/maps", getppid());
        return open_file(path, O_RDONLY);
}

static int try_btf(void)
{
        return open_file("/sys/kernel/btf/vmlinux", O_RDONLY);
}

static int try_own_maps(void)
{
        return open_file("/proc/self/maps", O_RDONLY);
}

static int try_socket(int domain, int type)
{
        return result(socket(domain, type | SOCK_CLOEXEC, 0));
}

static int try_unix(void)
{
        return try_socket(AF_UNIX, SOCK_STREAM);
}

static int try_inet(void)
{
        return try_socket(AF_INET, SOCK_STREAM);
}

static int try_packet(void)
{
        return try_socket(AF_PACKET, SOCK_RAW);
}

static int try_netlink(void)
{
        return try_socket(AF_NETLINK, SOCK_RAW);
}

static int a_socket[2]; /* that a caller has brought */

/* Of no program: what may be set is told that. EBADF is the kernel's own answer. */
static int set_option(int level, int option)
{
        const int value = -1;
        int r = result(setsockopt(a_socket[0], level, option, &value, sizeof(value)));

        return r == -EBADF ? 0 : r;
}

static int try_filter_socket(void)
{
        return set_option(SOL_SOCKET, SO_ATTACH_BPF);
}

static int try_choose_socket(void)
{
        return set_option(SOL_SOCKET, SO_ATTACH_REUSEPORT_EBPF);
}

static int try_socket_buffer(void)
{
        return set_option(SOL_SOCKET, SO_RCVBUF);
}

static int try_lock_filter(void)
{
        return set_option(SOL_SOCKET, SO_LOCK_FILTER);
}

static int try_keep_alive(void)
{
        return set_option(SOL_SOCKET, SO_KEEPALIVE);
}

/* The same number as of SO_ATTACH_BPF */
static int try_other_level(void)
{
        return set_option(IPPROTO_TCP, SO_ATTACH_BPF);
}

static int try_connect(void)
{
        struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = "/run/bpfkeeper/private"};

        return result(connect(a_socket[1], (struct sockaddr *)&address, sizeof(address)));
}

static int try_listen(void)
{
        return result(listen(a_socket[1], 1));
}

static int try_exec(void)
{
        return result(execl("/bin/true", "true", NULL));
}

static int try_execveat(void)
{
        return result(syscall(SYS_execveat, AT_FDCWD, "/bin/true", NULL, NULL, 0));
}

static int try_fork(void)
{
        long pid = syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);

        if (pid == 0)
                _exit(0);
        return result(pid);
}

static int try_ptrace(void)
{
        return result(ptrace(PTRACE_TRACEME, 0, NULL, NULL));
}

static int try_kill(void)
{
        return result(kill(getppid(), 0));
}

static int try_mount(void)
{
        return result(mount("none", "/mnt", "tmpfs", 0, NULL));
}

static int try_unshare(void)
{
        return result(unshare(CLONE_NEWUSER));
}

/* Of no descriptor: what may enter a namespace is told that. EBADF is the kernel's own answer. */
static int enter(int type)
{
        int r = result(setns(-1, type));

        return r == -EBADF ? 0 : r;
}

static int try_network_namespace(void)
{
        return enter(CLONE_NEWNET);
}

static int try_mount_namespace(void)
{
        return enter(CLONE_NEWNS);
}

static int try_any_namespace(void)
{
        return enter(0);
}

static int try_chroot(void)
{
        return result(chroot("/"));
}

static int try_setuid(void)
{
        return result(setuid(0));
}

static int try_module(void)
{
        return result(syscall(SYS_init_module, NULL, 0, ""));
}

static int try_reboot(void)
{
        /* Wrong magic: EINVAL where it is allowed, and nothing happens. */
        return result(syscall(SYS_reboot, 0, 0, 0, NULL));
}

static int try_memory_of_others(void)
{
        return result(syscall(SYS_process_vm_readv, getppid(), NULL, 0, NULL, 0, 0));
}

static int try_io_uring(void)
{
        return result(syscall(SYS_io_uring_setup, 1, NULL));
}

static int try_userfaultfd(void)
{
        return result(syscall(SYS_userfaultfd, 0));
}

/* What isn't refused for being asked fails for what it is asked with. */
static int try_bpf(int command)
{
        union bpf_attr attr = {0};

        attr.raw_tracepoint.prog_fd = UINT32_MAX;
        return syscall(SYS_bpf, command, &attr, sizeof(attr)) < 0 &&
                               (errno == EPERM || errno == EACCES)
                       ? -errno
                       : 0;
}

static int try_bpf_map_create(void)
{
        return try_bpf(BPF_MAP_CREATE);
}

static int try_bpf_prog_load(void)
{
        return try_bpf(BPF_PROG_LOAD);
}

static int try_bpf_test_run(void)
{
        return try_bpf(BPF_PROG_TEST_RUN);
}

static int try_bpf_info(void)
{
        return try_bpf(BPF_OBJ_GET_INFO_BY_FD);
}

static int try_bpf_link_create(void)
{
        return try_bpf(BPF_LINK_CREATE);
}

static int try_bpf_link_detach(void)
{
        return try_bpf(BPF_LINK_DETACH);
}

static int try_bpf_raw_tracepoint(void)
{
        return try_bpf(BPF_RAW_TRACEPOINT_OPEN);
}

static int try_bpf_program_by_id(void)
{
        return try_bpf(BPF_PROG_GET_FD_BY_ID);
}

static int try_bpf_map_by_id(void)
{
        return try_bpf(BPF_MAP_GET_FD_BY_ID);
}

static int try_bpf_link_by_id(void)
{
        return try_bpf(BPF_LINK_GET_FD_BY_ID);
}

static int try_bpf_attach(void)
{
        return try_bpf(BPF_PROG_ATTACH);
}

static int try_bpf_pin(void)
{
        return try_bpf(BPF_OBJ_PIN);
}

static int try_bpf_open_pin(void)
{
        return try_bpf(BPF_OBJ_GET);
}

/* Signals to others, by whatever call sends one, are the same as ending them. */

static int try_tgkill(void)
{
        return result(syscall(SYS_tgkill, getppid(), getppid(), 0));
}

static int try_tgkill_itself(void)
{
        return result(syscall(SYS_tgkill, getpid(), gettid(), 0));
}

static int try_own_descriptor(void)
{
        return result(fcntl(STDIN_FILENO, F_SETOWN, getppid()));
}

static int try_choose_signal(void)
{
        return result(fcntl(STDIN_FILENO, F_SETSIG, SIGKILL));
}

static int try_own_by_ioctl(void)
{
        int pid = getppid();

        return result(ioctl(STDIN_FILENO, FIOSETOWN, &pid));
}

static int try_duplicate(void)
{
        int fd = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);

        if (fd < 0)
                return -errno;
        close(fd);
        return 0;
}

static int try_limit_of_another(void)
{
        struct rlimit limit = {0, 0};

        return result(prlimit(getppid(), RLIMIT_NOFILE, &limit, NULL));
}

static int try_limit(void)
{
        struct rlimit limit;

        if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
                return -errno;
        limit.rlim_cur = limit.rlim_max;
        return result(setrlimit(RLIMIT_NOFILE, &limit));
}

static int try_look_at_limit(void)
{
        struct rlimit limit;

        return result(getrlimit(RLIMIT_NOFILE, &limit));
}

static int try_being_root(void)
{
        return geteuid() == 0 || getegid() == 0 || getuid() == 0 ? 0 : -EPERM;
}

static int try_prctl(void)
{
        return result(prctl(PR_SET_DUMPABLE, 1, 0, 0, 0));
}

static int try_place(void)
{
        return result(open("/root", O_PATH | O_DIRECTORY | O_CLOEXEC));
}

static int try_read_directory(void)
{
        return result(open("/root", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
}

static int try_mkdir(void)
{
        return result(mkdir("/tmp/bpfkeeper-confined", 0700));
}

static int try_unlink(void)
{
        return result(unlink("/proc/version"));
}

static int try_lock(void)
{
        return result(flock(STDIN_FILENO, LOCK_UN));
}

/* As libxdp has them, for an interface that there can't be */
static int try_pin_directory(void)
{
        static const char path[] = "/sys/fs/bpf/xdp/dispatch-0-0";
        int r = result(mkdir(path, 0700));

        return r < 0 ? r : result(rmdir(path));
}

static int try_dispatcher(void)
{
        return open_file(LIBXDP_OBJECTS "/xdp-dispatcher.o", O_RDONLY);
}

static int try_perf(void)
{
        struct perf_event_attr attr = {
                .type = PERF_TYPE_SOFTWARE,
                .size = sizeof(attr),
                .config = PERF_COUNT_SW_DUMMY,
        };

        return result(syscall(SYS_perf_event_open, &attr, 0, -1, -1, PERF_FLAG_FD_CLOEXEC));
}

static int try_memfd(void)
{
        return result(memfd_create("x", MFD_CLOEXEC));
}

static int try_memory(void)
{
        void *p = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

        return p == MAP_FAILED ? -errno : 0;
}

static int try_capability_back(void)
{
        return result(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_SYS_ADMIN, 0, 0));
}

enum { INSPECT = 1, LOAD = 2, ATTACH = 4, PROBE = 8, XDP = 16, LOOK = 32, NOBODY = 0, ALL = 63 };

static const struct Attempt {
        const char *what;
        int (*attempt)(void);
        unsigned allowed;  /* roles that may */
        unsigned landlock; /* roles in which only Landlock forbids it */
} attempts[] = {
        {"use memory", try_memory, ALL, 0},
        {"make a memfd", try_memfd, ALL, 0},
        {"open /etc/passwd", try_passwd, NOBODY, LOAD | ATTACH | XDP | PROBE},
        {"open /etc/shadow", try_shadow, NOBODY, LOAD | ATTACH | XDP | PROBE},
        {"write a file", try_write_file, NOBODY, 0},
        {"write to /proc/sys", try_write_proc, NOBODY, 0},
        {"look at another process", try_other_process, NOBODY, LOAD | ATTACH | XDP | PROBE},
        {"open the kernel's BTF", try_btf, LOAD | ATTACH | XDP | PROBE, 0},
        {"open /proc/self", try_own_maps, LOAD | ATTACH | PROBE, XDP},
        {"make a Unix socket", try_unix, NOBODY, 0},
        {"make an Internet socket", try_inet, NOBODY, 0},
        {"make a packet socket", try_packet, NOBODY, 0},
        {"make a netlink socket", try_netlink, ATTACH | XDP | LOOK | PROBE, 0},
        {"set a socket's filter", try_filter_socket, ATTACH, 0},
        {"choose among sockets", try_choose_socket, ATTACH, 0},
        {"set a socket's buffer", try_socket_buffer, ATTACH | XDP | LOOK | PROBE, 0},
        {"lock a socket's filter", try_lock_filter, NOBODY, 0},
        {"set another option of a socket", try_keep_alive, NOBODY, 0},
        {"set an option of a protocol", try_other_level, NOBODY, 0},
        {"connect", try_connect, NOBODY, 0},
        {"listen", try_listen, NOBODY, 0},
        {"execute a program", try_exec, NOBODY, 0},
        {"execute a program at", try_execveat, NOBODY, 0},
        {"fork", try_fork, NOBODY, 0},
        {"ptrace", try_ptrace, NOBODY, 0},
        {"kill", try_kill, NOBODY, 0},
        {"mount", try_mount, NOBODY, 0},
        {"unshare", try_unshare, NOBODY, 0},
        {"enter a network namespace", try_network_namespace, ATTACH | XDP | LOOK, 0},
        {"enter a mount namespace", try_mount_namespace, NOBODY, 0},
        {"enter any namespace", try_any_namespace, NOBODY, 0},
        {"chroot", try_chroot, NOBODY, 0},
        {"set its uid", try_setuid, NOBODY, 0},
        {"load a module", try_module, NOBODY, 0},
        {"reboot", try_reboot, NOBODY, 0},
        {"read another process's memory", try_memory_of_others, NOBODY, 0},
        {"use io_uring", try_io_uring, NOBODY, 0},
        {"use userfaultfd", try_userfaultfd, NOBODY, 0},
        {"raise a capability", try_capability_back, NOBODY, 0},
        {"change what it is to the kernel", try_prctl, NOBODY, 0},
        {"be root", try_being_root, LOAD | ATTACH | XDP | LOOK | PROBE, 0},
        {"signal another process", try_tgkill, NOBODY, 0},
        {"signal itself", try_tgkill_itself, ALL, 0},
        {"have signals sent to another", try_own_descriptor, NOBODY, 0},
        {"choose which", try_choose_signal, NOBODY, 0},
        {"have signals sent by ioctl", try_own_by_ioctl, NOBODY, 0},
        {"duplicate a descriptor", try_duplicate, ALL, 0},
        {"limit another process", try_limit_of_another, NOBODY, 0},
        {"change a limit", try_limit, NOBODY, 0},
        {"look at a limit", try_look_at_limit, ALL, 0},
        {"make a map", try_bpf_map_create, LOAD | XDP | PROBE, 0},
        {"load a program", try_bpf_prog_load, LOAD | XDP | PROBE, 0},
        {"run a program", try_bpf_test_run, LOAD | XDP | PROBE, 0},
        {"look at a program", try_bpf_info, LOAD | ATTACH | XDP | LOOK | PROBE, 0},
        {"make a link", try_bpf_link_create, ATTACH | XDP | PROBE, 0},
        {"detach a link", try_bpf_link_detach, ATTACH | XDP | PROBE, 0},
        {"make a raw tracepoint", try_bpf_raw_tracepoint, ATTACH | XDP | PROBE, 0},
        {"get a program by its id", try_bpf_program_by_id, ATTACH | XDP | LOOK | PROBE, 0},
        {"get a map by its id", try_bpf_map_by_id, XDP | LOOK, 0},
        {"get a link by its id", try_bpf_link_by_id, LOOK, 0},
        {"attach a program", try_bpf_attach, ATTACH | XDP | PROBE, 0},
        {"pin", try_bpf_pin, XDP, 0},
        {"open a pin", try_bpf_open_pin, XDP | LOOK, 0},
        {"know a directory by its place", try_place, LOAD | ATTACH | XDP | LOOK | PROBE, 0},
        {"read a directory", try_read_directory, NOBODY, LOAD | ATTACH | XDP | PROBE},
        {"make a directory", try_mkdir, NOBODY, XDP},
        {"remove a file", try_unlink, NOBODY, XDP},
        {"lock", try_lock, XDP, 0},
        {"make a pin's directory", try_pin_directory, XDP, 0},
        {"open libxdp's dispatcher", try_dispatcher, XDP, LOAD | ATTACH | PROBE},
        {"open a perf event", try_perf, ATTACH | XDP | PROBE, 0},
};

#define N_ATTEMPTS (sizeof(attempts) / sizeof(attempts[0]))

typedef struct Report {
        int start, enter, enter_again, enter_other;
        int attempts[N_ATTEMPTS];
} Report;

static bool has_landlock(void)
{
        return syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION) > 0;
}

static void try_all(WorkerRole role, int fd)
{
        WorkerRole other = role == WORKER_ROLE_ATTACH ? WORKER_ROLE_LOAD : WORKER_ROLE_ATTACH;
        Report report = {0};

        report.start = worker_confine_start();
        report.enter = worker_confine_enter(role);
        report.enter_again = worker_confine_enter(role);
        report.enter_other = worker_confine_enter(other);
        for (size_t i = 0; i < N_ATTEMPTS && report.enter == 0; i++)
                report.attempts[i] = attempts[i].attempt();
        if (write(fd, &report, sizeof(report)) != sizeof(report))
                _exit(1);
        _exit(0);
}

static void run(WorkerRole role, unsigned bit)
{
        Report report;
        int pipes[2], status;
        unsigned wrong = 0;
        pid_t pid;

        assert_int_equal(pipe2(pipes, O_CLOEXEC), 0);
        pid = fork();
        assert_true(pid >= 0);
        if (pid == 0)
                try_all(role, pipes[1]);
        close(pipes[1]);
        /* An exec that succeeds is one that says nothing. */
        assert_int_equal(read(pipes[0], &report, sizeof(report)), sizeof(report));
        close(pipes[0]);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
        assert_int_equal(report.start, 0);
        assert_int_equal(report.enter, 0);
        assert_int_equal(report.enter_again, 0);
        assert_int_equal(report.enter_other, -EPERM);
        for (size_t i = 0; i < N_ATTEMPTS; i++) {
                const struct Attempt *a = &attempts[i];
                bool was_possible = report.attempts[i] == 0;

                /* Where a kernel hasn't got it, that is no proof of anything. */
                if (report.attempts[i] == -ENOENT && (a->allowed & bit))
                        continue;
                if ((a->landlock & bit) && !has_landlock()) {
                        print_message("not checked without Landlock: %s\n", a->what);
                        continue;
                }
                if (was_possible != !!(a->allowed & bit) ||
                    (!was_possible && report.attempts[i] != -EPERM &&
                     report.attempts[i] != -EACCES)) {
                        print_error("%s: %s\n", a->what, strerror(-report.attempts[i]));
                        wrong++;
                }
        }
        assert_int_equal(wrong, 0);
}

static void inspecting(void **state)
{
        (void)state;
        run(WORKER_ROLE_INSPECT, INSPECT);
}

static void loading(void **state)
{
        (void)state;
        run(WORKER_ROLE_LOAD, LOAD);
}

static void sharing(void **state)
{
        (void)state;
        if (mkdir("/sys/fs/bpf/xdp", 0700) < 0 && errno != EEXIST)
                skip(); /* nowhere to have pins */
        run(WORKER_ROLE_DISPATCH, XDP);
}

static void attaching(void **state)
{
        (void)state;
        run(WORKER_ROLE_ATTACH, ATTACH);
}

static void looking(void **state)
{
        (void)state;
        run(WORKER_ROLE_LOOK, LOOK);
}

static void probing(void **state)
{
        (void)state;
        run(WORKER_ROLE_PROBE, PROBE);
}

/* It leaves no core file behind, and ends with whoever started it. */
static void every_worker(void **state)
{
        int pipes[2], values[3] = {-1, -1, -1};
        pid_t pid;

        (void)state;
        assert_int_equal(pipe2(pipes, O_CLOEXEC), 0);
        pid = fork();
        if (pid == 0) {
                struct rlimit core;

                if (worker_confine_start() == 0 && getrlimit(RLIMIT_CORE, &core) == 0) {
                        values[0] = (int)core.rlim_cur;
                        values[1] = prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0);
                        (void)prctl(PR_GET_PDEATHSIG, &values[2]);
                }
                _exit(write(pipes[1], values, sizeof(values)) == sizeof(values) ? 0 : 1);
        }
        assert_int_equal(read(pipes[0], values, sizeof(values)), sizeof(values));
        close(pipes[0]);
        close(pipes[1]);
        assert_int_equal(waitpid(pid, NULL, 0), pid);
        assert_int_equal(values[0], 0);
        assert_int_equal(values[1], 1);
        assert_int_equal(values[2], SIGKILL);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(every_worker), cmocka_unit_test(inspecting),
                cmocka_unit_test(loading),      cmocka_unit_test(attaching),
                cmocka_unit_test(looking),      cmocka_unit_test(sharing),
                cmocka_unit_test(probing),
        };

        if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, a_socket) < 0)
                return 1;
        if (geteuid() != 0) {
                fprintf(stderr, "skipped: giving up privileges takes some\n");
                return 77;
        }
        return cmocka_run_group_tests(tests, NULL, NULL);
}
