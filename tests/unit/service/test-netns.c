/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "test-service.h"

#include <errno.h>
#include <net/if.h>

#include "test-netns.h"

static void own(void **state)
{
        int fd = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
        Netns netns = {1, 1};

        (void)state;
        assert_int_equal(netns_identify(fd, &netns), 0);
        assert_true(netns.inode == 0);
        assert_int_equal(netns.id, NETNS_OWN);
        close(fd);
}

static void none(void **state)
{
        static const char *const paths[] = {"/proc/self/ns/mnt", "/proc/self/status", "/dev/null",
                                            "/"};
        Netns netns;

        (void)state;
        for (size_t i = 0; i < G_N_ELEMENTS(paths); i++) {
                int fd = open(paths[i], O_RDONLY | O_CLOEXEC);

                assert_true(fd >= 0);
                assert_int_equal(netns_identify(fd, &netns), -EINVAL);
                close(fd);
        }
        assert_int_equal(netns_identify(-1, &netns), -EINVAL);
}

static int count(void *userdata)
{
        return ++*(int *)userdata;
}

static void another(void **state)
{
        Other other = other_start();
        g_autofree char *text = netns_text(other.fd), *expected = NULL;
        Netns netns, again;
        char name[IF_NAMESIZE];
        uint32_t index;
        int n = 6;

        (void)state;
        assert_int_equal(netns_identify(other.fd, &netns), 0);
        assert_true(netns.inode != 0 && netns.id >= 0);
        assert_int_equal(netns_identify(other.fd, &again), 0);
        assert_true(again.inode == netns.inode && again.id == netns.id);
        expected = g_strdup_printf("net:[%" G_GUINT64_FORMAT "]", (guint64)netns.inode);
        assert_string_equal(text, expected);
        assert_false(netns_text_is_path(text));

        index = netns_interface_index(other.fd, "one");
        assert_true(index > 0);
        assert_string_equal(netns_interface_name(other.fd, index, name), "one");
        assert_int_equal(netns_interface_index(other.fd, "three"), 0);
        assert_int_equal(netns_interface_index(other.fd, "longer_than_any_interface_is"), 0);
        assert_null(netns_interface_name(other.fd, UINT32_MAX, name));
        assert_int_equal(if_nametoindex("one"), 0);
        assert_int_equal(netns_run(other.fd, count, &n), 7);
        assert_int_equal(netns_run(-1, count, &n), 8);
        assert_true(netns_run(STDIN_FILENO, count, &n) < 0);

        /* No path leads to it, whatever it is called. */
        assert_int_equal(netns_open(text, &netns), -EXDEV);
        assert_int_equal(netns_open("/proc/self/ns/net", &netns), -EXDEV);
        assert_int_equal(netns_open("/dev/null", &netns), -EXDEV);
        assert_int_equal(netns_open("/nonexistent", &netns), -EXDEV);
        other_end(&other);
        run_until(netns_open(text, &netns) == -ENOENT);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(own),
                cmocka_unit_test(none),
                cmocka_unit_test(another),
        };
        g_autofree char *tool = g_find_program_in_path("ip");

        if (!tool || unshare((geteuid() == 0 ? 0 : CLONE_NEWUSER) | CLONE_NEWNET) < 0 ||
            other_ip("link add probe type veth peer name probe2") < 0) {
                g_printerr("skipped: no network namespace of its own, no ip(8) or no veth\n");
                return 77;
        }
        return cmocka_run_group_tests(tests, NULL, NULL);
}
