/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <linux/lwtunnel.h>
#include <linux/rtnetlink.h>
#include <linux/seg6_local.h>

#include "kern-netlink.h"
#include "kern-route-encap.h"

/* What the kernel tells of a route's encapsulation, and what it is told. */

static struct nl_msg *new_message(void)
{
        struct rtmsg *rt;
        struct nl_msg *message = kern_netlink_new(RTM_NEWROUTE, 0, sizeof(*rt), &rt);

        assert_non_null(message);
        return message;
}

static void read_message(struct nl_msg *message, KernEncap *ret)
{
        struct nlmsghdr *header = nlmsg_hdr(message);

        kern_encap_read(nlmsg_find_attr(header, sizeof(struct rtmsg), RTA_ENCAP_TYPE),
                        nlmsg_find_attr(header, sizeof(struct rtmsg), RTA_ENCAP), ret);
}

/* A bpf encapsulation with one program in @slot, whose name has these bytes. */
static void read_name(int slot, const char *name, size_t size, KernEncap *ret)
{
        KERN_AUTO_NETLINK struct nl_msg *message = new_message();
        struct nlattr *encap, *program;

        assert_int_equal(nla_put_u16(message, RTA_ENCAP_TYPE, LWTUNNEL_ENCAP_BPF), 0);
        encap = nla_nest_start(message, RTA_ENCAP);
        program = nla_nest_start(message, slot);
        assert_int_equal(nla_put_u32(message, LWT_BPF_PROG_FD, 3), 0);
        if (name)
                assert_int_equal(nla_put(message, LWT_BPF_PROG_NAME, (int)size, name), 0);
        nla_nest_end(message, program);
        nla_nest_end(message, encap);
        read_message(message, ret);
}

static void what_is_put_is_read(void **state)
{
        static const KernSlots cases[] = {
                {.ids = {7, 0, 0, 0}}, {.ids = {7, 8, 4294967295, 0}},
                {.ids = {0, 0, 9, 0}}, {.ids = {0, 0, 0, 10}},
                {.ids = {0}},
        };

        (void)state;
        for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
                KERN_AUTO_NETLINK struct nl_msg *message = new_message();
                KernEncap encap;

                assert_int_equal(kern_encap_put(message, &cases[i]), 0);
                read_message(message, &encap);
                for (int slot = 0; slot < _KERN_SLOT_MAX; slot++)
                        assert_int_equal(kern_encap_id(&encap, (KernSlot)slot), cases[i].ids[slot]);
                assert_int_equal(encap.programs, i != 4);
                assert_int_equal(encap.type, i == 4   ? LWTUNNEL_ENCAP_NONE
                                             : i == 3 ? LWTUNNEL_ENCAP_SEG6_LOCAL
                                                      : LWTUNNEL_ENCAP_BPF);
        }
}

/* Which names are ours: in one way each, and none that is merely like it. */
static void names(void **state)
{
        static const struct {
                const char *name;
                uint32_t id;
        } cases[] = {
                {"bpfkeeper:7", 7},
                {"bpfkeeper:4294967295", UINT32_MAX},
                {"bpfkeeper:4294967296", 0},
                {"bpfkeeper:18446744073709551623", 0},
                {"bpfkeeper:0", 0},
                {"bpfkeeper:07", 0},
                {"bpfkeeper:+7", 0},
                {"bpfkeeper:-7", 0},
                {"bpfkeeper: 7", 0},
                {"bpfkeeper:7 ", 0},
                {"bpfkeeper:", 0},
                {"bpfkeeper", 0},
                {"Bpfkeeper:7", 0},
                {"/sys/fs/bpf/bpfkeeper:7", 0},
                {"", 0},
        };
        char longest[300];
        KernEncap encap;

        (void)state;
        for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
                read_name(LWT_BPF_OUT, cases[i].name, strlen(cases[i].name) + 1, &encap);
                assert_int_equal(kern_encap_id(&encap, KERN_SLOT_OUT), cases[i].id);
                assert_int_equal(kern_encap_id(&encap, KERN_SLOT_IN), 0);
                assert_string_equal(encap.names[KERN_SLOT_IN], "");
                /* Also where it has none that could be told */
                assert_string_not_equal(encap.names[KERN_SLOT_OUT], "");
        }
        read_name(LWT_BPF_IN, "bpfkeeper:78", strlen("bpfkeeper:7"), &encap);
        assert_string_equal(encap.names[KERN_SLOT_IN], "bpfkeeper:7");
        memset(longest, 'x', sizeof(longest));
        read_name(LWT_BPF_XMIT, longest, sizeof(longest), &encap);
        assert_int_equal(strlen(encap.names[KERN_SLOT_XMIT]), KERN_ENCAP_NAME_MAX - 1);
        read_name(LWT_BPF_XMIT, NULL, 0, &encap);
        assert_string_equal(encap.names[KERN_SLOT_XMIT], "?");
}

static void others(void **state)
{
        static const struct {
                uint16_t type;
                const char *text;
        } cases[] = {
                {LWTUNNEL_ENCAP_MPLS, "an encapsulation of kind mpls"},
                {LWTUNNEL_ENCAP_IP6, "an encapsulation of kind ip6"},
                {LWTUNNEL_ENCAP_SEG6_LOCAL, "an encapsulation of kind seg6local, action 3"},
                {999, "an encapsulation of kind 999"},
        };
        char text[1024];
        KernEncap encap;

        (void)state;
        for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
                KERN_AUTO_NETLINK struct nl_msg *message = new_message();
                struct nlattr *nest;

                assert_int_equal(nla_put_u16(message, RTA_ENCAP_TYPE, cases[i].type), 0);
                nest = nla_nest_start(message, RTA_ENCAP);
                assert_int_equal(nla_put_u32(message, SEG6_LOCAL_ACTION, 3), 0);
                nla_nest_end(message, nest);
                read_message(message, &encap);
                assert_false(encap.programs);
                assert_string_equal(kern_encap_describe(&encap, text, sizeof(text)), cases[i].text);
        }
        read_name(LWT_BPF_OUT, "drop.o:[out]", sizeof("drop.o:[out]"), &encap);
        assert_string_equal(kern_encap_describe(&encap, text, sizeof(text)),
                            "a lwt_out program (drop.o:[out])");
        /* It is cut where there is no room. */
        assert_string_equal(kern_encap_describe(&encap, text, 10), "a lwt_out");
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(what_is_put_is_read),
                cmocka_unit_test(names),
                cmocka_unit_test(others),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
