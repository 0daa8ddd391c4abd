/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "grant-store.h"

#define GOOD "[Grant]\nUser=alice\nTypes=xdp\n"

static char *dir;

static int setup(void **state)
{
        (void)state;
        dir = g_dir_make_tmp("bpfkeeper-test-XXXXXX", NULL);
        return g_chmod(dir, 0755);
}

static int teardown(void **state)
{
        g_autoptr(GDir) listing = g_dir_open(dir, 0, NULL);
        const char *name;

        (void)state;
        while ((name = g_dir_read_name(listing))) {
                g_autofree char *path = g_build_filename(dir, name, NULL);

                (void)g_remove(path);
        }
        (void)g_rmdir(dir);
        g_clear_pointer(&dir, g_free);
        return 0;
}

static void put(const char *name, const char *text, mode_t mode)
{
        g_autofree char *path = g_build_filename(dir, name, NULL);

        assert_true(g_file_set_contents(path, text, -1, NULL));
        assert_return_code(g_chmod(path, mode), errno);
}

static GPtrArray *read_all(void)
{
        g_autofree char *error = NULL;
        GPtrArray *grants = authz_grants_read(dir, &error);

        if (!grants)
                fail_msg("%s", error);
        return grants;
}

static void assert_error(GPtrArray *grants, const char *id, const char *error)
{
        const AuthzGrant *grant = authz_grants_find(grants, id);

        assert_non_null(grant);
        if (!grant->error || !strstr(grant->error, error))
                fail_msg("%s: %s", id, grant->error ?: "is no error");
}

static void test_read(void **state)
{
        g_autofree char *fifo = g_build_filename(dir, "fifo.grant", NULL);
        g_autofree char *link = g_build_filename(dir, "link.grant", NULL);
        g_autofree char *dangling = g_build_filename(dir, "dangling.grant", NULL);
        g_autofree char *large = g_strnfill(AUTHZ_GRANT_SIZE_MAX + 10, '\n');
        g_autoptr(GPtrArray) grants = NULL;

        (void)state;
        put("b.grant", GOOD, 0644);
        put("a.grant", GOOD, 0600);
        put("c.grant", "[Grant]\n", 0644);
        put("group.grant", GOOD, 0664);
        put("world.grant", GOOD, 0646);
        put("a b.grant", GOOD, 0644);
        put("bad\xff.grant", GOOD, 0644);
        put("large.grant", large, 0644);
        put(".hidden.grant", GOOD, 0644);
        put("a.grant~", GOOD, 0644);
        put("README", "", 0644);
        assert_return_code(mkfifo(fifo, 0644), errno);
        assert_return_code(symlink("b.grant", link), errno);
        assert_return_code(symlink("nothing", dangling), errno);

        grants = read_all();
        assert_int_equal(grants->len, 11);
        for (guint i = 1; i < grants->len; i++)
                assert_true(strcmp(((AuthzGrant *)grants->pdata[i - 1])->id,
                                   ((AuthzGrant *)grants->pdata[i])->id) < 0);
        assert_null(authz_grants_find(grants, "a")->error);
        assert_null(authz_grants_find(grants, "b")->error);
        assert_null(authz_grants_find(grants, "link")->error);
        assert_error(grants, "dangling", "can't be opened");
        assert_error(grants, "c", "Types= is missing");
        assert_error(grants, "group", "mode 0664");
        assert_error(grants, "world", "mode 0646");
        assert_error(grants, "a b", "letters");
        assert_error(grants, "bad\xef\xbf\xbd", "letters");
        assert_error(grants, "large", "bytes");
        assert_error(grants, "fifo", "no file");
}

static void test_directory(void **state)
{
        g_autoptr(GPtrArray) nothing = NULL;
        g_autofree char *error = NULL;

        (void)state;
        nothing = authz_grants_read("/nonexistent/grants", &error);
        assert_non_null(nothing);
        assert_int_equal(nothing->len, 0);

        assert_return_code(g_chmod(dir, 0777), errno);
        assert_null(authz_grants_read(dir, &error));
        assert_non_null(strstr(error, "mode 0777"));
        g_clear_pointer(&error, g_free);
        assert_null(authz_grants_read("/dev/null", &error));
        assert_non_null(error);
}

