/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>

#include <linux/perf_event.h>

#include <bpf/bpf.h>

#include "kern-attach-internal.h"
#include "kern-perf-events.h"

/* Tracepoints, kprobes, uprobes and samplers: programs on a perf event. */

/* More than any kernel has. */
#define CPUS_MAX 8192

#define PMU "/sys/bus/event_source/devices/"

int kern_read_number(const char *path, const char *prefix, uint64_t *ret)
{
        KERN_AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
        char text[64], *end;
        size_t n = strlen(prefix);
        ssize_t k;
        uint64_t v;

        if (fd < 0)
                return -errno;
        k = read(fd, text, sizeof(text) - 1);
        if (k < 0)
                return -errno;
        text[k] = '\0';
        if (strncmp(text, prefix, n) != 0)
                return -EINVAL;
        v = strtoull(text + n, &end, 10);
        if (end == text + n)
                return -EINVAL;
        *ret = v;
        return 0;
}

static int perf_open(struct perf_event_attr *attr, int pid, int cpu)
{
        int fd = (int)syscall(SYS_perf_event_open, attr, pid, cpu, -1, PERF_FLAG_FD_CLOEXEC);

        return fd < 0 ? -errno : fd;
}

/* CPUs come as "0-3,8,10-11". */
static bool cpu_online(const char *list, int cpu)
{
        for (const char *p = list; *p;) {
                char *end;
                long first = strtol(p, &end, 10), last = first;

                if (end == p)
                        return false;
                if (*end == '-')
                        last = strtol(end + 1, &end, 10);
                if (cpu >= first && cpu <= last)
                        return true;
                p = *end == ',' ? end + 1 : "";
        }
        return false;
}

static int read_online(char *ret, size_t size, KernDiag *diag)
{
        KERN_AUTO_CLOSE int fd = open("/sys/devices/system/cpu/online", O_RDONLY | O_CLOEXEC);
        ssize_t n = fd < 0 ? -1 : read(fd, ret, size - 1);

        if (n < 0)
                return kern_fail(diag, -errno, KERN_ERROR_FAILED,
                                 "Can't read which CPUs are online: %s", strerror(errno));
        ret[n] = '\0';
        return 0;
}

/*
 * An event for all processes, of which the program is what counts: it runs on every CPU, while the
 * event itself must be on one that is online.
 */
static int perf_open_anywhere(struct perf_event_attr *attr)
{
        int fd = perf_open(attr, -1, 0);
        char online[4096];

        if (fd != -ENODEV || read_online(online, sizeof(online), NULL) < 0)
                return fd;
        for (int cpu = 1; cpu < CPUS_MAX; cpu++)
                if (cpu_online(online, cpu))
                        return perf_open(attr, -1, cpu);
        return fd;
}

/* Puts the program on the event, and hands the link over; the event lives on in the link. */
static int link_event_with(int prog_fd, int event_fd, const KernHook *hook, uint64_t cookie,
                           const char *where, KernAttachment *attachment, KernDiag *diag)
{
        LIBBPF_OPTS(bpf_link_create_opts, opts, .perf_event.bpf_cookie = cookie);
        KERN_AUTO_CLOSE int fd = bpf_link_create(prog_fd, event_fd, BPF_PERF_EVENT, &opts);

        if (fd < 0) {
                int r = -errno;

                if (r == -EINVAL)
                        return kern_fail(
                                diag, r, KERN_ERROR_TYPE_MISMATCH,
                                "The kernel refuses the program on %s: it was loaded as another "
                                "type than %s, or sleeps where that can't be",
                                where, hook->type->name);
                if (r == -E2BIG)
                        return kern_fail(diag, r, KERN_ERROR_LIMIT_EXCEEDED,
                                         "%s has as many programs as the kernel takes", where);
                if (r == -EACCES)
                        return kern_fail(diag, r, KERN_ERROR_TYPE_MISMATCH,
                                         "The program reads beyond the record of %s", where);
                if (r == -EEXIST || r == -EBUSY)
                        return kern_fail(diag, r, KERN_ERROR_HOOK_BUSY,
                                         "%s has this program already", where);
                return kern_fail(diag, r, KERN_ERROR_FAILED, "Can't attach the program to %s: %s",
                                 where, strerror(-r));
        }
        if (ioctl(event_fd, PERF_EVENT_IOC_ENABLE, 0) < 0)
                return kern_fail(diag, -errno, KERN_ERROR_FAILED,
                                 "Can't enable the event of %s: %s", where, strerror(errno));
        return kern_attachment_add(attachment, kern_take_fd(&fd), diag);
}

