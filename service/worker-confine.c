/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "worker-confine.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <cap-ng.h>
#include <linux/landlock.h>
#include <linux/perf_event.h>
#include <linux/sockios.h>
#include <seccomp.h>

#include "kern-commands.h"

#define ARRAY_SIZE(x) (sizeof(x) / sizeof((x)[0]))

/* Not in the C library's headers without asking for more than is wanted. */
#ifndef F_ADD_SEALS
#define F_ADD_SEALS 1033
#define F_GET_SEALS 1034
#endif

#ifdef SYS_lsm_list_modules
#define LSM_LIST_MODULES SYS_lsm_list_modules
#else
#define LSM_LIST_MODULES 461 /* on every architecture that has it */
#endif

#define LIBXDP_PINS "/sys/fs/bpf/xdp"

/* Nobody's: what runs as it can do nothing to any process that matters. */
#define NOBODY 65534

/*
 * Capabilities by role; the list ends with -1. CAP_SYS_ADMIN is for attaching only: the kernel asks
 * for it where perf_event_open(2) makes a uprobe, and for programs, maps and BTF by id. It is never there where an
 * object file is parsed. CAP_SETUID and CAP_SETGID are for becoming nobody.
 */
static const int capabilities[_WORKER_ROLE_MAX][7] = {
        [WORKER_ROLE_NONE] = {CAP_BPF, CAP_PERFMON, CAP_NET_ADMIN, CAP_SYS_ADMIN, CAP_SETUID,
                              CAP_SETGID, -1},
        [WORKER_ROLE_INSPECT] = {-1},
        [WORKER_ROLE_LOAD] = {CAP_BPF, CAP_PERFMON, CAP_NET_ADMIN, -1},
        [WORKER_ROLE_ATTACH] = {CAP_BPF, CAP_PERFMON, CAP_NET_ADMIN, CAP_SYS_ADMIN, -1},
        [WORKER_ROLE_DISPATCH] = {CAP_BPF, CAP_PERFMON, CAP_NET_ADMIN, CAP_SYS_ADMIN, -1},
        [WORKER_ROLE_LOOK] = {CAP_BPF, CAP_NET_ADMIN, CAP_SYS_ADMIN, -1},
        [WORKER_ROLE_PROBE] = {CAP_BPF, CAP_PERFMON, CAP_NET_ADMIN, CAP_SYS_ADMIN, -1},
};

static int keep_capabilities(WorkerRole role)
{
        capng_clear(CAPNG_SELECT_BOTH);
        for (const int *c = capabilities[role]; *c >= 0; c++) {
                if (capng_update(CAPNG_ADD, CAPNG_EFFECTIVE | CAPNG_PERMITTED, (unsigned)*c) < 0)
                        return -EPERM;
        }
        return capng_apply(CAPNG_SELECT_CAPS) < 0 ? -EPERM : 0;
}

/*
 * What needs no privilege runs as a user who owns nothing, if this process may become somebody else.
 * That clears the capabilities and the signal for the daemon's end, and makes the process one that
 * others of that user can't trace.
 */
static int become_nobody(void)
{
        pid_t daemon = getppid();

        if ((setgroups(0, NULL) < 0 || setresgid(NOBODY, NOBODY, NOBODY) < 0 ||
             setresuid(NOBODY, NOBODY, NOBODY) < 0) &&
            errno != EPERM && errno != EINVAL && errno != EAGAIN)
                return -errno;
        if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
                return -errno;
        return getppid() == daemon ? 0 : -ESRCH;
}

/* Where memory gets tight, one request ends before the daemon does. Raising it takes no privilege. */
static void offer_to_be_killed(void)
{
        static const char score[] = "500";
        int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);

        if (fd < 0)
                return;
        if (write(fd, score, sizeof(score) - 1) < 0)
                fprintf(stderr, "bpfkeeper-worker is not killed first when memory is short.\n");
        close(fd);
}

int worker_confine_start(void)
{
        struct rlimit none = {0, 0};

        offer_to_be_killed();

        /* The daemon's end is also the end of what it asked for. */
        if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || setrlimit(RLIMIT_CORE, &none) < 0 ||
            prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
                return -errno;
        /* Needs CAP_SETPCAP, so before that goes; what isn't in the permitted set can't come back
         * without an exec, and no exec is allowed, so a bounding set that stays is no hole. */
        capng_clear(CAPNG_SELECT_BOTH);
        for (const int *c = capabilities[WORKER_ROLE_NONE]; *c >= 0; c++)
                capng_update(CAPNG_ADD, CAPNG_EFFECTIVE | CAPNG_PERMITTED, (unsigned)*c);
        if (capng_apply(CAPNG_SELECT_BOUNDS) < 0)
                fprintf(stderr, "bpfkeeper-worker keeps its capability bounding set.\n");
        return keep_capabilities(WORKER_ROLE_NONE);
}

