/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "test-util.h"

#include <bpf/libbpf.h>

#include "kern-attach-internal.h"
#include "kern-types.h"

static void test_table(void **state)
{
        (void)state;
        for (const KernType *t = kern_types; t->name; t++) {
                char suffix[32];

                assert_ptr_equal(kern_type_find(t->name), t);
                assert_true(strlen(t->summary) > 0);
                assert_int_equal(t->required & t->optional, 0);
                assert_true(t->sections[0] != NULL);
                assert_true(t->prog_type != BPF_PROG_TYPE_UNSPEC);
                /* one row, one way to attach it */
                assert_int_equal(!!kern_attach_func(t), !t->instead);
                if (t->instead)
                        assert_int_equal(t->required | t->optional, 0);
                assert_int_equal(!!t->hooks, !!(t->required & KERN_PARAM_BIT(KERN_PARAM_HOOK)));
                assert_true(t->hooks || !t->hook_at_load);
                for (const char *const *s = t->sections; *s; s++)
                        assert_ptr_equal(kern_type_from_section(*s), t);
                kern_type_action_suffix(t, suffix, sizeof(suffix));
                assert_null(strchr(suffix, '_'));
                assert_int_equal(strlen(suffix), strlen(t->name));
        }
        assert_null(kern_type_find("nothing"));
        assert_null(kern_type_find(""));
        assert_null(kern_type_find(NULL));
}

/* What libbpf loads a program of a section as is what the table says. */
static void test_libbpf(void **state)
{
        (void)state;
        for (const KernType *t = kern_types; t->name; t++)
                for (const char *const *s = t->sections; *s; s++) {
                        const KernHookName *hook = kern_type_section_hook(t, *s);
                        enum bpf_prog_type type;
                        enum bpf_attach_type attach_type;

                        if (t->prog_type == BPF_PROG_TYPE_EXT)
                                continue;
                        if (libbpf_prog_type_by_name(*s, &type, &attach_type) < 0)
                                fail_msg("libbpf doesn't know section %s", *s);
                        assert_int_equal(type, t->prog_type);
                        if (hook)
                                assert_int_equal(attach_type, hook->number);
                        else if (t->attach_type != 0 &&
                                 attach_type != BPF_SK_REUSEPORT_SELECT_OR_MIGRATE)
                                assert_int_equal(attach_type, t->attach_type);
                }
}

static void test_hooks(void **state)
{
        const KernType *sock = kern_type_find("cgroup_sock");
        const KernType *addr = kern_type_find("cgroup_sock_addr");
        char names[32];

        (void)state;
        assert_string_equal(kern_type_section_hook(sock, "cgroup/sock")->name, "sock_create");
        assert_string_equal(kern_type_section_hook(sock, "?cgroup/post_bind6")->name, "post_bind6");
        assert_string_equal(kern_type_section_hook(addr, "cgroup/connect_unix")->name,
                            "connect_unix");
        assert_null(kern_type_section_hook(addr, "cgroup/post_bind6"));
        assert_null(kern_type_section_hook(addr, "prog"));
        assert_null(kern_type_section_hook(kern_type_find("xdp"), "xdp"));
        assert_null(kern_type_find_hook(addr, "connect5"));
        assert_null(kern_type_find_hook(kern_type_find("xdp"), "xdp"));
        kern_type_list_hooks(sock, names, sizeof(names));
        assert_string_equal(names, "sock_create, sock_release, post");
        kern_type_list_hooks(kern_type_find("xdp"), names, sizeof(names));
        assert_string_equal(names, "");
}