static AuthzGrant *make(const char *text)
{
        return authz_grant_parse("", text, strlen(text));
}

static void assert_added(const char *text, const char *id)
{
        g_autoptr(AuthzGrant) grant = make(text);
        g_autoptr(GPtrArray) grants = NULL;
        g_autofree char *path = NULL;
        struct stat st;

        assert_null(grant->error);
        assert_return_code(authz_grants_add(dir, grant), 0);
        assert_string_equal(grant->id, id);
        path = g_strconcat(dir, "/", id, AUTHZ_GRANT_SUFFIX, NULL);
        assert_return_code(stat(path, &st), errno);
        assert_int_equal(st.st_mode, S_IFREG | 0644);
        assert_int_equal(st.st_nlink, 1);
        grants = read_all();
        assert_true(authz_grant_equal(authz_grants_find(grants, id), grant));
}

static void test_add(void **state)
{
        g_autofree char *name = g_strnfill(200, 'a');
        g_autofree char *text = g_strdup_printf("[Grant]\nUser=%s\nTypes=all\n", name);
        g_autofree char *id = g_strnfill(AUTHZ_GRANT_ID_MAX / 2, 'a');
        mode_t mask = umask(0077);

        (void)state;
        assert_added(GOOD, "alice-xdp");
        assert_added(GOOD "Verbs=load\n", "alice-xdp-2");
        put("alice-xdp-3.grant", "mine", 0644);
        assert_added(GOOD "Verbs=attach\n", "alice-xdp-4");
        assert_added("[Grant]\nGroup=tracing\nTypes=kprobe tracepoint\n",
                     "@tracing-kprobe-tracepoint");
        assert_added("[Grant]\nUser=DOM\\some body\nTypes=all\n", "DOM_some_body-all");
        assert_added("[Grant]\nUser=.-\xc3\xa4\nTypes=xdp\n", "_-__-xdp");
        assert_added(text, id);
        (void)umask(mask);
}

static void test_add_makes_the_directory(void **state)
{
        g_autoptr(AuthzGrant) grant = make(GOOD);
        g_autofree char *path = g_build_filename(dir, "alice-xdp.grant", NULL);

        (void)state;
        assert_return_code(g_rmdir(dir), errno);
        assert_return_code(authz_grants_add(dir, grant), 0);
        assert_true(g_file_test(path, G_FILE_TEST_IS_REGULAR));
        assert_int_equal(authz_grants_add("/dev/null/x", grant), -ENOTDIR);
}

static void test_remove(void **state)
{
        g_autoptr(AuthzGrant) grant = make(GOOD);
        g_autoptr(GPtrArray) grants = NULL;
        g_autofree char *path = g_build_filename(dir, "..", "bpfkeeper-test-outside.grant", NULL);

        (void)state;
        put("a b.grant", GOOD, 0644);
        assert_return_code(authz_grants_add(dir, grant), 0);
        assert_return_code(authz_grants_remove(dir, grant->id), 0);
        assert_int_equal(authz_grants_remove(dir, grant->id), -ENOENT);
        assert_int_equal(authz_grants_remove(dir, ""), -ENOENT);
        /* What is listed as broken can be removed, by its name. */
        assert_return_code(authz_grants_remove(dir, "a b"), 0);
        grants = read_all();
        assert_int_equal(grants->len, 0);

        assert_true(g_file_set_contents(path, GOOD, -1, NULL));
        assert_int_equal(authz_grants_remove(dir, "../bpfkeeper-test-outside"), -ENOENT);
        assert_return_code(g_remove(path), errno);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_read, setup, teardown),
                cmocka_unit_test_setup_teardown(test_directory, setup, teardown),
                cmocka_unit_test_setup_teardown(test_add, setup, teardown),
                cmocka_unit_test_setup_teardown(test_add_makes_the_directory, setup, teardown),
                cmocka_unit_test_setup_teardown(test_remove, setup, teardown),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
