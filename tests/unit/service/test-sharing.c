/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "test-service.h"

#include "sharing.h"

/* Parts of a map of specs: each is a link's, or somebody's who holds it, and nobody else's. */

static Sharing *sharing;

static int set_up(void **state)
{
        (void)state;
        sharing = sharing_new();
        return 0;
}

static int tear_down(void **state)
{
        (void)state;
        sharing_free(sharing);
        return 0;
}

static SharingSpecs *find(uint32_t map, uint32_t n, uint32_t expected)
{
        LinkSpecs specs;
        SharingSpecs *held = sharing_find_specs(sharing, map, n, &specs);

        assert_int_equal(specs.map_id, map);
        assert_int_equal(specs.first, expected);
        assert_int_equal(specs.n, n);
        return held;
}

static void what_is_held_is_nobody_elses(void **state)
{
        SharingSpecs *a = find(7, 2, 0), *b = find(7, 3, 2), *other = find(8, 1, 0);

        (void)state;
        sharing_release_specs(a);
        /* Three have no room before what is held. */
        a = find(7, 3, 5);
        sharing_release_specs(find(7, 2, 0));
        sharing_release_specs(b);
        sharing_release_specs(find(7, 5, 0));
        sharing_release_specs(a);
        sharing_release_specs(other);
        sharing_release_specs(NULL);
        sharing_release_specs(find(8, 4, 0));
}

static void what_is_a_links_is_nobody_elses(void **state)
{
        g_autoptr(Link) link = sample_link(2, 1000, 42);
        SharingSpecs *held = sharing_find_specs(sharing, 7, 2, &link->specs), *old;

        (void)state;
        sharing_add(sharing, link);
        /* It is both now, and is so until it is neither. */
        sharing_release_specs(held);
        sharing_release_specs(find(7, 1, 2));
        old = sharing_hold_specs(sharing, &link->specs);
        sharing_remove(sharing, link);
        sharing_release_specs(find(7, 1, 2));
        sharing_release_specs(old);
        sharing_release_specs(find(7, 1, 0));
        link->specs = (LinkSpecs){0};
        assert_null(sharing_hold_specs(sharing, &link->specs));
}

static void note(SharingTurn *turn, void *userdata)
{
        *(SharingTurn **)userdata = turn;
}

/* What a link has of a map may be another map's by the time that its turn comes. */
static void the_turn_is_on_the_link(void **state)
{
        g_autoptr(Link) link = sample_link(2, 1000, 42);
        SharingTurn *first = NULL, *second = NULL;

        (void)state;
        link->hook.type = kern_type_find("usdt");
        link->specs = (LinkSpecs){7, 0, 1};
        sharing_enter(sharing, link, note, &first);
        assert_non_null(first);
        link->specs.map_id = 8;
        sharing_enter(sharing, link, note, &second);
        assert_null(second);
        sharing_leave(first);
        assert_non_null(second);
        sharing_leave(second);
}

/* On another cgroup, or another hook of it, it is no matter who has one to itself. */
static void one_has_a_cgroup_to_itself(void **state)
{
        g_autoptr(Link) held = sample_link(2, 1000, 42), other = sample_link(3, 1000, 42);

        (void)state;
        held->hook.type = other->hook.type = kern_type_find("cgroup_skb");
        held->hook.direction = other->hook.direction = KERN_DIRECTION_EGRESS;
        held->pub.cgroup_id = other->pub.cgroup_id = 5;
        sharing_add(sharing, held);
        assert_null(sharing_holder(sharing, other));
        held->hook.attach_flags = KERN_ATTACH_FLAGS_OVERRIDE;
        assert_ptr_equal(sharing_holder(sharing, other), held);
        assert_null(sharing_holder(sharing, held));
        assert_false(link_has_priority(held));
        assert_true(link_has_priority(other));
        other->hook.direction = KERN_DIRECTION_INGRESS;
        assert_null(sharing_holder(sharing, other));
        other->hook.direction = KERN_DIRECTION_EGRESS;
        other->pub.cgroup_id = 6;
        assert_null(sharing_holder(sharing, other));
        sharing_remove(sharing, held);
}

