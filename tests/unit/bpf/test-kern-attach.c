/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <arpa/inet.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

#include "test-util.h"

#include "kern-attach.h"
#include "kern-info.h"

/*
 * Every type on a real hook of the running kernel: attached, seen to run, detached, seen to be still.
 * In namespaces of its own: the loopback interface is a private one, as are the mounts.
 */

#define BIT(p) KERN_PARAM_BIT(KERN_PARAM_##p)

static char cgroup_root[] = "/tmp/bpfkeeper-cgroup-XXXXXX";
static KernDiag diag;

static KernHook hook_of(const char *type, unsigned given)
{
        KernHook hook = KERN_HOOK_INIT;

        hook.type = kern_type_find(type);
        assert_non_null(hook.type);
        hook.given = given;
        if (given & BIT(INTERFACE))
                hook.ifindex = if_nametoindex("lo");
        return hook;
}

static KernObject *load_one(const char *file, const char *program, const char *type)
{
        KernProgramWish wishes[] = {{.name = program, .type = kern_type_find(type)}};
        KernLoadOptions options = KERN_LOAD_OPTIONS_INIT;

        options.programs = wishes;
        options.n_programs = 1;
        return load_wishes(file, &options);
}

/* As load_one(), but NULL where this kernel can't. */
static KernObject *load_if_possible(const char *file, const char *program)
{
        KERN_AUTO_CLOSE int fd = open_program(file);
        KernProgramWish wishes[] = {{.name = program}};
        KernLoadOptions options = KERN_LOAD_OPTIONS_INIT;
        KernObject *object = NULL;

        options.programs = wishes;
        options.n_programs = 1;
        kern_diag_clear(&diag);
        if (kern_object_load(fd, &options, &object, &diag) < 0) {
                assert_int_equal(diag.error, KERN_ERROR_NOT_SUPPORTED);
                fprintf(stderr, "skipped: %s\n", diag.message);
                return NULL;
        }
        return object;
}

static void attach(KernObject *object, const KernHook *hook, KernAttachment *ret)
{
        kern_diag_clear(&diag);
        if (kern_attach(object->programs[0].fd, hook, ret, &diag) < 0)
                fail_msg("%s: %s", hook->type->name, diag.message);
}

static void detach(KernObject *object, const KernHook *hook, KernAttachment *attachment)
{
        KernProgramInfo info;

        assert_int_equal(kern_program_info(object->programs[0].fd, &info), 0);
        if (kern_detach(-1, info.id, hook, attachment, &diag) < 0)
                fail_msg("%s: %s", hook->type->name, diag.message);
}

static void must_fail(KernObject *object, const KernHook *hook, KernError error, const char *word)
{
        KernAttachment attachment = KERN_ATTACHMENT_INIT;

        kern_diag_clear(&diag);
        assert_true(kern_attach(object->programs[0].fd, hook, &attachment, &diag) < 0);
        if (diag.error != error || !strstr(diag.message, word))
                fail_msg("wanted %d and \"%s\", got %d: %s", error, word, diag.error, diag.message);
        assert_int_equal(attachment.n_links, 0);
}

static uint32_t program_id(KernObject *object)
{
        KernProgramInfo info;

        assert_int_equal(kern_program_info(object->programs[0].fd, &info), 0);
        return info.id;
}

/* Five packets over the loopback interface. */
static void send_packets(void)
{
        struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(9),
                                 .sin_addr = {htonl(INADDR_LOOPBACK)}};
        KERN_AUTO_CLOSE int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        KERN_AUTO_CLOSE int sink = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        char c;

        /* somebody listens: otherwise there are ICMP packets as well */
        assert_int_equal(bind(sink, (struct sockaddr *)&to, sizeof(to)), 0);
        for (int i = 0; i < 5; i++) {
                assert_int_equal(sendto(fd, "x", 1, 0, (struct sockaddr *)&to, sizeof(to)), 1);
                assert_int_equal(recv(sink, &c, 1, 0), 1);
        }
}

