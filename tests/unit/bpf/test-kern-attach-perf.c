/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <time.h>

#include "test-attach.h"

static void test_tracepoint(void **state)
{
        KernObject *object = load_one("tracepoint", "tracepoint_fork", NULL);
        KernHook hook = hook_of("tracepoint", BIT(TRACEPOINT));
        KernAttachment attachment;

        (void)state;
        put(hook.tracepoint, "sched:sched_process_fork");
        if (access("/sys/kernel/tracing/events", F_OK) < 0) {
                must_fail(object, &hook, KERN_ERROR_NOT_SUPPORTED, "mount");
                kern_object_free(object);
                skip();
                return;
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
        put(hook.tracepoint, "sched:no_such_tracepoint");
        must_fail(object, &hook, KERN_ERROR_NO_SUCH_TRACEPOINT, "sched:no_such_tracepoint");
        kern_object_free(object);

        object = load_one("tracepoint", "tracepoint_anywhere", NULL);
        put(hook.tracepoint, "sched:sched_process_fork");
        hook.given |= BIT(COOKIE);
        hook.cookie = 3;
        attach(object, &hook, &attachment);
        fork_once();
        assert_true(hits_of(object, 3) >= 1);
        assert_int_equal(hits_of(object, 0), 0);
        detach(object, &hook, &attachment);
        kern_object_free(object);
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
        put(hook.function, "target_add");
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
        put(hook.function, "no_such_function");
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
        put(hook.function, "target_twice");
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
        put(hook.event, "cpu-clock");
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
        put(hook.event, "page-faults");
        before = hits_of(object, 0);
        attach(object, &hook, &attachment);
        {
                volatile char *memory = mmap(NULL, 1 << 22, PROT_READ | PROT_WRITE,
                                             MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

                assert_true(memory != MAP_FAILED);
                for (size_t i = 0; i < 1 << 22; i += 4096)
                        memory[i] = 1;
                munmap((void *)memory, 1 << 22);
        }
        assert_true(hits_of(object, 0) > before + 100);
        detach(object, &hook, &attachment);
        hook.pid = 0x3fffffff;
        must_fail(object, &hook, KERN_ERROR_NO_SUCH_PROCESS, "1073741823");
        kern_object_free(object);
}

/* As on a machine with more CPUs than an attachment may have links. */
static void test_many_cpus(void **state)
{
        static const char online[] = "/sys/devices/system/cpu/online", text[] = "0-3,8-299\n";
        KernObject *object = load_one("perf_event", "perf_event_sample", NULL);
        KernHook hook = hook_of("perf_event", BIT(EVENT) | BIT(FREQUENCY));
        char path[] = "/tmp/bpfkeeper-online-XXXXXX";
        KERN_AUTO_CLOSE int fd = mkostemp(path, O_CLOEXEC);

        (void)state;
        assert_true(fd >= 0);
        assert_int_equal(write(fd, text, strlen(text)), strlen(text));
        assert_int_equal(mount(path, online, NULL, MS_BIND, NULL), 0);
        put(hook.event, "cpu-clock");
        hook.frequency = 10;
        must_fail(object, &hook, KERN_ERROR_LIMIT_EXCEEDED, "296 CPUs");
        assert_int_equal(umount(online), 0);
        unlink(path);
        kern_object_free(object);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_tracepoint), cmocka_unit_test(test_uprobe),
                cmocka_unit_test(test_kprobe),     cmocka_unit_test(test_kretprobe),
                cmocka_unit_test(test_perf_event), cmocka_unit_test(test_many_cpus),
        };

        return run_attach_tests(tests, NULL, clear_diag);
}
