/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "test-tools.h"

#include <fcntl.h>
#include <unistd.h>

#include "hook.h"

/* Rows of Manager.ProgramTypes, as far as the command line depends on them */
static const struct {
        const char *type, *row;
} rows[] = {
        {"xdp", "{'Required': <['interface']>, 'Optional': <['priority', 'mode']>}"},
        {"tc", "{'Required': <['interface', 'direction']>, 'Optional': <['priority']>}"},
        {"cgroup_skb", "{'Required': <['cgroup', 'direction']>, 'Optional': <@as []>}"},
        {"lirc_mode2", "{'Required': <['device']>, 'Optional': <@as []>}"},
        {"uprobe", "{'Required': <['target']>, 'Optional': <['function', 'offset', 'pid']>}"},
        {"usdt", "{'Required': <['target', 'tracepoint']>, 'Optional': <['pid']>}"},
        {"kprobe", "{'Required': <['function']>, 'Optional': <['offset', 'cookie']>}"},
        {"kprobe_multi", "{'Required': <['functions']>, 'Optional': <['cookie', 'cookies']>}"},
        {"freplace", "{'Required': <['target_program', 'function']>}"},
        {"tracepoint", "{'Required': <['tracepoint']>, 'Optional': <['cookie']>}"},
        {"perf_event", "{'Required': <['event']>, 'Optional': <['frequency', 'cpu']>}"},
        {"netfilter", "{'Required': <['hook', 'family']>, 'Optional': <['hook_priority']>}"},
        {"socket_filter", "{'Required': <['socket']>, 'Optional': <@as []>}"},
        {"syscall", "{'Required': <@as []>, 'Optional': <@as []>}"},
};

static GVariant *row_of(const char *type)
{
        for (size_t i = 0; i < G_N_ELEMENTS(rows); i++)
                if (strcmp(rows[i].type, type) == 0)
                        return g_variant_ref_sink(g_variant_parse(G_VARIANT_TYPE_VARDICT,
                                                                  rows[i].row, NULL, NULL, NULL));
        return NULL;
}

/* Compares what a command line makes with options in GVariant's text format, in the options' order. */
static void assert_hook(const char *type, const char *arguments, const char *expected)
{
        g_autoptr(GVariant) row = row_of(type), options = NULL;
        g_auto(GStrv) words = *arguments ? g_strsplit(arguments, " ", -1) : g_new0(char *, 1);
        g_autoptr(GPtrArray) texts = g_ptr_array_new_with_free_func(g_free);
        g_autofree char *reason = NULL, *joined = NULL;
        g_auto(Hook) hook;
        GVariantIter iter;
        const char *name;
        GVariant *value;

        hook_init(&hook);
        assert_true(
                hook_take_arguments(&hook, type, row, (int)g_strv_length(words), words, &reason));
        options = g_variant_ref_sink(hook_options(&hook, &reason));
        g_variant_iter_init(&iter, options);
        while (g_variant_iter_loop(&iter, "{&sv}", &name, &value)) {
                g_autofree char *printed = g_variant_print(value, true);

                g_ptr_array_add(texts, g_strdup_printf("%s=%s", name, printed));
        }
        g_ptr_array_add(texts, NULL);
        joined = g_strjoinv(" ", (char **)texts->pdata);
        assert_string_equal(joined, expected);
}

static void assert_no_hook(const char *type, const char *arguments)
{
        g_autoptr(GVariant) row = row_of(type);
        g_auto(GStrv) words = g_strsplit(arguments, " ", -1);
        g_autofree char *reason = NULL;
        g_auto(Hook) hook;

        hook_init(&hook);
        assert_false(
                hook_take_arguments(&hook, type, row, (int)g_strv_length(words), words, &reason));
        assert_non_null(reason);
}

