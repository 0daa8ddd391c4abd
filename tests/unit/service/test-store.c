/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "test-service.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <linux/magic.h>

#include "errors.h"
#include "store.h"

/* Pins are empty files here. */

static bool is_bpffs;
static char *directory, *run_dir, *pin_dir;
static Store *store;

int __wrap_statfs(const char *path, struct statfs *ret);
int __wrap_statfs64(const char *path, struct statfs *ret);
int __wrap_kern_pin(int fd, const char *path);
int __wrap_kern_open_pin(const char *path);

int __wrap_statfs(const char *path, struct statfs *ret)
{
        struct stat st;

        memset(ret, 0, sizeof(*ret));
        ret->f_type = is_bpffs ? BPF_FS_MAGIC : TMPFS_MAGIC;
        return stat(path, &st);
}

int __wrap_statfs64(const char *path, struct statfs *ret)
{
        return __wrap_statfs(path, ret);
}

int __wrap_kern_pin(int fd, const char *path)
{
        int pin;

        (void)fd;
        pin = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
        if (pin < 0)
                return -errno;
        close(pin);
        return 0;
}

int __wrap_kern_open_pin(const char *path)
{
        int fd = open(path, O_RDONLY | O_CLOEXEC);

        return fd < 0 ? -errno : fd;
}

static void open_store(void)
{
        g_autoptr(GError) error = NULL;

        store = store_new(run_dir, pin_dir, 1, &error);
        if (!store)
                fail_msg("%s", error->message);
}

static void reopen(void)
{
        store_free(store);
        open_store();
}

static int set_up(void **state)
{
        (void)state;
        is_bpffs = true;
        directory = make_directory();
        run_dir = g_build_filename(directory, "run", NULL);
        pin_dir = g_build_filename(directory, "pins", NULL);
        open_store();
        return 0;
}

static int tear_down(void **state)
{
        (void)state;
        g_clear_pointer(&store, store_free);
        remove_tree(directory);
        g_free(directory);
        g_free(run_dir);
        g_free(pin_dir);
        return 0;
}

static bool is_there(const char *base, const char *name)
{
        g_autofree char *path = g_build_filename(base, name, NULL);

        return g_file_test(path, G_FILE_TEST_EXISTS);
}

static mode_t mode_of(const char *name)
{
        g_autofree char *path = g_build_filename(run_dir, name, NULL);
        struct stat st;

        assert_int_equal(stat(path, &st), 0);
        return st.st_mode & 07777;
}

static void write_file(const char *base, const char *name, const char *text)
{
        g_autofree char *path = g_build_filename(base, name, NULL);

        assert_true(g_file_set_contents(path, text, -1, NULL));
}

static void directories(void **state)
{
        (void)state;
        assert_int_equal(mode_of("."), 0755);
        assert_int_equal(mode_of("loads"), 0755);
        assert_int_equal(mode_of("links"), 0755);
        assert_int_equal(mode_of("logs"), 0700);
        assert_true(is_there(pin_dir, "program"));
        assert_true(is_there(pin_dir, "map"));
        assert_true(is_there(pin_dir, "link"));
        assert_true(store_workers_lock_fd(store) >= 16);
}

static void there_is_one_at_a_time(void **state)
{
        g_autoptr(GError) error = NULL;

        (void)state;
        assert_null(store_new(run_dir, pin_dir, 0, &error));
        assert_non_null(strstr(error->message, "running"));
        reopen();
}

static void without_a_bpffs(void **state)
{
        g_autoptr(GError) error = NULL;

        (void)state;
        g_clear_pointer(&store, store_free);
        is_bpffs = false;
        assert_null(store_new(run_dir, pin_dir, 0, &error));
        assert_non_null(strstr(error->message, "mount -t bpf"));
}

static uint32_t next_id(void)
{
        uint32_t id;

        assert_true(store_next_id(store, &id, NULL));
        return id;
}

static void ids_are_never_given_twice(void **state)
{
        uint32_t id = 0;

        (void)state;
        for (int i = 0; i < 3; i++) {
                for (int j = 0; j < 1500; j++) {
                        uint32_t next = next_id();

                        assert_true(next > id);
                        id = next;
                }
                /* However the service ended. */
                reopen();
        }
}

/* The file is damaged: what is there keeps its id. */
static void ids_of_what_is_there_are_never_given(void **state)
{
        static const char *const texts[] = {"", "x", "-1", "0", "99999999999", "1\n2"};
        g_autoptr(Load) load = load_new(300, 0, "", NULL, "");
        g_autoptr(Link) link = sample_link(400, 0, 1);

        (void)state;
        assert_true(store_write_load(store, load, NULL));
        assert_true(store_write_link(store, link, NULL));
        for (size_t i = 0; i < G_N_ELEMENTS(texts); i++) {
                write_file(run_dir, "next-id", texts[i]);
                reopen();
                assert_true(next_id() > 400);
        }
}