#define READ_TREE (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR)
#define ALL_OF_ABI_1 (LANDLOCK_ACCESS_FS_MAKE_SYM * 2 - 1)

/* Files that libbpf reads, and nothing is ever written; what isn't there is left out. */
static const struct {
        const char *path;
        bool is_dir;
} paths[] = {
        {"/sys/kernel/btf", true},     /* CO-RE, fentry */
        {"/sys/kernel/tracing", true}, /* tracepoint ids */
        {"/sys/kernel/debug/tracing", true},
        {"/sys/kernel/security/lsm", false},     /* whether BPF is among them */
        {"/sys/devices/system/cpu", true},       /* per-CPU maps */
        {"/sys/bus/event_source/devices", true}, /* kprobe and uprobe PMUs, and where */
        {"/sys/devices/kprobe", true},           /* that one's links lead to */
        {"/sys/devices/uprobe", true},
        {"/proc/self", true},
        {"/proc/kallsyms", false},  /* ksym externs */
        {"/proc/config.gz", false}, /* kconfig externs */
        {"/proc/version_signature", false},
        {"/proc/sys/kernel", true},
};

static int allow_access(int ruleset, const char *path, bool is_dir, uint64_t access)
{
        struct landlock_path_beneath_attr rule = {.allowed_access = access};
        int r = 0;

        rule.parent_fd = open(path, O_PATH | O_CLOEXEC | (is_dir ? O_DIRECTORY : 0));
        if (rule.parent_fd < 0)
                return errno == ENOENT || errno == ENOTDIR ? 0 : -errno;
        if (syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) < 0)
                r = -errno;
        close(rule.parent_fd);
        return r;
}

static int allow(int ruleset, const char *path, bool is_dir)
{
        return allow_access(ruleset, path, is_dir,
                            is_dir ? READ_TREE : LANDLOCK_ACCESS_FS_READ_FILE);
}

/* libxdp's dispatcher to load, and its pins, which are directories with pins in them. */
static int allow_libxdp(int ruleset)
{
        int r;

        r = allow(ruleset, LIBXDP_OBJECTS, true);
        if (r < 0)
                return r;
        return allow_access(ruleset, LIBXDP_PINS, true,
                            LANDLOCK_ACCESS_FS_READ_DIR | LANDLOCK_ACCESS_FS_MAKE_DIR |
                                    LANDLOCK_ACCESS_FS_MAKE_REG | LANDLOCK_ACCESS_FS_REMOVE_DIR |
                                    LANDLOCK_ACCESS_FS_REMOVE_FILE);
}

static int allow_all(int ruleset, WorkerRole role)
{
        struct utsname uts;
        char config[sizeof(uts.release) + 16];
        int r;

        /* Parses what it was handed, and that is all. */
        if (role == WORKER_ROLE_INSPECT)
                return 0;
        /* Pins are no files to Landlock, and it needs nothing else. */
        if (role == WORKER_ROLE_LOOK)
                return 0;
        if (role == WORKER_ROLE_DISPATCH) {
                /* what an iterator goes over, where a module has it */
                r = allow(ruleset, "/sys/kernel/btf", true);
                return r < 0 ? r : allow_libxdp(ruleset);
        }
        for (size_t i = 0; i < ARRAY_SIZE(paths); i++) {
                r = allow(ruleset, paths[i].path, paths[i].is_dir);
                if (r < 0)
                        return r;
        }
        if (uname(&uts) < 0)
                return -errno;
        snprintf(config, sizeof(config), "/boot/config-%s", uts.release);
        return allow(ruleset, config, false);
}

static int restrict_files(WorkerRole role)
{
        struct landlock_ruleset_attr attr = {.handled_access_fs = ALL_OF_ABI_1};
        int ruleset, r;

        ruleset = (int)syscall(SYS_landlock_create_ruleset, &attr, sizeof(attr), 0);
        if (ruleset < 0)
                /* Kernels without it: capabilities and seccomp have to do. */
                return errno == ENOSYS || errno == EOPNOTSUPP ? 0 : -errno;
        r = allow_all(ruleset, role);
        if (r == 0 && syscall(SYS_landlock_restrict_self, ruleset, 0) < 0)
                r = -errno;
        close(ruleset);
        return r;
}

