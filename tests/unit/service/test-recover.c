/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "test-service.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <linux/magic.h>

#include "errors.h"
#include "recover.h"
#include "tc-chain.h"

/* What recovery makes of a kernel that doesn't answer. Pins are empty files that can't be opened. */

static int open_error;
static char *directory, *run_dir, *pin_dir;
static Daemon d;

int __wrap_statfs(const char *path, struct statfs *ret);
int __wrap_statfs64(const char *path, struct statfs *ret);
int __wrap_kern_pin(int fd, const char *path);
int __wrap_kern_open_pin(const char *path);

int __wrap_statfs(const char *path, struct statfs *ret)
{
        (void)path;
        memset(ret, 0, sizeof(*ret));
        ret->f_type = BPF_FS_MAGIC;
        return 0;
}

int __wrap_statfs64(const char *path, struct statfs *ret)
{
        return __wrap_statfs(path, ret);
}

int __wrap_kern_pin(int fd, const char *path)
{
        (void)fd, (void)path;
        return -EPERM;
}

int __wrap_kern_open_pin(const char *path)
{
        (void)path;
        return open_error;
}

static bool is_there(const char *top, const char *name)
{
        g_autofree char *path = g_build_filename(top, name, NULL);

        return g_file_test(path, G_FILE_TEST_EXISTS);
}

static void write_file(const char *top, const char *name, const char *text)
{
        g_autofree char *path = g_build_filename(top, name, NULL);

        assert_true(g_file_set_contents(path, text, -1, NULL));
}

static int set_up(void **state)
{
        g_autoptr(Load) load = load_new(1, 1000, "app", NULL, "");
        g_autoptr(Link) link = sample_link(2, 1000, 42);

        (void)state;
        directory = make_directory();
        run_dir = g_build_filename(directory, "run", NULL);
        pin_dir = g_build_filename(directory, "pins", NULL);
        memset(&d, 0, sizeof(d));
        d.store = store_new(run_dir, pin_dir, 1, NULL);
        assert_non_null(d.store);
        d.quota = quota_new();
        d.registry = registry_new(d.quota);
        d.tc_chains = tc_chains_new();
        d.devices = devices_new(0, 0, &(DevicesCalls){}, NULL);
        sample_add_program(load, 42, 0, NULL);
        assert_true(store_write_load(d.store, load, NULL));
        link->state = LINK_ATTACHED;
        link->attachment.n_links = 1;
        assert_true(store_write_link(d.store, link, NULL));
        write_file(pin_dir, "program/42", "");
        write_file(pin_dir, "link/2_0", "");
        return 0;
}

static int tear_down(void **state)
{
        (void)state;
        devices_free(d.devices);
        registry_free(d.registry);
        tc_chains_free(d.tc_chains);
        quota_free(d.quota);
        store_free(d.store);
        remove_tree(directory);
        g_free(directory);
        g_free(run_dir);
        g_free(pin_dir);
        return 0;
}

static void assert_untouched(void)
{
        assert_true(is_there(run_dir, "loads/1"));
        assert_true(is_there(run_dir, "links/2"));
        assert_true(is_there(pin_dir, "program/42"));
        assert_true(is_there(pin_dir, "link/2_0"));
}

static void only_absence_is_gone(void **state)
{
        static const int errors[] = {EMFILE, ENFILE, ENOMEM, EPERM, EACCES, EIO, EINTR};

        (void)state;
        for (size_t i = 0; i < G_N_ELEMENTS(errors); i++) {
                g_autoptr(GError) error = NULL;

                open_error = -errors[i];
                assert_false(recover(&d, &error));
                assert_non_null(strstr(error->message, "program/42"));
                assert_non_null(strstr(error->message, g_strerror(errors[i])));
                assert_untouched();
        }
}

static void what_is_gone_is_forgotten(void **state)
{
        g_autoptr(GError) error = NULL;

        (void)state;
        store_remove_link(d.store, 2);
        open_error = -ENOENT;
        assert_true(recover(&d, &error));
        assert_false(is_there(run_dir, "loads/1"));
        assert_false(is_there(pin_dir, "program/42"));
}

static void no_descriptors(void **state)
{
        struct rlimit limit, none;
        g_autoptr(GError) error = NULL;
        bool done;

        (void)state;
        assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
        none = limit;
        none.rlim_cur = 0;
        open_error = -ENOENT;
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
        done = recover(&d, &error);
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
        assert_false(done);
        assert_non_null(strstr(error->message, run_dir));
        assert_untouched();
}

/* A later service's: its pins could be any. */
static void what_makes_no_sense_is_left_alone(void **state)
{
        static const char *const texts[] = {"", "garbage", "[Load]\nVersion=1000\n"};

        (void)state;
        open_error = -ENOENT;
        for (size_t i = 0; i < G_N_ELEMENTS(texts); i++) {
                g_autoptr(GError) error = NULL;

                write_file(run_dir, "loads/1", texts[i]);
                assert_true(recover(&d, &error));
                assert_untouched();
        }
        /* No such doubt: the others' pins go. */
        write_file(run_dir, "links/2", "[Link]\nVersion=1000\n");
        write_file(pin_dir, "link/3_0", "");
        store_remove_load(d.store, 1);
        assert_true(recover(&d, NULL));
        assert_true(is_there(pin_dir, "link/2_0"));
        assert_false(is_there(pin_dir, "link/3_0"));
        assert_false(is_there(pin_dir, "program/42"));
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
        const struct CMUnitTest tests[] = {
                TEST(only_absence_is_gone),
                TEST(what_is_gone_is_forgotten),
                TEST(no_descriptors),
                TEST(what_makes_no_sense_is_left_alone),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