static int link_event(int prog_fd, int event_fd, const KernHook *hook, const char *where,
                      KernAttachment *attachment, KernDiag *diag)
{
        return link_event_with(prog_fd, event_fd, hook, hook->cookie, where, attachment, diag);
}

static int tracepoint_id(const KernHook *hook, uint64_t *ret, KernDiag *diag)
{
        static const char *const roots[] = {"/sys/kernel/tracing", "/sys/kernel/debug/tracing"};
        const char *colon = strchr(hook->tracepoint, ':');
        bool mounted = false;
        char path[256];

        for (size_t i = 0; i < KERN_ELEMENTSOF(roots); i++) {
                int r;

                snprintf(path, sizeof(path), "%s/events", roots[i]);
                if (access(path, F_OK) < 0)
                        continue;
                mounted = true;
                snprintf(path, sizeof(path), "%s/events/%.*s/%s/id", roots[i],
                         (int)(colon - hook->tracepoint), hook->tracepoint, colon + 1);
                r = kern_read_number(path, "", ret);
                if (r != -ENOENT)
                        return r < 0 ? kern_fail(diag, r, KERN_ERROR_FAILED, "Can't read %s: %s",
                                                 path, strerror(-r))
                                     : 0;
        }
        if (!mounted)
                return kern_fail(diag, -ENOENT, KERN_ERROR_NOT_SUPPORTED,
                                 "Tracepoints are found in tracefs, which isn't mounted; mount -t "
                                 "tracefs tracefs /sys/kernel/tracing");
        return kern_fail(
                diag, -ENOENT, KERN_ERROR_NO_SUCH_TRACEPOINT,
                "The kernel has no tracepoint %s; /sys/kernel/tracing/available_events lists "
                "them",
                hook->tracepoint);
}

int kern_attach_tracepoint(int prog_fd, const KernHook *hook, KernAttachment *attachment,
                           KernDiag *diag)
{
        struct perf_event_attr attr = {
                .type = PERF_TYPE_TRACEPOINT,
                .size = sizeof(attr),
                .sample_period = 1,
                .wakeup_events = 1,
        };
        KERN_AUTO_CLOSE int fd = -1;
        char where[160];
        uint64_t id;
        int r;

        r = tracepoint_id(hook, &id, diag);
        if (r < 0)
                return r;
        attr.config = id;
        fd = perf_open_anywhere(&attr);
        if (fd < 0)
                return kern_fail(diag, fd, KERN_ERROR_FAILED, "Can't open tracepoint %s: %s",
                                 hook->tracepoint, strerror(-fd));
        snprintf(where, sizeof(where), "tracepoint %s", hook->tracepoint);
        return link_event(prog_fd, fd, hook, where, attachment, diag);
}

static bool is_return(const KernType *type)
{
        return strcmp(type->name, "kretprobe") == 0 || strcmp(type->name, "uretprobe") == 0 ||
               strcmp(type->name, "kretsyscall") == 0;
}

/* kprobes and uprobes are perf devices of their own, with the number that the kernel gave them. */
static int probe_attr(const KernHook *hook, const char *device, struct perf_event_attr *ret,
                      KernDiag *diag)
{
        struct perf_event_attr attr = {.size = sizeof(attr)};
        char path[128];
        uint64_t v;
        int r;

        snprintf(path, sizeof(path), PMU "%s/type", device);
        r = kern_read_number(path, "", &v);
        if (r < 0)
                return kern_fail(diag, -EOPNOTSUPP, KERN_ERROR_NOT_SUPPORTED,
                                 "This kernel has no %ss: %s; they need %s", device,
                                 r == -ENOENT ? "no such perf device" : strerror(-r),
                                 hook->type->needs);
        attr.type = (uint32_t)v;
        if (is_return(hook->type)) {
                snprintf(path, sizeof(path), PMU "%s/format/retprobe", device);
                r = kern_read_number(path, "config:", &v);
                if (r < 0 || v > 63)
                        return kern_fail(diag, -EOPNOTSUPP, KERN_ERROR_NOT_SUPPORTED,
                                         "This kernel has no %ss", hook->type->name);
                attr.config |= 1ULL << v;
        }
        *ret = attr;
        return 0;
}