static void test_too_much(void **state)
{
        static const struct {
                const char *type, *arguments, *form;
        } cases[] = {
                {"xdp", "veth0 ingress", "attach PROGRAM IFACE\""},
                {"tc", "veth0 ingress 5", "attach PROGRAM IFACE ingress|egress\""},
                {"netfilter", "output", "attach PROGRAM --hook=… --family=…\""},
                {"freplace", "decide 42", "attach PROGRAM FUNCTION[+OFFSET] --target-program=…\""},
                {"socket_filter", "3 4", "attach PROGRAM FD\""},
                {"usdt", "/bin/sh:a:b c", "attach PROGRAM FILE[:PROVIDER:NAME]\""},
        };

        (void)state;
        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                g_autoptr(GVariant) row = row_of(cases[i].type);
                g_auto(GStrv) words = g_strsplit(cases[i].arguments, " ", -1);
                g_autofree char *reason = NULL;
                g_auto(Hook) hook;

                hook_init(&hook);
                assert_false(hook_take_arguments(&hook, cases[i].type, row,
                                                 (int)g_strv_length(words), words, &reason));
                if (!strstr(reason, cases[i].form))
                        fail_msg("%s", reason);
        }
        /* How these run the service tells. */
        assert_hook("syscall", "veth0 ingress", "");
}

static void test_arguments(void **state)
{
        (void)state;
        assert_hook("xdp", "", "");
        assert_hook("xdp", "veth0", "interface='veth0'");
        assert_hook("xdp", "4294967295", "interface=uint32 4294967295");
        assert_hook("tc", "veth0 egress", "interface='veth0' direction='egress'");
        assert_hook("tc", "veth0", "interface='veth0'");
        assert_hook("tracepoint", "sched:sched_switch", "tracepoint='sched:sched_switch'");
        assert_hook("perf_event", "cpu-clock", "event='cpu-clock'");
        assert_hook("kprobe", "vfs_read", "function='vfs_read'");
        assert_hook("kprobe", "vfs_read+0x10", "function='vfs_read' offset=uint64 16");
        assert_hook("kprobe_multi", "vfs_read", "functions=['vfs_read']");
        assert_hook("kprobe_multi", "vfs_r*,a", "functions=['vfs_r*', 'a']");
        assert_hook("cgroup_skb", "/sys/fs/cgroup/x ingress",
                    "direction='ingress' cgroup=handle -1");
        assert_hook("lirc_mode2", "/dev/lirc0", "device=handle -1");
        assert_hook("socket_filter", "3", "socket=handle -1");
        assert_hook("uprobe", "/bin/sh", "target=handle -1");
        assert_hook("uprobe", "/bin/sh:main+4", "function='main' offset=uint64 4 target=handle -1");
        assert_hook("uprobe", "/bin/sh:0x40", "offset=uint64 64 target=handle -1");
        assert_hook("uprobe", "/a:b/sh", "target=handle -1");
        assert_hook("usdt", "/bin/sh", "target=handle -1");
        assert_hook("usdt", "/a:b:libc:setjmp", "tracepoint='libc:setjmp' target=handle -1");
        assert_hook("usdt", "libc.so.6:libc:setjmp", "tracepoint='libc:setjmp' target=handle -1");

        assert_no_hook("xdp", "veth0 ingress");
        assert_no_hook("lirc_mode2", "/dev/lirc0 ingress");
        assert_hook("freplace", "decide", "function='decide'");
        assert_no_hook("kprobe_multi", "vfs_read a");
        assert_no_hook("tc", "veth0 sideways");
        assert_no_hook("tc", "veth0 ingress more");
        assert_no_hook("tracepoint", "a:b c");
        assert_no_hook("no_such_type", "veth0");
}

