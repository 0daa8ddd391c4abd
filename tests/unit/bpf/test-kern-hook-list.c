/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdint.h>

#include "test-attach.h"

#include "kern-hook-list.h"
#include "kern-xdp-arrange.h"
#include "kern-xdp-internal.h"

typedef struct Found {
        size_t n;
        KernOccupant list[16];
} Found;

static int note(const KernOccupant *o, void *userdata)
{
        Found *found = userdata;

        assert_true(found->n < KERN_ELEMENTSOF(found->list));
        found->list[found->n++] = *o;
        return 0;
}

static int stop(const KernOccupant *o, void *userdata)
{
        (void)o;
        ++*(int *)userdata;
        return -ENOSPC;
}

static KernHookPlace place_of(uint32_t ifindex)
{
        KernHookPlace place = KERN_HOOK_PLACE_INIT;

        place.ifindex = ifindex;
        return place;
}

static void look(Found *ret)
{
        const KernHookPlace place = place_of(if_nametoindex("lo"));

        kern_diag_clear(&diag);
        ret->n = 0;
        if (kern_hook_list(&place, note, ret, &diag) < 0)
                fail_msg("%s", diag.message);
}

static const KernOccupant *find(const Found *found, const char *type, KernDirection direction,
                                uint32_t position)
{
        for (size_t i = 0; i < found->n; i++) {
                const KernOccupant *o = &found->list[i];

                if (strcmp(o->type->name, type) == 0 && o->direction == direction &&
                    o->position == position)
                        return o;
        }
        return NULL;
}

static void test_empty(void **state)
{
        const KernHookPlace nowhere = place_of(12345);
        Found found;

        (void)state;
        look(&found);
        assert_int_equal(found.n, 0);
        kern_diag_clear(&diag);
        assert_true(kern_hook_list(&nowhere, note, &found, &diag) < 0);
        assert_int_equal(diag.error, KERN_ERROR_NO_SUCH_INTERFACE);
}

static void test_interface(void **state)
{
        KernObject *xdp = load_one("packet_counter", "count_packets", NULL);
        KernObject *first = load_one("tc", "tc_count", NULL);
        KernObject *second = load_one("shared_map", "shared_tc", NULL);
        KernHook xdp_hook = hook_of("xdp", BIT(INTERFACE));
        KernHook tc_hook = hook_of("tc", BIT(INTERFACE) | BIT(DIRECTION) | BIT(PRIORITY));
        KernAttachment on_xdp, one, two;
        const KernHookPlace place = place_of(if_nametoindex("lo"));
        const KernOccupant *o;
        KernLinkInfo info;
        int calls = 0;
        Found found;

        (void)state;
        attach(xdp, &xdp_hook, &on_xdp);
        tc_hook.direction = KERN_DIRECTION_EGRESS;
        tc_hook.priority = 20;
        attach(second, &tc_hook, &two);
        tc_hook.priority = 10;
        attach(first, &tc_hook, &one);
        look(&found);
        assert_int_equal(found.n, 3);

        o = find(&found, "xdp", KERN_DIRECTION_NONE, 1);
        assert_non_null(o);
        assert_int_equal(o->prog_id, program_id(xdp));
        assert_int_equal(kern_link_info(on_xdp.link_fds[0], &info), 0);
        assert_int_equal(o->link_id, info.id);
        assert_int_equal(o->mode, KERN_XDP_MODE_SKB);
        assert_false(o->member);
        assert_string_equal(o->name, "count_packets");

        o = find(&found, "tc", KERN_DIRECTION_EGRESS, 1);
        assert_non_null(o);
        assert_int_equal(o->prog_id, program_id(first));
        assert_int_equal(o->priority, 10);
        assert_int_equal(o->tc_handle, one.tc_handle);
        o = find(&found, "tc", KERN_DIRECTION_EGRESS, 2);
        assert_non_null(o);
        assert_int_equal(o->prog_id, program_id(second));
        assert_int_equal(o->priority, 20);
        assert_true(o->name[0] != '\0');

        assert_int_equal(kern_hook_list(&place, stop, &calls, NULL), -ENOSPC);
        assert_int_equal(calls, 1);
        detach(xdp, &xdp_hook, &on_xdp);
        detach(first, &tc_hook, &one);
        tc_hook.priority = 20;
        detach(second, &tc_hook, &two);
        look(&found);
        assert_int_equal(found.n, 0);
        kern_object_free(xdp);
        kern_object_free(first);
        kern_object_free(second);
}