int kern_attach_kprobe(int prog_fd, const KernHook *hook, KernAttachment *attachment,
                       KernDiag *diag)
{
        KERN_AUTO_CLOSE int fd = -1;
        struct perf_event_attr attr;
        char where[200];
        int r;

        r = probe_attr(hook, "kprobe", &attr, diag);
        if (r < 0)
                return r;
        attr.kprobe_func = kern_pointer(hook->function);
        attr.probe_offset = hook->offset;

        if (hook->offset != 0)
                snprintf(where, sizeof(where), "%s+%#llx", hook->function,
                         (unsigned long long)hook->offset);
        else
                snprintf(where, sizeof(where), "%s", hook->function);

        fd = perf_open_anywhere(&attr);
        if (fd >= 0)
                return link_event(prog_fd, fd, hook, where, attachment, diag);
        switch (-fd) {
        case ENOENT:
        case EADDRNOTAVAIL:
                return kern_fail(
                        diag, -ENOENT, KERN_ERROR_NO_SUCH_FUNCTION,
                        "The kernel has no function %s, or several of that name, or it was "
                        "inlined; /proc/kallsyms lists them",
                        hook->function);
        case EINVAL:
                return kern_fail(
                        diag, fd, KERN_ERROR_NO_SUCH_FUNCTION,
                        "The kernel takes no %s at %s: it is on the kprobes' blacklist, or the "
                        "offset is outside of the function",
                        hook->type->name, where);
        case EILSEQ:
                return kern_fail(diag, fd, KERN_ERROR_INVALID_ARGUMENT,
                                 "%s is within an instruction: probes go where one begins", where);
        default:
                return kern_fail(diag, fd, KERN_ERROR_FAILED, "Can't make a %s at %s: %s",
                                 hook->type->name, where, strerror(-fd));
        }
}

/* Where a system call's function is called by the entry code, with its registers, its name says so. */
#if defined(__x86_64__)
#define SYSCALL_WRAPPER "__x64_sys_"
#elif defined(__aarch64__)
#define SYSCALL_WRAPPER "__arm64_sys_"
#elif defined(__riscv)
#define SYSCALL_WRAPPER "__riscv_sys_"
#elif defined(__s390x__)
#define SYSCALL_WRAPPER "__s390x_sys_"
#else
#define SYSCALL_WRAPPER "sys_"
#endif

int kern_attach_ksyscall(int prog_fd, const KernHook *hook, KernAttachment *attachment,
                         KernDiag *diag)
{
        static const char *const prefixes[] = {SYSCALL_WRAPPER, "__se_sys_", "sys_"};
        KernHook probe = *hook;
        int r = -ENOENT;

        for (size_t i = 0; r == -ENOENT && i < KERN_ELEMENTSOF(prefixes); i++) {
                int n = snprintf(probe.function, sizeof(probe.function), "%s%s", prefixes[i],
                                 hook->function);

                if (n < 0 || (size_t)n >= sizeof(probe.function))
                        break;
                kern_diag_clear(diag);
                r = kern_attach_kprobe(prog_fd, &probe, attachment, diag);
                /* no such device is no such function to nobody */
                if (r < 0 && diag->error != KERN_ERROR_NO_SUCH_FUNCTION)
                        return r;
        }
        if (r == -ENOENT) {
                kern_diag_clear(diag);
                return kern_fail(diag, r, KERN_ERROR_NO_SUCH_FUNCTION,
                                 "The kernel has no system call %s that a probe can go on; it is "
                                 "named as in syscalls(2), without a prefix",
                                 hook->function);
        }
        return r;
}