static void test_options(void **state)
{
        char *argv[] = {
                "bpfctl",   "--priority=7",   "--cookie=0xffffffffffffffff",
                "--pid=-1", "--interface=lo", "--proceed-on=pass,drop",
                NULL,
        };
        g_autofree const char **actions = NULL;
        g_autoptr(GVariant) row = row_of("tc"), values = NULL;
        g_autofree char *reason = NULL, *again = NULL;
        char *veth = "veth0";
        Options options = {0};
        guint64 cookie = 0;
        guint32 priority = 0;
        g_auto(Hook) hook;
        gint32 pid = 0;
        int first;

        (void)state;
        hook_init(&hook);
        assert_true(options_parse(&options, (int)G_N_ELEMENTS(argv) - 1, argv, &first));
        hook_take_options(&hook, &options);
        values = g_variant_ref_sink(hook_options(&hook, &reason));
        assert_true(g_variant_lookup(values, "priority", "u", &priority));
        assert_true(g_variant_lookup(values, "cookie", "t", &cookie));
        assert_true(g_variant_lookup(values, "pid", "i", &pid));
        assert_int_equal(priority, 7);
        assert_true(cookie == UINT64_MAX);
        assert_int_equal(pid, -1);
        assert_true(g_variant_lookup(values, "proceed_on", "^a&s", &actions));
        assert_string_equal(actions[0], "pass");
        assert_string_equal(actions[1], "drop");
        assert_null(actions[2]);

        /* said twice */
        assert_false(hook_take_arguments(&hook, "tc", row, 1, &veth, &again));
        assert_non_null(again);
        options_clear(&options);
}

static void test_wrong_number(void **state)
{
        char *argv[] = {"bpfctl", "--priority=high", NULL};
        g_autofree char *reason = NULL;
        Options options = {0};
        g_auto(Hook) hook;
        int first;

        (void)state;
        hook_init(&hook);
        assert_true(options_parse(&options, 2, argv, &first));
        hook_take_options(&hook, &options);
        assert_null(hook_options(&hook, &reason));
        assert_non_null(strstr(reason, "high"));
        options_clear(&options);
}

static void test_section(void **state)
{
        static const struct {
                const char *type, *section, *target;
        } cases[] = {
                {"uprobe", "uprobe//usr/bin/foo:func", "/usr/bin/foo"},
                {"uprobe", "?uprobe.s//usr/bin/a:b:func+0x10", "/usr/bin/a:b"},
                {"uprobe", "uprobe/libc.so.6:malloc", "libc.so.6"},
                {"uprobe", "uprobe/./foo:malloc", NULL},
                {"uprobe", "uprobe/:malloc", NULL},
                {"uprobe", "uprobe//:malloc", NULL},
                {"uprobe", "uprobe", NULL},
                {"uprobe", "uprobe//usr/bin/foo", NULL},
                {"usdt", "usdt//usr/bin/a:b:provider:name", "/usr/bin/a:b"},
                {"usdt", "usdt/libc.so.6:libc:setjmp", "libc.so.6"},
                {"usdt", "usdt//usr/bin/foo:name", NULL},
                {"usdt", "usdt", NULL},
                {"kprobe", "kprobe//x:y", NULL},
        };

        (void)state;
        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                g_autoptr(GVariant) row = row_of(cases[i].type);
                g_auto(Hook) hook;

                hook_init(&hook);
                hook_take_section(&hook, row, cases[i].section);
                if (cases[i].target)
                        assert_string_equal(hook.values[HOOK_INDEX(OPT_TARGET)], cases[i].target);
                else
                        assert_null(hook.values[HOOK_INDEX(OPT_TARGET)]);
        }
}

static void test_open(void **state)
{
        g_autoptr(GVariant) row = row_of("uprobe");
        g_autofree char *reason = NULL;
        char *good = "/dev/null:x", *bad = "/nonexistent/file";
        g_auto(Hook) hook;

        (void)state;
        hook_init(&hook);
        assert_true(hook_take_arguments(&hook, "uprobe", row, 1, &good, &reason));
        assert_true(hook_open(&hook, true, &reason));
        assert_true(fcntl(hook.fds[HOOK_INDEX(OPT_TARGET)], F_GETFD) & FD_CLOEXEC);
        hook_clear(&hook);
        assert_true(hook_take_arguments(&hook, "uprobe", row, 1, &bad, &reason));
        assert_false(hook_open(&hook, true, &reason));
        assert_non_null(strstr(reason, bad));
}