/* What every role needs: memory, time, its socket, descriptors that it has; see allow_common(). */
static const int common_calls[] = {
        SCMP_SYS(read),
        SCMP_SYS(readv),
        SCMP_SYS(write),
        SCMP_SYS(writev),
        SCMP_SYS(pread64),
        SCMP_SYS(pwrite64),
        SCMP_SYS(lseek),
        SCMP_SYS(close),
        SCMP_SYS(fstat),
        SCMP_SYS(dup),
        SCMP_SYS(dup2),
        SCMP_SYS(dup3),
        SCMP_SYS(ftruncate),
        SCMP_SYS(memfd_create),
        SCMP_SYS(sendfile),
        SCMP_SYS(mmap),
        SCMP_SYS(munmap),
        SCMP_SYS(mprotect),
        SCMP_SYS(mremap),
        SCMP_SYS(madvise),
        SCMP_SYS(brk),
        SCMP_SYS(rt_sigaction),
        SCMP_SYS(rt_sigprocmask),
        SCMP_SYS(rt_sigreturn),
        SCMP_SYS(sigaltstack),
        SCMP_SYS(poll),
        SCMP_SYS(ppoll),
        SCMP_SYS(epoll_create1),
        SCMP_SYS(epoll_ctl),
        SCMP_SYS(epoll_wait),
        SCMP_SYS(epoll_pwait),
        SCMP_SYS(sendmsg),
        SCMP_SYS(recvmsg),
        SCMP_SYS(sendto),
        SCMP_SYS(recvfrom),
        SCMP_SYS(getsockopt),
        SCMP_SYS(getsockname),
        SCMP_SYS(getpeername),
        SCMP_SYS(shutdown),
        SCMP_SYS(futex),
        SCMP_SYS(set_robust_list),
        SCMP_SYS(rseq),
        SCMP_SYS(getpid),
        SCMP_SYS(gettid),
        SCMP_SYS(getppid),
        SCMP_SYS(getuid),
        SCMP_SYS(geteuid),
        SCMP_SYS(getgid),
        SCMP_SYS(getegid),
        SCMP_SYS(getresuid),
        SCMP_SYS(getresgid),
        SCMP_SYS(clock_gettime),
        SCMP_SYS(clock_getres),
        SCMP_SYS(gettimeofday),
        SCMP_SYS(time),
        SCMP_SYS(nanosleep),
        SCMP_SYS(clock_nanosleep),
        SCMP_SYS(getrandom),
        SCMP_SYS(sched_yield),
        SCMP_SYS(sched_getaffinity),
        SCMP_SYS(uname),
        SCMP_SYS(sysinfo),
        SCMP_SYS(getrlimit),
        SCMP_SYS(getrusage),
        SCMP_SYS(exit),
        SCMP_SYS(exit_group),
        SCMP_SYS(restart_syscall),
        SCMP_SYS(seccomp),
};

/* What takes a look at files, where Landlock leaves any. */
static const int file_calls[] = {
        SCMP_SYS(newfstatat), SCMP_SYS(stat),       SCMP_SYS(lstat),      SCMP_SYS(statx),
        SCMP_SYS(access),     SCMP_SYS(faccessat),  SCMP_SYS(faccessat2), SCMP_SYS(readlink),
        SCMP_SYS(readlinkat), SCMP_SYS(getdents64), SCMP_SYS(fstatfs),    SCMP_SYS(statfs),
};

/* fcntl(2) without F_SETOWN and F_SETSIG, by which uid 0 can have any process of uid 0 killed. */
static const uint64_t fcntl_commands[] = {
        F_DUPFD, F_DUPFD_CLOEXEC, F_GETFD, F_SETFD, F_GETFL, F_SETFL, F_ADD_SEALS, F_GET_SEALS,
};

/* ioctl(2) likewise has FIOSETOWN and SIOCSPGRP. */
static const uint64_t attach_ioctls[] = {PERF_EVENT_IOC_ENABLE, SIOCGIFNAME};
static const uint64_t look_ioctls[] = {SIOCGIFNAME};

static int allow_calls(scmp_filter_ctx filter, const int *calls, size_t n)
{
        for (size_t i = 0; i < n; i++) {
                int r = seccomp_rule_add(filter, SCMP_ACT_ALLOW, calls[i], 0);

                if (r < 0)
                        return r;
        }
        return 0;
}