static int uprobe_failed(int r, const KernHook *hook, const char *where, KernDiag *diag)
{
        switch (-r) {
        case ESRCH:
                return kern_fail(diag, r, KERN_ERROR_NO_SUCH_PROCESS, "There is no process %d",
                                 hook->pid);
        case ENOENT:
                return kern_fail(
                        diag, r, KERN_ERROR_FAILED,
                        "The kernel can't find the target by its descriptor; is /proc mounted?");
        case EINVAL:
        case ENOTSUP:
        case ENOEXEC:
                return kern_fail(
                        diag, r, KERN_ERROR_INVALID_ARGUMENT,
                        "The kernel takes no %s at %s: the target must be a regular file, and "
                        "an instruction that can be probed must begin there",
                        hook->type->name, where);
        case EIO:
                return kern_fail(
                        diag, r, KERN_ERROR_NO_SUCH_TARGET,
                        "The kernel can't read the target at %s: its file system isn't one "
                        "that programs run from",
                        where);
        default:
                return kern_fail(diag, r, KERN_ERROR_FAILED, "Can't make a %s at %s: %s",
                                 hook->type->name, where, strerror(-r));
        }
}

/* The place of the semaphore's offset among the bits of what is opened. */
static int set_semaphore(uint64_t semaphore, struct perf_event_attr *attr, KernDiag *diag)
{
        uint64_t bit;

        if (semaphore == 0)
                return 0;
        if (kern_read_number(PMU "uprobe/format/ref_ctr_offset", "config:", &bit) < 0 || bit > 63 ||
            semaphore >> (64 - bit) != 0)
                return kern_fail(diag, -EOPNOTSUPP, KERN_ERROR_NOT_SUPPORTED,
                                 "The kernel can't count who is interested in the probe, in the "
                                 "semaphore at %#llx of the target",
                                 (unsigned long long)semaphore);
        attr->config |= semaphore << bit;
        return 0;
}

int kern_attach_uprobe_at(int prog_fd, const KernHook *hook, uint64_t offset, uint64_t semaphore,
                          uint64_t cookie, KernAttachment *attachment, KernDiag *diag)
{
        const char *name = hook->given & KERN_PARAM_BIT(KERN_PARAM_FUNCTION)     ? hook->function
                           : hook->given & KERN_PARAM_BIT(KERN_PARAM_TRACEPOINT) ? hook->tracepoint
                                                                                 : NULL;
        bool pid = hook->given & KERN_PARAM_BIT(KERN_PARAM_PID);
        KERN_AUTO_CLOSE int fd = -1;
        struct perf_event_attr attr;
        char path[64], where[200];
        int r;

        r = probe_attr(hook, "uprobe", &attr, diag);
        if (r >= 0)
                r = set_semaphore(semaphore, &attr, diag);
        if (r < 0)
                return r;

        /* The kernel follows this to the very file that was handed over, wherever its name points now. */
        snprintf(path, sizeof(path), "/proc/self/fd/%d", hook->target_fd);
        attr.uprobe_path = kern_pointer(path);
        attr.probe_offset = offset;
        snprintf(where, sizeof(where), "%s%s%#llx of the target", name ? name : "",
                 name ? " at " : "offset ", (unsigned long long)offset);

        fd = pid ? perf_open(&attr, hook->pid, -1) : perf_open_anywhere(&attr);
        /* The event is of whoever has the number, and runs nothing yet. */
        r = kern_check_process(hook, diag);
        if (r < 0)
                return r;
        if (fd < 0)
                return uprobe_failed(fd, hook, where, diag);
        return link_event_with(prog_fd, fd, hook, cookie, where, attachment, diag);
}

int kern_attach_uprobe(int prog_fd, const KernHook *hook, KernAttachment *attachment,
                       KernDiag *diag)
{
        bool symbol = hook->given & KERN_PARAM_BIT(KERN_PARAM_FUNCTION);
        uint64_t offset = 0;
        int r = 0;

        if (symbol)
                r = kern_symbol_resolve(hook->target_fd, hook->function, &offset, diag);
        if (r < 0)
                return r;
        if (__builtin_add_overflow(offset, hook->offset, &offset) || offset > INT64_MAX)
                return kern_fail(diag, -EINVAL, KERN_ERROR_INVALID_ARGUMENT,
                                 "offset %#llx lies outside of any file",
                                 (unsigned long long)hook->offset);
        return kern_attach_uprobe_at(prog_fd, hook, offset, 0, hook->cookie, attachment, diag);
}

