/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "test-util.h"

#include "kern-attach.h"
#include "kern-info.h"

/*
 * What the tests of attaching share. Every type goes on a real hook of the running kernel: attached,
 * seen to run, detached, seen to be still. In namespaces of its own: the loopback interface is a
 * private one, as are the mounts.
 */

#define BIT(p) KERN_PARAM_BIT(KERN_PARAM_##p)

static KernDiag diag;

#define put(field, text) \
        assert_true((size_t)snprintf(field, sizeof(field), "%s", text) < sizeof(field))

static inline KernHook hook_of(const char *type, uint64_t given)
{
        KernHook hook = KERN_HOOK_INIT;

        hook.type = kern_type_find(type);
        assert_non_null(hook.type);
        hook.given = given;
        if (given & BIT(INTERFACE))
                hook.ifindex = if_nametoindex("lo");
        return hook;
}

static inline KernObject *load_one(const char *file, const char *program, const char *type)
{
        KernProgramWish wishes[] = {{.name = program, .type = kern_type_find(type)}};
        KernLoadOptions options = KERN_LOAD_OPTIONS_INIT;

        options.programs = wishes;
        options.n_programs = 1;
        return load_wishes(file, &options);
}

static inline void attach(KernObject *object, const KernHook *hook, KernAttachment *ret)
{
        kern_diag_clear(&diag);
        if (kern_attach(object->programs[0].fd, hook, ret, &diag) < 0)
                fail_msg("%s: %s", hook->type->name, diag.message);
}

static inline void detach(KernObject *object, const KernHook *hook, KernAttachment *attachment)
{
        KernProgramInfo info;

        assert_int_equal(kern_program_info(object->programs[0].fd, &info), 0);
        if (kern_detach(-1, info.id, hook, attachment, &diag) < 0)
                fail_msg("%s: %s", hook->type->name, diag.message);
}

static inline void must_fail(KernObject *object, const KernHook *hook, KernError error,
                             const char *word)
{
        KernAttachment attachment = KERN_ATTACHMENT_INIT;

        kern_diag_clear(&diag);
        assert_true(kern_attach(object->programs[0].fd, hook, &attachment, &diag) < 0);
        if (diag.error != error || !strstr(diag.message, word))
                fail_msg("wanted %d and \"%s\", got %d: %s", error, word, diag.error, diag.message);
        assert_int_equal(attachment.n_links, 0);
}

static inline uint32_t program_id(KernObject *object)
{
        KernProgramInfo info;

        assert_int_equal(kern_program_info(object->programs[0].fd, &info), 0);
        return info.id;
}

static inline void fork_once(void)
{
        pid_t pid = fork();

        if (pid == 0)
                _exit(0);
        assert_true(pid > 0);
        assert_int_equal(waitpid(pid, NULL, 0), pid);
}

/* Namespaces of its own, with a loopback interface and tracefs; a negative errno where that can't be. */
static inline int make_room(void)
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
        return 0;
}

static inline int clear_diag(void **state)
{
        (void)state;
        kern_diag_clear(&diag);
        return 0;
}

/* The end of main(): 77 where there is nothing to test with. */
#define run_attach_tests(tests, setup, teardown) \
        (may_attach() ? cmocka_run_group_tests(tests, setup, teardown) : EXIT_SKIPPED)

static inline int may_attach(void)
{
        int r;

        if (!may_bpf())
                return 0;
        r = make_room();
        if (r < 0)
                fprintf(stderr, "skipped: no private namespaces: %s\n", strerror(-r));
        return r >= 0;
}

/* As load_one(), but NULL where this kernel can't. */
static inline KernObject *load_if_possible(const char *file, const char *program)
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

static inline void open_once(void)
{
        int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

        assert_true(fd >= 0);
        close(fd);
}

/* Whatever a hook is said to be: a program that was loaded for one goes on no other. */
static inline void must_be_as_loaded(KernObject *object, KernHook hook)
{
        if (hook.type->attach_type == BPF_TRACE_RAW_TP)
                put(hook.tracepoint, "sched_switch");
        else
                put(hook.function, "sched_switch");
        must_fail(object, &hook, KERN_ERROR_INVALID_ARGUMENT, "not for sched_switch");
}

/* A program on a kernel function that opening a file calls. */
static inline void run_kernel_function(const char *file, const char *program, const char *type,
                                       const char *function, uint32_t index)
{
        KernObject *object = load_if_possible(file, program);
        KernHook hook = hook_of(type, BIT(FUNCTION));
        KernAttachment attachment = KERN_ATTACHMENT_INIT;
        uint64_t before;

        if (!object) {
                skip();
                return;
        }
        if (hook.type->needs_btf)
                must_be_as_loaded(object, hook);
        put(hook.function, function);
        kern_diag_clear(&diag);
        if (kern_attach(object->programs[0].fd, &hook, &attachment, &diag) < 0) {
                if (diag.error != KERN_ERROR_NOT_SUPPORTED)
                        fail_msg("%s", diag.message);
                fprintf(stderr, "skipped: %s\n", diag.message);
                kern_object_free(object);
                skip();
                return;
        }
        open_once();
        before = hits_of(object, index);
        assert_true(before >= 1);
        detach(object, &hook, &attachment);
        before = hits_of(object, index);
        open_once();
        assert_int_equal(hits_of(object, index), before);
        if (!hook.type->needs_btf) {
                put(hook.function, "bpfkeeper_no_such_function");
                must_fail(object, &hook, KERN_ERROR_NO_SUCH_FUNCTION, "bpfkeeper_no_such_function");
        }
        kern_object_free(object);
}