static void test_sections(void **state)
{
        static const struct {
                const char *section, *type, *rest;
        } cases[] = {
                {"xdp", "xdp", ""},
                {"?xdp", "xdp", ""},
                {"xdp.frags", "xdp", ""},
                {"xdp/devmap", "xdp_devmap", ""},
                {"xdp/none", NULL, ""},
                {"xdp_filter", NULL, ""},
                {"tc", "tc", ""},
                {"classifier", "tc", ""},
                {"tc/ingress", "tcx", ""},
                {"tcx/egress", "tcx", ""},
                {"action", "tc_action", ""},
                {"tracepoint/sched/sched_switch", "tracepoint", "sched/sched_switch"},
                {"tp/sched/sched_switch", "tracepoint", "sched/sched_switch"},
                {"tp", "tracepoint", ""},
                {"tp_btf/sched_switch", "tp_btf", "sched_switch"},
                {"raw_tp/sched_switch", "raw_tracepoint", "sched_switch"},
                {"raw_tracepoint.w/x", "raw_tracepoint_writable", "x"},
                {"kprobe/vfs_read", "kprobe", "vfs_read"},
                {"kprobe.multi/vfs_*", "kprobe_multi", "vfs_*"},
                {"kretprobe.multi", "kretprobe_multi", ""},
                {"fmod_ret.s/vfs_read", "fmod_ret", "vfs_read"},
                {"freplace/decide", "freplace", "decide"},
                {"kprobe.session/vfs_*", NULL, ""},
                {"kretprobe/vfs_read", "kretprobe", "vfs_read"},
                {"uprobe.s//bin/sh:main", "uprobe", "/bin/sh:main"},
                {"uretprobe//bin/sh:main", "uretprobe", "/bin/sh:main"},
                {"fentry.s/vfs_read", "fentry", "vfs_read"},
                {"fexit/vfs_read", "fexit", "vfs_read"},
                {"lsm.s/file_open", "lsm", "file_open"},
                {"lsm_cgroup/socket_bind", "lsm_cgroup", "socket_bind"},
                {"cgroup_skb/egress", "cgroup_skb", ""},
                {"cgroup/skb", "cgroup_skb", ""},
                {"cgroup/sock", "cgroup_sock", ""},
                {"cgroup/sock_release", "cgroup_sock", ""},
                {"cgroup/connect4", "cgroup_sock_addr", ""},
                {"cgroup/connect5", NULL, ""},
                {"ksyscall/openat", "ksyscall", "openat"},
                {"perf_event", "perf_event", ""},
                {"perf_event/x", NULL, ""},
                {"prog", NULL, ""},
                {"", NULL, ""},
                {"?", NULL, ""},
        };

        (void)state;
        for (size_t i = 0; i < KERN_ELEMENTSOF(cases); i++) {
                const KernType *type = kern_type_from_section(cases[i].section);

                if (!cases[i].type) {
                        if (type)
                                fail_msg("\"%s\" is taken for %s", cases[i].section, type->name);
                        continue;
                }
                if (!type) {
                        fail_msg("\"%s\" is not known", cases[i].section);
                        return;
                }
                assert_string_equal(type->name, cases[i].type);
                assert_string_equal(kern_type_section_rest(type, cases[i].section), cases[i].rest);
        }
        assert_null(kern_type_from_section(NULL));
        assert_string_equal(kern_type_section_rest(NULL, NULL), "");
}

static void test_names(void **state)
{
        (void)state;
        assert_string_equal(kern_prog_type_name(BPF_PROG_TYPE_SCHED_CLS), "sched_cls");
        assert_string_equal(kern_map_type_name(BPF_MAP_TYPE_PERCPU_ARRAY), "percpu_array");
        assert_string_equal(kern_link_type_name(BPF_LINK_TYPE_XDP), "xdp");
        assert_string_equal(kern_prog_type_name((enum bpf_prog_type)9999), "unknown");
        assert_string_equal(kern_map_type_name((enum bpf_map_type)9999), "unknown");
        assert_string_equal(kern_link_type_name((enum bpf_link_type)9999), "unknown");
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_table), cmocka_unit_test(test_libbpf),
                cmocka_unit_test(test_hooks), cmocka_unit_test(test_sections),
                cmocka_unit_test(test_names),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