/* On a device several programs take turns, and none is there twice. */
static void a_program_is_on_a_device_once(void **state)
{
        g_autoptr(Link) link = sample_link(2, 1000, 42), other = sample_link(3, 1000, 42);
        SharingTurn *first = NULL, *second = NULL;

        (void)state;
        link->hook.type = other->hook.type = kern_type_find("lirc_mode2");
        link->pub.device_number = other->pub.device_number = 5;
        sharing_add(sharing, link);
        assert_ptr_equal(sharing_holder(sharing, other), link);
        assert_null(sharing_holder(sharing, link));
        other->pub.program_id = 43;
        assert_null(sharing_holder(sharing, other));
        sharing_enter(sharing, link, note, &first);
        sharing_enter(sharing, other, note, &second);
        assert_non_null(first);
        assert_null(second);
        sharing_leave(first);
        assert_non_null(second);
        sharing_leave(second);
        other->pub.program_id = 42;
        other->pub.device_number = 6;
        assert_null(sharing_holder(sharing, other));
        sharing_remove(sharing, link);
}

/* In its own network namespace, whatever program it has. */
static void an_index_is_of_one_action(void **state)
{
        g_autoptr(Link) link = sample_link(2, 1000, 42), other = sample_link(3, 1000, 43);
        SharingTurn *first = NULL, *second = NULL;

        (void)state;
        link->hook.type = other->hook.type = kern_type_find("tc_action");
        link->hook.index = other->hook.index = 7;
        sharing_add(sharing, link);
        assert_ptr_equal(sharing_holder(sharing, other), link);
        assert_null(sharing_holder(sharing, link));
        sharing_enter(sharing, link, note, &first);
        sharing_enter(sharing, other, note, &second);
        assert_non_null(first);
        assert_null(second);
        sharing_leave(first);
        assert_non_null(second);
        sharing_leave(second);
        other->hook.index = 8;
        assert_null(sharing_holder(sharing, other));
        other->hook.index = 7;
        other->netns = (Netns){.inode = 5, .id = 1};
        assert_null(sharing_holder(sharing, other));
        sharing_remove(sharing, link);
}

/* Whoever changes one of a route's programs writes all of them, and is told which these are. */
static void a_route_has_several_programs(void **state)
{
        g_autoptr(Link) link = sample_link(2, 1000, 42), other = sample_link(3, 1000, 43);
        g_autoptr(GArray) fellows = NULL, none = NULL;
        SharingTurn *first = NULL, *second = NULL;

        (void)state;
        link->hook.type = kern_type_find("lwt_in");
        other->hook.type = kern_type_find("lwt_xmit");
        g_strlcpy(link->hook.route, "10.2.0.0/16", sizeof(link->hook.route));
        g_strlcpy(other->hook.route, "10.2.0.0/16", sizeof(other->hook.route));
        link->hook.table = other->hook.table = 254;
        /* It may have been given to one of them only. */
        other->hook.metric = 5;
        sharing_add(sharing, link);
        assert_null(sharing_holder(sharing, other));
        fellows = sharing_fellows(sharing, other);
        assert_int_equal(fellows->len, 1);
        assert_int_equal(g_array_index(fellows, uint64_t, 0), 42);
        none = sharing_fellows(sharing, link);
        assert_int_equal(none->len, 0);
        sharing_enter(sharing, link, note, &first);
        sharing_enter(sharing, other, note, &second);
        assert_non_null(first);
        assert_null(second);
        sharing_leave(first);
        assert_non_null(second);
        sharing_leave(second);
        other->pub.program_id = 42;
        assert_ptr_equal(sharing_holder(sharing, other), link);
        other->hook.table = 255;
        assert_null(sharing_holder(sharing, other));
        other->hook.table = 254;
        other->netns.inode = 7;
        assert_null(sharing_holder(sharing, other));
        sharing_remove(sharing, link);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
        const struct CMUnitTest tests[] = {
                TEST(what_is_held_is_nobody_elses),  TEST(what_is_a_links_is_nobody_elses),
                TEST(the_turn_is_on_the_link),       TEST(one_has_a_cgroup_to_itself),
                TEST(a_program_is_on_a_device_once), TEST(an_index_is_of_one_action),
                TEST(a_route_has_several_programs),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