/* A call whose argument number @argument must be one of these. */
static int allow_values(scmp_filter_ctx filter, int call, unsigned argument, const uint64_t *values,
                        size_t n)
{
        for (size_t i = 0; i < n; i++) {
                struct scmp_arg_cmp is =
                        SCMP_CMP(argument, SCMP_CMP_MASKED_EQ, UINT32_MAX, values[i]);
                int r = seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, call, 1, &is);

                /* F_DUPFD and its like may be one number twice. */
                if (r < 0 && r != -EEXIST)
                        return r;
        }
        return 0;
}

static int allow_common(scmp_filter_ctx filter)
{
        int r;

        r = allow_calls(filter, common_calls, ARRAY_SIZE(common_calls));
        if (r < 0)
                return r;
        r = allow_values(filter, SCMP_SYS(fcntl), 1, fcntl_commands, ARRAY_SIZE(fcntl_commands));
        if (r < 0)
                return r;
        /* abort(3) ends this process, and no other's end is asked for. */
        r = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(tgkill), 1,
                             SCMP_A0(SCMP_CMP_MASKED_EQ, UINT32_MAX, (scmp_datum_t)getpid()));
        if (r < 0)
                return r;
        /* getrlimit(3): its own limits, and no new ones */
        r = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(prlimit64), 2,
                             SCMP_A0(SCMP_CMP_EQ, 0), SCMP_A2(SCMP_CMP_EQ, 0));
        if (r < 0)
                return r;
        /* What glibc makes of fstat(2). */
        r = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(newfstatat), 1,
                             SCMP_A3(SCMP_CMP_EQ, AT_EMPTY_PATH));
        if (r < 0)
                return r;
        /* The same, of what a file system knows already. */
        return seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(statx), 1,
                                SCMP_A2(SCMP_CMP_EQ, AT_EMPTY_PATH | AT_STATX_DONT_SYNC));
}

/* For reading only, also where the kernel has no Landlock. */
static int allow_files(scmp_filter_ctx filter)
{
        const scmp_datum_t writing = O_ACCMODE | O_CREAT | O_TRUNC | O_APPEND;
        int r;

        r = allow_calls(filter, file_calls, ARRAY_SIZE(file_calls));
        if (r < 0)
                return r;
        r = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(open), 1,
                             SCMP_A1(SCMP_CMP_MASKED_EQ, writing, O_RDONLY));
        if (r < 0)
                return r;
        return seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(openat), 1,
                                SCMP_A2(SCMP_CMP_MASKED_EQ, writing, O_RDONLY));
}

/* setsockopt(2) of these alone: whatever socket comes from a caller, nothing else of it is set. */
static int allow_socket_options(scmp_filter_ctx filter, const int *options, size_t n)
{
        for (size_t i = 0; i < n; i++) {
                int r = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(setsockopt), 2,
                                         SCMP_A1(SCMP_CMP_MASKED_EQ, UINT32_MAX, SOL_SOCKET),
                                         SCMP_A2(SCMP_CMP_MASKED_EQ, UINT32_MAX,
                                                 (scmp_datum_t)options[i]));

                if (r < 0)
                        return r;
        }
        return 0;
}

static int allow_netlink(scmp_filter_ctx filter)
{
        const int sizes[] = {SO_SNDBUF, SO_RCVBUF};
        const uint64_t level = SOL_NETLINK;
        int r;

        r = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(socket), 1,
                             SCMP_A0(SCMP_CMP_EQ, AF_NETLINK));
        if (r < 0)
                return r;
        r = allow_values(filter, SCMP_SYS(setsockopt), 1, &level, 1);
        return r < 0 ? r : allow_socket_options(filter, sizes, ARRAY_SIZE(sizes));
}

/* A program for a socket that a caller has */
static int allow_sockets(scmp_filter_ctx filter)
{
        const int options[] = {SO_ATTACH_BPF, SO_ATTACH_REUSEPORT_EBPF};

        return allow_socket_options(filter, options, ARRAY_SIZE(options));
}

/* To where an interface is, and back */
static int allow_namespaces(scmp_filter_ctx filter)
{
        return seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(setns), 1,
                                SCMP_A1(SCMP_CMP_MASKED_EQ, UINT32_MAX, CLONE_NEWNET));
}

static int allow_attaching(scmp_filter_ctx filter)
{
        const int calls[] = {SCMP_SYS(perf_event_open), SCMP_SYS(bind), LSM_LIST_MODULES};
        int r;

        r = allow_calls(filter, calls, ARRAY_SIZE(calls));
        if (r < 0)
                return r;
        r = allow_values(filter, SCMP_SYS(bpf), 0, kern_attach_commands.list,
                         kern_attach_commands.n);
        if (r < 0)
                return r;
        r = allow_values(filter, SCMP_SYS(ioctl), 1, attach_ioctls, ARRAY_SIZE(attach_ioctls));
        if (r < 0)
                return r;
        /* tc, xdp, and names of interfaces */
        return allow_netlink(filter);
}