static void test_tcx(void **state)
{
        KernObject *first = load_one("tcx", "tcx_ingress", NULL);
        KernObject *second = load_one("tcx", "tcx_ingress", NULL);
        KernHook hook = hook_of("tcx", BIT(INTERFACE) | BIT(DIRECTION));
        KernAttachment one = KERN_ATTACHMENT_INIT, two = KERN_ATTACHMENT_INIT;
        KernLinkInfo info;
        uint64_t later;
        Found found;

        (void)state;
        hook.direction = KERN_DIRECTION_INGRESS;
        if (kern_attach(first->programs[0].fd, &hook, &one, &diag) >= 0) {
                assert_int_equal(kern_link_info(one.link_fds[0], &info), 0);
                later = info.id;
                hook.followers = (KernNumbers){&later, 1};
                attach(second, &hook, &two);
                look(&found);
                assert_int_equal(found.n, 2);
                assert_int_equal(found.list[0].prog_id, program_id(second));
                assert_int_equal(found.list[1].prog_id, program_id(first));
                assert_int_equal(found.list[1].position, 2);
                assert_int_equal(found.list[1].link_id, info.id);
                assert_string_equal(found.list[0].type->name, "tcx");
                assert_int_equal(found.list[0].direction, KERN_DIRECTION_INGRESS);
        }
        kern_attachment_done(&one);
        kern_attachment_done(&two);
        kern_object_free(first);
        kern_object_free(second);
}

/* Members as "NAME@PRIORITY": others' as they are, ours (numbers from 100) as they were attached. */
static void assert_ranks(KernXdpMembers *members, KernNumbers fellows, const char *expected)
{
        char text[256] = "";
        size_t n = 0;

        kern_xdp_rank(members, fellows);
        for (size_t i = 0; i < members->n; i++)
                n += (size_t)snprintf(text + n, sizeof(text) - n, "%s%s@%u", i > 0 ? " " : "",
                                      members->list[i].name, members->list[i].priority);
        assert_string_equal(text, expected);
}

#define FELLOWS(...)                                    \
        ((KernNumbers){(const uint64_t[]){__VA_ARGS__}, \
                       sizeof((const uint64_t[]){__VA_ARGS__}) / sizeof(uint64_t)})

static void test_rank(void **state)
{
        KernXdpMembers m = {.n = 3,
                            .list = {{.id = 100, .name = "b"},
                                     {.id = 101, .name = "a"},
                                     {.id = 102, .name = "c"}}};

        (void)state;
        assert_ranks(&m, FELLOWS(KERN_XDP_FELLOW(50, 100)), "a@0 c@0 b@50");
        /* what the names say is as it should be */
        assert_ranks(&m,
                     FELLOWS(KERN_XDP_FELLOW(50, 101), KERN_XDP_FELLOW(50, 100),
                             KERN_XDP_FELLOW(50, 102)),
                     "a@50 b@50 c@50");
        assert_ranks(&m,
                     FELLOWS(KERN_XDP_FELLOW(50, 102), KERN_XDP_FELLOW(50, 100),
                             KERN_XDP_FELLOW(50, 101)),
                     "c@50 b@51 a@52");
        /* who is pushed pushes others, as far as it must */
        assert_ranks(&m,
                     FELLOWS(KERN_XDP_FELLOW(50, 102), KERN_XDP_FELLOW(50, 100),
                             KERN_XDP_FELLOW(51, 101)),
                     "c@50 b@51 a@52");
        assert_ranks(&m,
                     FELLOWS(KERN_XDP_FELLOW(50, 101), KERN_XDP_FELLOW(51, 102),
                             KERN_XDP_FELLOW(60, 100)),
                     "a@50 c@51 b@60");
        /* one that isn't there, and one of others */
        m.list[0].id = 7;
        assert_ranks(&m, FELLOWS(KERN_XDP_FELLOW(9, 55), KERN_XDP_FELLOW(70, 102)),
                     "a@50 b@60 c@70");
        /* equal names */
        snprintf(m.list[1].name, sizeof(m.list[1].name), "c");
        m.list[1].id = 103;
        assert_ranks(&m, FELLOWS(KERN_XDP_FELLOW(70, 103), KERN_XDP_FELLOW(70, 102)),
                     "a@50 c@70 c@71");
        assert_int_equal(m.list[1].id, 103);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_empty),
                cmocka_unit_test(test_interface),
                cmocka_unit_test(test_tcx),
                cmocka_unit_test(test_rank),
        };

        return run_attach_tests(tests, NULL, clear_diag);
}