static void loads_and_links_come_back(void **state)
{
        g_autoptr(Load) load = load_new(2, 1000, "app", NULL, "sha256:0");
        g_autoptr(Load) other = load_new(10, 0, "", NULL, "");
        g_autoptr(Link) link = sample_link(3, 1000, 42);
        g_autoptr(GArray) ids = NULL, link_ids = NULL;
        g_autoptr(StoredLoad) stored = NULL;
        g_autoptr(Link) back = NULL;
        g_autoptr(GError) error = NULL;

        (void)state;
        sample_add_program(load, 42, 0, NULL);
        assert_true(store_write_load(store, other, NULL));
        assert_true(store_write_load(store, load, NULL));
        assert_true(store_write_link(store, link, NULL));
        assert_int_equal(mode_of("loads/2"), 0644);
        reopen();
        ids = store_load_ids(store, NULL);
        assert_int_equal(ids->len, 2);
        assert_int_equal(g_array_index(ids, uint32_t, 0), 2);
        assert_int_equal(g_array_index(ids, uint32_t, 1), 10);
        link_ids = store_link_ids(store, NULL);
        assert_int_equal(link_ids->len, 1);
        stored = store_read_load(store, 2, &error);
        assert_non_null(stored);
        assert_int_equal(stored->load->owner, 1000);
        assert_int_equal(stored->programs->len, 1);
        back = store_read_link(store, 3, &error);
        assert_non_null(back);
        assert_int_equal(back->pub.program_id, 42);

        store_remove_load(store, 2);
        store_remove_link(store, 3);
        assert_false(is_there(run_dir, "loads/2"));
        assert_false(is_there(run_dir, "links/3"));
        assert_null(store_read_load(store, 2, &error));
        assert_non_null(error);
}

static void a_file_is_written_anew(void **state)
{
        g_autoptr(Load) load = load_new(2, 1000, "app", NULL, "");
        g_autoptr(StoredLoad) stored = NULL;

        (void)state;
        for (uint32_t id = 1; id < 50; id++)
                sample_add_program(load, id, 0, NULL);
        assert_true(store_write_load(store, load, NULL));
        g_ptr_array_set_size(load->programs, 1);
        assert_true(store_write_load(store, load, NULL));
        stored = store_read_load(store, 2, NULL);
        assert_int_equal(stored->programs->len, 1);
        assert_false(is_there(run_dir, "loads/.new-2"));
}

static void damaged_files_are_errors(void **state)
{
        static const char *const texts[] = {"", "garbage", "[Load", "[Load]\nVersion=2\n",
                                            "\xff\xfe"};

        (void)state;
        for (size_t i = 0; i < G_N_ELEMENTS(texts); i++) {
                g_autoptr(GError) error = NULL, link_error = NULL;

                write_file(run_dir, "loads/5", texts[i]);
                write_file(run_dir, "links/5", texts[i]);
                assert_null(store_read_load(store, 5, &error));
                assert_non_null(error);
                assert_null(store_read_link(store, 5, &link_error));
                assert_non_null(link_error);
        }
}

static void files_of_others_are_no_ids(void **state)
{
        static const char *const names[] = {"0",  "-1",         "+3",        "x",
                                            "5x", "4294967296", "loads.bak", "007"};
        g_autoptr(GArray) ids = NULL;

        (void)state;
        for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
                g_autofree char *name = g_build_filename("loads", names[i], NULL);

                write_file(run_dir, name, "");
        }
        ids = store_load_ids(store, NULL);
        assert_int_equal(ids->len, 0);
}

static void what_was_not_finished_is_swept(void **state)
{
        (void)state;
        write_file(run_dir, ".new-next-id", "5");
        write_file(run_dir, "loads/.new-1", "[Load]");
        write_file(run_dir, "links/.new-1", "[Link]");
        write_file(run_dir, "logs/.new-1", "log");
        write_file(run_dir, "loads/1", "[Load]");
        reopen();
        assert_false(is_there(run_dir, ".new-next-id"));
        assert_false(is_there(run_dir, "loads/.new-1"));
        assert_false(is_there(run_dir, "links/.new-1"));
        assert_false(is_there(run_dir, "logs/.new-1"));
        assert_true(is_there(run_dir, "loads/1"));
}