static void test_describe(void **state)
{
        static const struct {
                const char *properties, *text;
        } cases[] = {
                {"{'Interface': <'veth0'>, 'Direction': <'ingress'>, 'Priority': <uint32 50>}",
                 "veth0, ingress, priority 50"},
                {"{'Interface': <'veth0'>, 'Mode': <'native'>, 'Cpu': <0>}", "veth0, native"},
                {"{'Interface': <'veth0'>, 'Netns': <'/run/netns/a'>, 'Direction': <'egress'>}",
                 "veth0 in /run/netns/a, egress"},
                {"{'Netns': <'/run/netns/a'>}", "/run/netns/a"},
                {"{'Cgroup': <'/sys/fs/cgroup/a'>, 'Priority': <uint32 3>, 'AttachFlags': "
                 "<'multi'>}",
                 "/sys/fs/cgroup/a, priority 3"},
                {"{'Device': <'/dev/lirc0'>, 'DeviceNumber': <uint64 5>}", "/dev/lirc0"},
                {"{'Interface': <'veth0'>, 'Route': <'10.2.0.0/16'>, 'Table': <uint32 254>, "
                 "'Metric': "
                 "<uint32 0>, 'Sharing': <'exclusive'>}",
                 "veth0, 10.2.0.0/16"},
                {"{'Interface': <'veth0'>, 'Netns': <'/run/netns/blue'>, 'Route': <'fc00::/7'>, "
                 "'Table': <uint32 9>, 'Metric': <uint32 8>}",
                 "veth0 in /run/netns/blue, fc00::/7, table 9, metric 8"},
                {"{'Cgroup': <'/sys/fs/cgroup/a'>, 'AttachFlags': <'override'>}",
                 "/sys/fs/cgroup/a, override"},
                {"{'Interface': <'veth0'>, 'Mode': <'skb'>, 'Sharing': <'libxdp'>,"
                 " 'ProceedOn': <['pass']>}",
                 "veth0, skb"},
                {"{'Interface': <'veth0'>, 'Sharing': <'libxdp'>, 'ProceedOn': <['drop', 'tx']>}",
                 "veth0, proceed on drop|tx"},
                {"{'Interface': <'veth0'>, 'Sharing': <'libxdp'>, 'ProceedOn': <@as []>}",
                 "veth0, proceed on none"},
                {"{'Interface': <'veth0'>, 'Sharing': <'dispatcher'>, 'ProceedOn': <@as []>}",
                 "veth0"},
                {"{'Interface': <'veth0'>, 'Sharing': <'dispatcher'>, 'ProceedOn': <['ok', "
                 "'shot']>}",
                 "veth0, proceed on ok|shot"},
                {"{'Interface': <'veth0'>, 'Sharing': <'kernel'>, 'ProceedOn': <@as []>}", "veth0"},
                {"{'Target': <'/bin/sh'>, 'Function': <'main'>, 'Offset': <uint64 4>,"
                 " 'Pid': <12>}",
                 "/bin/sh:main+0x4, pid 12"},
                {"{'Function': <'vfs_read'>, 'Cookie': <uint64 9>}", "vfs_read, cookie 9"},
                {"{'Functions': <['vfs_r*', 'a']>, 'Cookies': <[uint64 1, 2]>}", "vfs_r*, a"},
                {"{'Function': <'decide'>, 'TargetProgramId': <uint32 7>}", "decide of program 7"},
                {"{'Cgroup': <'/sys/fs/cgroup/a'>, 'Hook': <'connect4'>}",
                 "/sys/fs/cgroup/a, connect4"},
                {"{'Hook': <'output'>, 'Family': <'ipv4'>}", "output, ipv4"},
                {"{'TargetMapId': <uint32 9>}", "map 9"},
                {"{'Event': <'cpu-clock'>, 'Cpu': <1>}", "cpu-clock, cpu 1"},
                {"{'Event': <'cpu-clock'>, 'Cpu': <-1>}", "cpu-clock"},
        };

        (void)state;
        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                g_autoptr(GVariant) properties =
                        g_variant_parse(G_VARIANT_TYPE_VARDICT, cases[i].properties, NULL, NULL,
                                        NULL);

                assert_non_null(properties);
                assert_text(hook_describe(properties), cases[i].text);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_arguments), cmocka_unit_test(test_too_much),
                cmocka_unit_test(test_options),   cmocka_unit_test(test_wrong_number),
                cmocka_unit_test(test_section),   cmocka_unit_test(test_open),
                cmocka_unit_test(test_describe),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