static int perf_event_failed(int r, const KernHook *hook, int cpu, KernDiag *diag)
{
        switch (-r) {
        case ESRCH:
                return kern_fail(diag, r, KERN_ERROR_NO_SUCH_PROCESS, "There is no process %d",
                                 hook->pid);
        case ENODEV:
                return kern_fail(diag, r, KERN_ERROR_INVALID_ARGUMENT, "There is no CPU %d online",
                                 cpu);
        case ENOENT:
        case EOPNOTSUPP:
                return kern_fail(
                        diag, -EOPNOTSUPP, KERN_ERROR_NOT_SUPPORTED,
                        "This machine has no perf event %s (hardware events are often missing "
                        "in virtual machines); try cpu-clock",
                        hook->event);
        case EINVAL:
                return kern_fail(
                        diag, r, KERN_ERROR_INVALID_ARGUMENT,
                        "The kernel refuses perf event %s: %s is too high "
                        "(/proc/sys/kernel/perf_event_max_sample_rate), or the CPU doesn't "
                        "exist",
                        hook->event, hook->frequency ? "the frequency" : "the sampling rate");
        case EBUSY:
                return kern_fail(diag, r, KERN_ERROR_HOOK_BUSY,
                                 "The hardware's counters for %s are taken", hook->event);
        case EMFILE:
                return kern_fail(diag, r, KERN_ERROR_LIMIT_EXCEEDED,
                                 "Too many open files: perf event %s takes one for each CPU",
                                 hook->event);
        default:
                return kern_fail(diag, r, KERN_ERROR_FAILED, "Can't open perf event %s: %s",
                                 hook->event, strerror(-r));
        }
}

/* Before anything is opened, and rather than on the first so many: nobody would notice. */
static int check_number_of_cpus(const char *online, const KernHook *hook, KernDiag *diag)
{
        size_t n = 0;

        for (int i = 0; i < CPUS_MAX; i++)
                n += cpu_online(online, i);
        if (n <= KERN_LINKS_MAX)
                return 0;
        return kern_fail(
                diag, -E2BIG, KERN_ERROR_LIMIT_EXCEEDED,
                "%zu CPUs are online, and the program would take a link on each; %d are the "
                "most: give cpu, and attach it once for each CPU that %s is wanted of",
                n, KERN_LINKS_MAX, hook->event);
}

static int attach_sampler(int prog_fd, const KernHook *hook, struct perf_event_attr *attr, int pid,
                          int cpu, KernAttachment *attachment, KernDiag *diag)
{
        KERN_AUTO_CLOSE int fd = perf_open(attr, pid, cpu);
        char where[128];
        int r;

        r = kern_check_process(hook, diag);
        if (r < 0)
                return r;
        if (fd < 0)
                return perf_event_failed(fd, hook, cpu, diag);
        snprintf(where, sizeof(where), "perf event %s", hook->event);
        return link_event(prog_fd, fd, hook, where, attachment, diag);
}

int kern_attach_perf_event(int prog_fd, const KernHook *hook, KernAttachment *attachment,
                           KernDiag *diag)
{
        bool frequency = hook->given & KERN_PARAM_BIT(KERN_PARAM_FREQUENCY);
        struct perf_event_attr attr = {
                .size = sizeof(attr),
                .freq = frequency,
                .disabled = 1,
        };
        bool cpu = hook->given & KERN_PARAM_BIT(KERN_PARAM_CPU);
        bool pid = hook->given & KERN_PARAM_BIT(KERN_PARAM_PID);
        KernPerfEvent event;
        char online[4096];
        int r;

        /* Which kern_hook_check() has looked at */
        if (!kern_perf_event_find(hook->event, &event))
                return kern_fail(diag, -EINVAL, KERN_ERROR_INVALID_ARGUMENT,
                                 "There is no perf event \"%s\"", hook->event);
        attr.type = event.type;
        attr.config = event.config;
        if (frequency)
                attr.sample_freq = hook->frequency;
        else
                attr.sample_period = hook->period;
        if (cpu || pid)
                return attach_sampler(prog_fd, hook, &attr, pid ? hook->pid : -1,
                                      cpu ? hook->cpu : -1, attachment, diag);

        r = read_online(online, sizeof(online), diag);
        if (r >= 0)
                r = check_number_of_cpus(online, hook, diag);
        for (int i = 0; r >= 0 && i < CPUS_MAX; i++)
                if (cpu_online(online, i))
                        r = attach_sampler(prog_fd, hook, &attr, -1, i, attachment, diag);
        return r;
}