static void logs(void **state)
{
        int memfd = memfd_create("log", MFD_CLOEXEC), fd;
        g_autofree char *text = g_strnfill(300000, 'x');
        g_autofree char *back = g_malloc0(300001);

        (void)state;
        assert_int_equal(store_open_log(store, 7), -ENOENT);
        assert_int_equal(write(memfd, text, 300000), 300000);
        assert_int_equal(store_write_log(store, 7, memfd), 0);
        close(memfd);
        assert_int_equal(mode_of("logs/7"), 0600);
        fd = store_open_log(store, 7);
        assert_true(fd >= 0);
        assert_int_equal(read(fd, back, 300001), 300000);
        assert_string_equal(back, text);
        /* What it gives away can't be written to. */
        assert_int_equal(write(fd, "x", 1), -1);
        close(fd);
        store_remove_load(store, 7);
        assert_int_equal(store_open_log(store, 7), -ENOENT);
}

static void features_are_of_this_kernel(void **state)
{
        g_autoptr(GKeyFile) features = g_key_file_new(), back = NULL, other = NULL;
        g_autofree char *path = g_build_filename(run_dir, "features", NULL);

        (void)state;
        assert_null(store_read_features(store));
        g_key_file_set_boolean(features, "Features", "btf", TRUE);
        store_write_features(store, features);
        back = store_read_features(store);
        assert_non_null(back);
        assert_true(g_key_file_get_boolean(back, "Features", "btf", NULL));

        other = g_key_file_new();
        assert_true(g_key_file_load_from_file(other, path, G_KEY_FILE_NONE, NULL));
        g_key_file_set_string(other, "Kernel", "Release", "1.0");
        assert_true(g_key_file_save_to_file(other, path, NULL));
        assert_null(store_read_features(store));
        write_file(run_dir, "features", "garbage");
        assert_null(store_read_features(store));
}

static void pins(void **state)
{
        int fd;

        (void)state;
        assert_int_equal(store_open_pin(store, BUS_PROGRAM, 42, 0), -ENOENT);
        assert_int_equal(store_pin(store, BUS_PROGRAM, 42, 0, 0), 0);
        assert_int_equal(store_pin(store, BUS_PROGRAM, 42, 0, 0), -EEXIST);
        assert_int_equal(store_pin(store, BUS_LINK, 42, 3, 0), 0);
        assert_true(is_there(pin_dir, "program/42"));
        assert_true(is_there(pin_dir, "link/42_3"));
        fd = store_open_pin(store, BUS_LINK, 42, 3);
        assert_true(fd >= 0);
        close(fd);
        store_unpin(store, BUS_LINK, 42, 3);
        store_unpin(store, BUS_PROGRAM, 42, 0);
        assert_false(is_there(pin_dir, "program/42"));
        assert_false(is_there(pin_dir, "link/42_3"));
        /* Also where it is gone already. */
        store_unpin(store, BUS_MAP, 1, 0);
}

static bool keep(BusKind kind, uint32_t id, unsigned part, void *userdata)
{
        GString *asked = userdata;

        g_string_append_printf(asked, "%c%u.%u ", "pml"[kind], id, part);
        return id == 42 && part < 2;
}

static void pins_that_belong_to_nothing_are_swept(void **state)
{
        static const char *const names[] = {
                "program/42",  "program/43",  "program/x",  "program/42_0",
                "program/042", "program/+42", "map/42",     "link/42_0",
                "link/42_1",   "link/42_2",   "link/42",    "link/42_",
                "link/42_00",  "link/42_0_0", "link/-42_0", "map/4294967338",
        };
        g_autoptr(GString) asked = g_string_new(NULL);
        unsigned n_kept = 0;

        (void)state;
        for (size_t i = 0; i < G_N_ELEMENTS(names); i++)
                write_file(pin_dir, names[i], "");
        store_sweep_pins(store, keep, asked);
        for (size_t i = 0; i < G_N_ELEMENTS(names); i++)
                n_kept += is_there(pin_dir, names[i]);
        assert_true(is_there(pin_dir, "program/42"));
        assert_true(is_there(pin_dir, "map/42"));
        assert_true(is_there(pin_dir, "link/42_0"));
        assert_true(is_there(pin_dir, "link/42_1"));
        assert_int_equal(n_kept, 4);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
        const struct CMUnitTest tests[] = {
                TEST(directories),
                TEST(there_is_one_at_a_time),
                TEST(without_a_bpffs),
                TEST(ids_are_never_given_twice),
                TEST(ids_of_what_is_there_are_never_given),
                TEST(loads_and_links_come_back),
                TEST(a_file_is_written_anew),
                TEST(damaged_files_are_errors),
                TEST(files_of_others_are_no_ids),
                TEST(what_was_not_finished_is_swept),
                TEST(logs),
                TEST(features_are_of_this_kernel),
                TEST(pins),
                TEST(pins_that_belong_to_nothing_are_swept),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
