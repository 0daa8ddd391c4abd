/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "test-attach.h"

static KernObject *object;

static const uint64_t cookies[] = {1, 2, 3};

static KernHook hook_on(const char *type, const char *functions)
{
        KernHook hook = hook_of(type, BIT(FUNCTIONS) | BIT(COOKIES));

        hook.functions = functions;
        hook.cookies = (KernNumbers){cookies, 1};
        for (const char *s = functions; *s; s++)
                hook.cookies.n += *s == ',';
        return hook;
}

/* Attaches, causes the event, and returns whether it was counted at @index and never again after. */
static bool runs(const char *type, const char *functions, uint32_t index)
{
        KernAttachment attachment = KERN_ATTACHMENT_INIT;
        KernHook hook = hook_on(type, functions);
        uint64_t before = hits_of(object, index), after;

        attach(object, &hook, &attachment);
        assert_int_equal(attachment.n_links, 1);
        open_once();
        after = hits_of(object, index);
        detach(object, &hook, &attachment);
        open_once();
        assert_int_equal(hits_of(object, index), after);
        return after > before;
}

static int load_probe(void **state)
{
        KernAttachment attachment = KERN_ATTACHMENT_INIT;
        KernHook hook = hook_on("kprobe_multi", "vfs_open");

        (void)state;
        object = load_if_possible("kprobe_multi", "kprobe_multi_open");
        if (object && kern_attach(object->programs[0].fd, &hook, &attachment, &diag) < 0) {
                assert_int_equal(diag.error, KERN_ERROR_NOT_SUPPORTED);
                assert_non_null(strstr(diag.message, "CONFIG_FPROBE"));
                fprintf(stderr, "skipped: %s\n", diag.message);
                kern_object_free(object);
                object = NULL;
        }
        kern_attachment_done(&attachment);
        return 0;
}

static int unload_probe(void **state)
{
        (void)state;
        kern_object_free(object);
        return 0;
}

#define skip_without_object() \
        if (!object) {        \
                skip();       \
                return;       \
        }

static void test_names(void **state)
{
        (void)state;
        skip_without_object();
        assert_true(runs("kprobe_multi", "vfs_open", 1));
        assert_true(runs("kretprobe_multi", "vfs_readlink,vfs_open", 2));
}

static void test_patterns(void **state)
{
        (void)state;
        skip_without_object();
        assert_true(runs("kprobe_multi", "vfs_o?en", 1));
        assert_true(runs("kprobe_multi", "vfs_readlink,*fs_op*n", 2));
        /* the first that means a function has it */
        assert_true(runs("kprobe_multi", "vfs_readlink,vfs_open,vfs_*", 2));
        assert_true(runs("kprobe_multi", "vfs_*,vfs_open", 1));
}

static void refused(const char *functions, KernError error, const char *word)
{
        KernHook hook = hook_on("kprobe_multi", functions);

        must_fail(object, &hook, error, word);
}

static void test_wrong(void **state)
{
        (void)state;
        skip_without_object();
        refused("no_such_function", KERN_ERROR_NO_SUCH_FUNCTION, "called no_such_function");
        refused("vfs_open,no_such_function", KERN_ERROR_NO_SUCH_FUNCTION,
                "called no_such_function");
        refused("no_such_*", KERN_ERROR_NO_SUCH_FUNCTION, "matches no_such_*");
        refused("vfs_*,no_such_*", KERN_ERROR_NO_SUCH_FUNCTION, "matches no_such_*");
        refused("vfs_open,vfs_open", KERN_ERROR_INVALID_ARGUMENT, "vfs_open is given twice");
        refused("*", KERN_ERROR_LIMIT_EXCEEDED, "16384");
}

/* A file system that tells what was written into it, in tracefs' place. */
static void replace_tracefs(const char *list)
{
        assert_int_equal(mount("tmpfs", "/sys/kernel/tracing", "tmpfs", 0, NULL), 0);
        if (access("/sys/kernel/debug/tracing/events", F_OK) == 0)
                assert_int_equal(mount("tmpfs", "/sys/kernel/debug", "tmpfs", 0, NULL), 0);
        if (list) {
                FILE *f = fopen("/sys/kernel/tracing/available_filter_functions", "we");

                assert_non_null(f);
                fputs(list, f);
                fclose(f);
        }
}

static void restore_tracefs(void)
{
        assert_int_equal(umount("/sys/kernel/tracing"), 0);
        umount("/sys/kernel/debug");
}

/* Without a list there are names still; one that is in the list twice is one. */
static void test_lists(void **state)
{
        (void)state;
        skip_without_object();
        replace_tracefs(NULL);
        assert_true(runs("kprobe_multi", "vfs_open", 1));
        refused("vfs_open,no_such_function", KERN_ERROR_NO_SUCH_FUNCTION, "another that was given");
        refused("vfs_*", KERN_ERROR_NOT_SUPPORTED, "mount -t tracefs");
        restore_tracefs();

        replace_tracefs(
                "vfs_open\n__ftrace_invalid_address___12\nvfs_readlink [module]\nvfs_open\n");
        assert_true(runs("kprobe_multi", "vfs_readlink,vfs_*", 2));
        refused("vfs_*,vfs_write", KERN_ERROR_NO_SUCH_FUNCTION, "called vfs_write");
        restore_tracefs();
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_names),
                cmocka_unit_test(test_patterns),
                cmocka_unit_test(test_wrong),
                cmocka_unit_test(test_lists),
        };

        return may_attach() ? cmocka_run_group_tests(tests, load_probe, unload_probe)
                            : EXIT_SKIPPED;
}