/* Directories by their place alone, of which nothing can be read: the cgroups above one. */
static int allow_climbing(scmp_filter_ctx filter)
{
        const scmp_datum_t how = O_PATH | O_DIRECTORY;

        return seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(openat), 1,
                                SCMP_A2(SCMP_CMP_MASKED_EQ, how, how));
}

static int allow_looking(scmp_filter_ctx filter)
{
        const int calls[] = {SCMP_SYS(bind)};
        int r;

        r = allow_calls(filter, calls, ARRAY_SIZE(calls));
        if (r < 0)
                return r;
        r = allow_values(filter, SCMP_SYS(bpf), 0, kern_look_commands.list, kern_look_commands.n);
        if (r < 0)
                return r;
        /* names of interfaces */
        r = allow_values(filter, SCMP_SYS(ioctl), 1, look_ioctls, ARRAY_SIZE(look_ioctls));
        if (r < 0)
                return r;
        r = allow_netlink(filter);
        if (r >= 0)
                r = allow_climbing(filter);
        return r < 0 ? r : allow_namespaces(filter);
}

/* Probing closes links in a thread; clone3(2) can't be looked into, and glibc does without. */
static int allow_threads(scmp_filter_ctx filter)
{
        int r;

        r = seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);
        if (r < 0)
                return r;
        return seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(clone), 1,
                                SCMP_A0(SCMP_CMP_MASKED_EQ, CLONE_THREAD, CLONE_THREAD));
}

static int allow_pinning(scmp_filter_ctx filter)
{
        const int calls[] = {SCMP_SYS(mkdir),  SCMP_SYS(mkdirat),  SCMP_SYS(rmdir),
                             SCMP_SYS(unlink), SCMP_SYS(unlinkat), SCMP_SYS(flock)};
        int r;

        r = allow_calls(filter, calls, ARRAY_SIZE(calls));
        if (r < 0)
                return r;
        return allow_values(filter, SCMP_SYS(bpf), 0, kern_xdp_commands.list, kern_xdp_commands.n);
}

static int fill_filter(scmp_filter_ctx filter, WorkerRole role)
{
        int r;

        r = allow_common(filter);
        if (r < 0 || role == WORKER_ROLE_INSPECT)
                return r;
        if (role == WORKER_ROLE_LOOK)
                return allow_looking(filter);
        r = allow_files(filter);
        if (r < 0)
                return r;
        /* Where a caller's file has been parsed, nothing attaches, nor is reached by its id. */
        if (role == WORKER_ROLE_LOAD || role == WORKER_ROLE_PROBE) {
                r = allow_values(filter, SCMP_SYS(bpf), 0, kern_load_commands.list,
                                 kern_load_commands.n);
                if (r < 0 || role == WORKER_ROLE_LOAD)
                        return r;
        }
        r = allow_attaching(filter);
        if (r < 0)
                return r;
        if (role == WORKER_ROLE_PROBE)
                return allow_threads(filter);
        r = allow_namespaces(filter);
        if (r < 0)
                return r;
        return role == WORKER_ROLE_ATTACH ? allow_sockets(filter) : allow_pinning(filter);
}

static int restrict_calls(WorkerRole role)
{
        scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(EPERM));
        int r;

        if (!filter)
                return -ENOMEM;
        r = fill_filter(filter, role);
        if (r == 0)
                r = seccomp_load(filter);
        seccomp_release(filter);
        return r;
}

int worker_confine_enter(WorkerRole role)
{
        static WorkerRole current = WORKER_ROLE_NONE;
        int r;

        if (current == role)
                return 0;
        if (current != WORKER_ROLE_NONE)
                return -EPERM;
        /* As libxdp would: there can be a rule only for what is there. */
        if (role == WORKER_ROLE_DISPATCH && mkdir(LIBXDP_PINS, 0700) < 0 && errno != EEXIST)
                return -errno;
        r = restrict_files(role);
        if (r < 0)
                return r;
        if (role == WORKER_ROLE_INSPECT) {
                r = become_nobody();
                if (r < 0)
                        return r;
        }
        r = keep_capabilities(role);
        if (r < 0)
                return r;
        r = restrict_calls(role);
        if (r < 0)
                return r;
        current = role;
        return 0;
}
