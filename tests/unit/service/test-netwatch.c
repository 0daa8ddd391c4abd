/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Interfaces of a network namespace of the test's own. */

#include "test-service.h"

#include <net/if.h>
#include <sched.h>
#include <unistd.h>

#include "netwatch.h"
#include "test-netns.h"

static GArray *gone;
static uint32_t last_changed;
static int32_t netns_ended = NETNS_OWN;

static void on_gone(uint32_t ifindex, void *userdata)
{
        assert_ptr_equal(userdata, &gone);
        g_array_append_val(gone, ifindex);
}

static void on_changed(uint32_t ifindex, void *userdata)
{
        assert_ptr_equal(userdata, &gone);
        last_changed = ifindex;
}

static void on_netns_gone(int32_t netns, void *userdata)
{
        assert_ptr_equal(userdata, &gone);
        netns_ended = netns;
}

static void on_overrun(void *userdata)
{
        assert_ptr_equal(userdata, &gone);
}

static const NetwatchCalls calls = {on_gone, on_changed, on_netns_gone, on_overrun};

static bool try_ip(const char *arguments)
{
        g_autofree char *command = g_strdup_printf("ip %s", arguments);
        g_autofree char *complaint = NULL;
        int status;

        return g_spawn_command_line_sync(command, NULL, &complaint, &status, NULL) && status == 0;
}

static void ip(const char *arguments)
{
        assert_true(try_ip(arguments));
}

static bool has_veth(void)
{
        return try_ip("link add probe type veth peer name probe2") && try_ip("link del probe");
}

static bool is_gone(uint32_t ifindex)
{
        for (guint i = 0; i < gone->len; i++)
                if (g_array_index(gone, uint32_t, i) == ifindex)
                        return true;
        return false;
}

static void what_goes_is_told(void **state)
{
        Netwatch *watch = netwatch_new(&calls, &gone);
        uint32_t one, two;

        (void)state;
        assert_non_null(watch);
        ip("link add one type veth peer name two");
        one = if_nametoindex("one");
        two = if_nametoindex("two");
        assert_true(one > 0 && two > 0);
        /* Comings, changes and other names are no end. */
        ip("link set one up");
        ip("link set two name other");
        ip("link set lo up");
        run_until(last_changed == if_nametoindex("lo"));
        assert_int_equal(gone->len, 0);
        ip("link del one");
        run_until(is_gone(one) && is_gone(two));
        assert_int_equal(gone->len, 2);
        netwatch_free(watch);
}

static void freed_with_news_pending(void **state)
{
        Netwatch *watch = netwatch_new(&calls, &gone);

        (void)state;
        ip("link add three type veth peer name four");
        ip("link del three");
        g_array_set_size(gone, 0);
        netwatch_free(watch);
        run_for(50);
        assert_int_equal(gone->len, 0);
        netwatch_free(NULL);
}

static void the_end_of_another_namespace(void **state)
{
        Netwatch *watch = netwatch_new(&calls, &gone);
        Other other = other_start();
        Netns netns;

        (void)state;
        assert_non_null(watch);
        assert_int_equal(netns_identify(other.fd, &netns), 0);
        assert_true(netns.id >= 0);
        /* What happens in it is its own business. */
        g_array_set_size(gone, 0);
        assert_int_equal(netns_run(other.fd, other_del, NULL), 0);
        run_for(50);
        assert_int_equal(gone->len, 0);
        assert_int_equal(netns_ended, NETNS_OWN);
        /* It ends with its last process and descriptor. */
        other_end(&other);
        run_until(netns_ended == netns.id);
        netwatch_free(watch);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(what_goes_is_told),
                cmocka_unit_test(freed_with_news_pending),
                cmocka_unit_test(the_end_of_another_namespace),
        };
        g_autofree char *tool = g_find_program_in_path("ip");
        int r;

        if (!tool || unshare((geteuid() == 0 ? 0 : CLONE_NEWUSER) | CLONE_NEWNET) < 0 ||
            !has_veth()) {
                g_printerr("skipped: no network namespace of its own, no ip(8) or no veth\n");
                return 77;
        }
        gone = g_array_new(FALSE, FALSE, sizeof(uint32_t));
        r = cmocka_run_group_tests(tests, NULL, NULL);
        g_array_unref(gone);
        return r;
}