static void fork_once(void)
{
        pid_t pid = fork();

        if (pid == 0)
                _exit(0);
        assert_true(pid > 0);
        assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static void open_once(void)
{
        int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

        assert_true(fd >= 0);
        close(fd);
}

static void test_xdp(void **state)
{
        KernObject *object = load_one("packet_counter", "count_packets", NULL);
        KernObject *other = load_one("shared_map", "shared_xdp", NULL);
        KernHook hook = hook_of("xdp", BIT(INTERFACE));
        KernAttachment attachment, second;
        uint32_t ipv4 = 1;
        uint64_t packets;
        KernLinkInfo info;

        (void)state;
        attach(object, &hook, &attachment);
        /* loopback has no native XDP */
        assert_int_equal(attachment.xdp_mode, KERN_XDP_MODE_SKB);
        assert_int_equal(attachment.n_links, 1);
        assert_int_equal(kern_link_info(attachment.link_fds[0], &info), 0);
        assert_int_equal(info.link_type, BPF_LINK_TYPE_XDP);
        assert_int_equal(info.ifindex, hook.ifindex);
        assert_int_equal(kern_is_attached(program_id(object), &hook, &attachment), 1);
        send_packets();
        assert_int_equal(kern_map_lookup(map_of(object, "packets")->fd, &ipv4, &packets), 0);
        assert_int_equal(packets, 5);

        must_fail(other, &hook, KERN_ERROR_HOOK_BUSY, "count_packets");
        detach(object, &hook, &attachment);
        send_packets();
        assert_int_equal(kern_map_lookup(map_of(object, "packets")->fd, &ipv4, &packets), 0);
        assert_int_equal(packets, 5);

        /* the place is free again, and what is gone stays gone */
        attach(other, &hook, &second);
        detach(object, &hook, &attachment);
        assert_int_equal(kern_is_attached(program_id(other), &hook, &second), 1);
        detach(other, &hook, &second);

        hook.given |= BIT(MODE);
        hook.mode = KERN_XDP_MODE_NATIVE;
        must_fail(object, &hook, KERN_ERROR_NOT_SUPPORTED, "skb mode");
        hook.mode = KERN_XDP_MODE_HW;
        must_fail(object, &hook, KERN_ERROR_NOT_SUPPORTED, "hw");
        hook.ifindex = 12345;
        must_fail(object, &hook, KERN_ERROR_NO_SUCH_INTERFACE, "12345");
        kern_object_free(object);
        kern_object_free(other);
}

static void test_xdp_native(void **state)
{
        KernObject *object = load_one("packet_counter", "count_packets", NULL);
        KernHook hook = hook_of("xdp", BIT(INTERFACE));
        KernAttachment attachment;

        (void)state;
        if (system("ip link add bpfk0 type veth peer name bpfk1 2>/dev/null") != 0) {
                kern_object_free(object);
                skip();
        }
        hook.ifindex = if_nametoindex("bpfk0");
        attach(object, &hook, &attachment);
        assert_int_equal(attachment.xdp_mode, KERN_XDP_MODE_NATIVE);
        /* the interface goes: the link knows */
        assert_int_equal(system("ip link del bpfk0"), 0);
        assert_int_equal(kern_is_attached(program_id(object), &hook, &attachment), 0);
        detach(object, &hook, &attachment);
        kern_object_free(object);
}

static void test_tc(void **state)
{
        KernObject *object = load_one("tc", "tc_count", NULL);
        KernObject *other = load_one("shared_map", "shared_tc", NULL);
        KernHook hook = hook_of("tc", BIT(INTERFACE) | BIT(DIRECTION) | BIT(PRIORITY));
        KernAttachment attachment, second, copy;

        (void)state;
        hook.direction = KERN_DIRECTION_INGRESS;
        hook.priority = 7;
        attach(object, &hook, &attachment);
        assert_int_equal(attachment.n_links, 0);
        assert_int_equal(attachment.tc_priority, 7);
        assert_true(attachment.tc_handle > 0);
        assert_int_equal(kern_is_attached(program_id(object), &hook, &attachment), 1);
        send_packets();
        assert_int_equal(hits_of(object, 0), 5);

        /* a second one at the same priority has a handle of its own */
        attach(other, &hook, &second);
        assert_int_equal(second.tc_priority, 7);
        assert_int_not_equal(second.tc_handle, attachment.tc_handle);

        /* somebody else's filter isn't ours, whatever a state file says */
        copy = second;
        detach(object, &hook, &copy);
        assert_int_equal(kern_is_attached(program_id(other), &hook, &second), 1);
        assert_int_equal(kern_is_attached(program_id(object), &hook, &second), 0);

        detach(object, &hook, &attachment);
        assert_int_equal(kern_is_attached(program_id(object), &hook, &attachment), 0);
        assert_int_equal(kern_is_attached(program_id(other), &hook, &second), 1);
        detach(object, &hook, &attachment);
        send_packets();
        assert_int_equal(hits_of(object, 0), 5);
        detach(other, &hook, &second);

        hook.direction = KERN_DIRECTION_EGRESS;
        attach(object, &hook, &attachment);
        send_packets();
        assert_int_equal(hits_of(object, 0), 10);
        detach(object, &hook, &attachment);
        hook.ifindex = 12345;
        must_fail(object, &hook, KERN_ERROR_NO_SUCH_INTERFACE, "12345");
        detach(object, &hook, &attachment);
        kern_object_free(object);
        kern_object_free(other);
}

static void test_tcx(void **state)
{
        KernObject *object = load_one("tcx", "tcx_ingress", NULL);
        KernHook hook = hook_of("tcx", BIT(INTERFACE) | BIT(DIRECTION));
        KernAttachment attachment = KERN_ATTACHMENT_INIT;

        (void)state;
        hook.direction = KERN_DIRECTION_INGRESS;
        kern_diag_clear(&diag);
        if (kern_attach(object->programs[0].fd, &hook, &attachment, &diag) < 0) {
                assert_int_equal(diag.error, KERN_ERROR_NOT_SUPPORTED);
                kern_object_free(object);
                skip();
        }
        assert_int_equal(kern_is_attached(program_id(object), &hook, &attachment), 1);
        send_packets();
        assert_int_equal(hits_of(object, 0), 5);
        detach(object, &hook, &attachment);
        send_packets();
        assert_int_equal(hits_of(object, 0), 5);
        hook.ifindex = 12345;
        must_fail(object, &hook, KERN_ERROR_NO_SUCH_INTERFACE, "12345");
        kern_object_free(object);
}

static void test_cgroup_skb(void **state)
{
        KernObject *object;
        KernHook hook = hook_of("cgroup_skb", BIT(CGROUP) | BIT(DIRECTION));
        KERN_AUTO_CLOSE int root = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        KernAttachment attachment;
        char path[128];
        pid_t pid;
        int status;

        (void)state;
        if (cgroup_root[0] == '\0')
                skip();
        object = load_one("cgroup_skb", "cgroup_egress", NULL);
        snprintf(path, sizeof(path), "%s/bpfkeeper-test-%d", cgroup_root, getpid());
        assert_int_equal(mkdir(path, 0700), 0);
        hook.cgroup_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        hook.direction = KERN_DIRECTION_EGRESS;
        attach(object, &hook, &attachment);
        assert_int_equal(kern_is_attached(program_id(object), &hook, &attachment), 1);

        pid = fork();
        if (pid == 0) {
                char procs[160];
                FILE *f;

                snprintf(procs, sizeof(procs), "%s/cgroup.procs", path);
                f = fopen(procs, "we");
                if (!f || fprintf(f, "0\n") < 0 || fclose(f) != 0)
                        _exit(1);
                send_packets();
                _exit(0);
        }
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_int_equal(status, 0);
        assert_int_equal(hits_of(object, 1), 5);
        detach(object, &hook, &attachment);

        close(hook.cgroup_fd);
        hook.cgroup_fd = root;
        must_fail(object, &hook, KERN_ERROR_NO_SUCH_CGROUP, "cgroup v2");
        rmdir(path);
        kern_object_free(object);
}

static void test_tracepoint(void **state)
{
        KernObject *object = load_one("tracepoint", "tracepoint_fork", NULL);
        KernHook hook = hook_of("tracepoint", BIT(TRACEPOINT));
        KernAttachment attachment;

        (void)state;
        strcpy(hook.tracepoint, "sched:sched_process_fork");
        if (access("/sys/kernel/tracing/events", F_OK) < 0) {
                must_fail(object, &hook, KERN_ERROR_NOT_SUPPORTED, "mount");
                kern_object_free(object);
                skip();
        }
        attach(object, &hook, &attachment);
        fork_once();
        assert_true(hits_of(object, 0) >= 1);
        detach(object, &hook, &attachment);
        {
                uint64_t before = hits_of(object, 0);

                fork_once();
                assert_int_equal(hits_of(object, 0), before);
        }
        strcpy(hook.tracepoint, "sched:no_such_tracepoint");
        must_fail(object, &hook, KERN_ERROR_NO_SUCH_TRACEPOINT, "sched:no_such_tracepoint");
        kern_object_free(object);

        object = load_one("tracepoint", "tracepoint_anywhere", NULL);
        strcpy(hook.tracepoint, "sched:sched_process_fork");
        hook.given |= BIT(COOKIE);
        hook.cookie = 3;
        attach(object, &hook, &attachment);
        fork_once();
        assert_true(hits_of(object, 3) >= 1);
        assert_int_equal(hits_of(object, 0), 0);
        detach(object, &hook, &attachment);
        kern_object_free(object);
}

static void run_raw(const char *file, const char *program, const char *type)
{
        KernObject *object = load_one(file, program, NULL);
        KernHook hook = hook_of(type, BIT(TRACEPOINT));
        KernAttachment attachment;
        uint64_t before;

        strcpy(hook.tracepoint, "sched_process_fork");
        attach(object, &hook, &attachment);
        fork_once();
        before = hits_of(object, 0);
        assert_true(before >= 1);
        detach(object, &hook, &attachment);
        before = hits_of(object, 0);
        fork_once();
        assert_int_equal(hits_of(object, 0), before);

        if (strcmp(type, "raw_tracepoint") == 0) {
                strcpy(hook.tracepoint, "no_such_tracepoint");
                must_fail(object, &hook, KERN_ERROR_NO_SUCH_TRACEPOINT, "no_such_tracepoint");
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
        if (access("/sys/kernel/btf/vmlinux", R_OK) < 0)
                skip();
        run_raw("tp_btf", "tp_btf_fork", "tp_btf");
}

/* The target binary, which calls target_add() for every line that it is given. */
typedef struct Target {
        pid_t pid;
        int in, out;
} Target;

static void start_target(const char *path, Target *ret)
{
        int in[2], out[2];

        assert_int_equal(pipe2(in, O_CLOEXEC), 0);
        assert_int_equal(pipe2(out, O_CLOEXEC), 0);
        ret->pid = fork();
        if (ret->pid == 0) {
                dup2(in[0], 0);
                dup2(out[1], 1);
                execl(path, path, NULL);
                _exit(127);
        }
        assert_true(ret->pid > 0);
        close(in[0]);
        close(out[1]);
        ret->in = in[1];
        ret->out = out[0];
}

static void poke_target(const Target *target)
{
        char answer[32];

        assert_int_equal(write(target->in, "\n", 1), 1);
        assert_true(read(target->out, answer, sizeof(answer)) > 0);
}

static void stop_target(const Target *target)
{
        close(target->in);
        close(target->out);
        waitpid(target->pid, NULL, 0);
}

static void test_uprobe(void **state)
{
        KernObject *object = load_one("uprobe", "uprobe_anywhere", NULL);
        KernHook hook = hook_of("uprobe", BIT(TARGET) | BIT(FUNCTION) | BIT(COOKIE));
        KernAttachment attachment;
        Target one, two;
        char path[512];

        (void)state;
        snprintf(path, sizeof(path), "%s/target", getenv("TEST_PROGRAMS") ?: ".");
        start_target(path, &one);
        start_target(path, &two);
        hook.target_fd = open(path, O_RDONLY | O_CLOEXEC);
        assert_true(hook.target_fd >= 0);
        strcpy(hook.function, "target_add");
        hook.cookie = 2;

        attach(object, &hook, &attachment);
        poke_target(&one);
        poke_target(&two);
        assert_int_equal(hits_of(object, 2), 2);
        detach(object, &hook, &attachment);
        poke_target(&one);
        assert_int_equal(hits_of(object, 2), 2);

        /* one process */
        hook.given |= BIT(PID);
        hook.pid = one.pid;
        attach(object, &hook, &attachment);
        poke_target(&one);
        poke_target(&two);
        poke_target(&two);
        assert_int_equal(hits_of(object, 2), 3);
        detach(object, &hook, &attachment);

        hook.pid = 0x3fffffff;
        must_fail(object, &hook, KERN_ERROR_NO_SUCH_PROCESS, "1073741823");
        hook.given &= ~BIT(PID);
        strcpy(hook.function, "no_such_function");
        must_fail(object, &hook, KERN_ERROR_NO_SUCH_FUNCTION, "no_such_function");
        hook.given = BIT(TARGET) | BIT(OFFSET);
        hook.offset = 1ULL << 40;
        must_fail(object, &hook, KERN_ERROR_INVALID_ARGUMENT, "0x10000000000");
        kern_object_free(object);

        /* returns */
        object = load_one("uprobe", "uretprobe_anywhere", NULL);
        hook.type = kern_type_find("uretprobe");
        hook.given = BIT(TARGET) | BIT(FUNCTION);
        hook.offset = 0;
        hook.cookie = 0;
        strcpy(hook.function, "target_twice");
        attach(object, &hook, &attachment);
        poke_target(&one);
        assert_int_equal(hits_of(object, 1), 1);
        detach(object, &hook, &attachment);
        poke_target(&one);
        assert_int_equal(hits_of(object, 1), 1);
        kern_object_free(object);
        close(hook.target_fd);
        stop_target(&one);
        stop_target(&two);
}

static void run_kernel_function(const char *file, const char *program, const char *type,
                                const char *function, uint32_t index)
{
        KernObject *object = load_if_possible(file, program);
        KernHook hook = hook_of(type, BIT(FUNCTION));
        KernAttachment attachment = KERN_ATTACHMENT_INIT;
        uint64_t before;

        if (!object)
                skip();
        strcpy(hook.function, function);
        kern_diag_clear(&diag);
        if (kern_attach(object->programs[0].fd, &hook, &attachment, &diag) < 0) {
                if (diag.error != KERN_ERROR_NOT_SUPPORTED)
                        fail_msg("%s", diag.message);
                fprintf(stderr, "skipped: %s\n", diag.message);
                kern_object_free(object);
                skip();
        }
        open_once();
        before = hits_of(object, index);
        assert_true(before >= 1);
        detach(object, &hook, &attachment);
        before = hits_of(object, index);
        open_once();
        assert_int_equal(hits_of(object, index), before);
        if (!hook.type->needs_btf) {
                strcpy(hook.function, "bpfkeeper_no_such_function");
                must_fail(object, &hook, KERN_ERROR_NO_SUCH_FUNCTION, "bpfkeeper_no_such_function");
        }
        kern_object_free(object);
}

static void test_kprobe(void **state)
{
        (void)state;
        run_kernel_function("kprobe", "kprobe_open", "kprobe", "do_sys_openat2", 0);
}

static void test_kretprobe(void **state)
{
        (void)state;
        run_kernel_function("kprobe", "kretprobe_open", "kretprobe", "do_sys_openat2", 1);
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

static void test_lsm(void **state)
{
        KERN_AUTO_CLOSE int fd = open_program("lsm");
        uint32_t pid = (uint32_t)getpid();
        KernGlobalWish globals[] = {{"denied_pid", &pid, sizeof(pid)}};
        KernLoadOptions options = KERN_LOAD_OPTIONS_INIT;
        KernHook hook = hook_of("lsm", BIT(FUNCTION));
        KernAttachment attachment = KERN_ATTACHMENT_INIT;
        KernObject *object = NULL;
        char path[64];

        (void)state;
        options.globals = globals;
        options.n_globals = 1;
        strcpy(hook.function, "inode_mkdir");
        kern_diag_clear(&diag);
        if (kern_object_load(fd, &options, &object, &diag) < 0 ||
            kern_attach(object->programs[0].fd, &hook, &attachment, &diag) < 0) {
                if (diag.error != KERN_ERROR_NOT_SUPPORTED)
                        fail_msg("%s", diag.message);
                fprintf(stderr, "skipped: %s\n", diag.message);
                kern_object_free(object);
                skip();
        }
        snprintf(path, sizeof(path), "/tmp/bpfkeeper-lsm-%d", getpid());
        assert_int_equal(mkdir(path, 0700), -1);
        assert_int_equal(errno, EPERM);
        assert_int_equal(hits_of(object, 0), 1);
        detach(object, &hook, &attachment);
        assert_int_equal(mkdir(path, 0700), 0);
        rmdir(path);
        kern_object_free(object);
}

static void burn(unsigned milliseconds)
{
        struct timespec start, now;

        clock_gettime(CLOCK_MONOTONIC, &start);
        do {
                clock_gettime(CLOCK_MONOTONIC, &now);
        } while ((now.tv_sec - start.tv_sec) * 1000 + (now.tv_nsec - start.tv_nsec) / 1000000 <
                 (long)milliseconds);
}

static void test_perf_event(void **state)
{
        KernObject *object = load_one("perf_event", "perf_event_sample", NULL);
        KernHook hook = hook_of("perf_event", BIT(EVENT) | BIT(FREQUENCY));
        KernAttachment attachment;
        uint64_t before;

        (void)state;
        strcpy(hook.event, "cpu-clock");
        hook.frequency = 1000;
        attach(object, &hook, &attachment);
        assert_in_range(attachment.n_links, 1, (uint64_t)sysconf(_SC_NPROCESSORS_ONLN));
        burn(200);
        assert_true(hits_of(object, 0) > 10);
        detach(object, &hook, &attachment);
        before = hits_of(object, 0);
        burn(50);
        assert_int_equal(hits_of(object, 0), before);

        hook.given |= BIT(CPU);
        hook.cpu = 0;
        attach(object, &hook, &attachment);
        assert_int_equal(attachment.n_links, 1);
        detach(object, &hook, &attachment);
        hook.cpu = 4000;
        must_fail(object, &hook, KERN_ERROR_INVALID_ARGUMENT, "");
        hook.given = BIT(EVENT) | BIT(PERIOD) | BIT(PID);
        hook.period = 1;
        hook.pid = getpid();
        strcpy(hook.event, "page-faults");
        before = hits_of(object, 0);
        attach(object, &hook, &attachment);
        {
                KERN_AUTO_FREE char *memory = malloc(1 << 22);

                assert_non_null(memory);
                memset(memory, 1, 1 << 22);
        }
        assert_true(hits_of(object, 0) > before + 100);
        detach(object, &hook, &attachment);
        hook.pid = 0x3fffffff;
        must_fail(object, &hook, KERN_ERROR_NO_SUCH_PROCESS, "1073741823");
        kern_object_free(object);
}

static void test_wrong_program(void **state)
{
        KernObject *object = load_one("tc", "tc_count", NULL);
        KernHook hook = hook_of("xdp", BIT(INTERFACE));
        KernAttachment attachment = KERN_ATTACHMENT_INIT;

        (void)state;
        kern_diag_clear(&diag);
        assert_true(kern_attach(object->programs[0].fd, &hook, &attachment, &diag) < 0);
        assert_true(diag.error != KERN_ERROR_NONE);
        assert_true(kern_attach(-1, &hook, &attachment, NULL) < 0);
        hook.given = 0;
        must_fail(object, &hook, KERN_ERROR_MISSING_PARAMETER, "interface");
        kern_attachment_done(NULL);
        kern_object_free(object);
}

static int make_room(void)
{
        KERN_AUTO_CLOSE int fd = -1;
        struct ifreq lo = {.ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING | IFF_LOOPBACK};

        if (unshare(CLONE_NEWNET | CLONE_NEWNS) < 0 ||
            mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
                return -errno;
        fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        if (fd < 0 || ioctl(fd, SIOCSIFFLAGS, &lo) < 0)
                return -errno;
        if (access("/sys/kernel/tracing/events", F_OK) < 0)
                mount("tracefs", "/sys/kernel/tracing", "tracefs", 0, NULL);
        if (!mkdtemp(cgroup_root))
                cgroup_root[0] = '\0';
        else if (mount("cgroup2", cgroup_root, "cgroup2", 0, NULL) < 0) {
                rmdir(cgroup_root);
                cgroup_root[0] = '\0';
        }
        return 0;
}

static int clean_up(void **state)
{
        (void)state;
        kern_diag_clear(&diag);
        if (cgroup_root[0] != '\0') {
                umount2(cgroup_root, MNT_DETACH);
                rmdir(cgroup_root);
        }
        return 0;
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_xdp),        cmocka_unit_test(test_xdp_native),
                cmocka_unit_test(test_tc),         cmocka_unit_test(test_tcx),
                cmocka_unit_test(test_cgroup_skb), cmocka_unit_test(test_tracepoint),
                cmocka_unit_test(test_raw_tracepoint), cmocka_unit_test(test_tp_btf),
                cmocka_unit_test(test_uprobe),     cmocka_unit_test(test_kprobe),
                cmocka_unit_test(test_kretprobe),  cmocka_unit_test(test_fentry),
                cmocka_unit_test(test_fexit),      cmocka_unit_test(test_lsm),
                cmocka_unit_test(test_perf_event), cmocka_unit_test(test_wrong_program),
        };
        int r;

        if (!may_bpf())
                return EXIT_SKIPPED;
        r = make_room();
        if (r < 0) {
                fprintf(stderr, "skipped: no private namespaces: %s\n", strerror(-r));
                return EXIT_SKIPPED;
        }
        return cmocka_run_group_tests(tests, NULL, clean_up);
}
