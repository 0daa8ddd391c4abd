/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <limits.h>

#include <linux/perf_event.h>

#include "test-util.h"

#include "kern-attach.h"
#include "kern-perf-events.h"

#define BIT(p) KERN_PARAM_BIT(KERN_PARAM_##p)
#define put(field, text) \
        assert_true((size_t)snprintf(field, sizeof(field), "%s", text) < sizeof(field))

static KernHook hook_of(const char *type)
{
        KernHook hook = KERN_HOOK_INIT;

        hook.type = kern_type_find(type);
        assert_non_null(hook.type);
        return hook;
}

static void test_strings(void **state)
{
        const char *const *directions = kern_params[KERN_PARAM_DIRECTION].words;

        (void)state;
        assert_int_equal(kern_word_find(directions, "egress"), KERN_DIRECTION_EGRESS);
        assert_int_equal(kern_word_find(directions, ""), -1);
        assert_int_equal(kern_word_find(directions, "Ingress"), -1);
        assert_string_equal(kern_word(directions, UINT32_MAX), "");
        assert_string_equal(kern_direction_to_string(KERN_DIRECTION_EGRESS), "egress");
        assert_string_equal(kern_direction_to_string(KERN_DIRECTION_NONE), "");
        assert_string_equal(kern_xdp_mode_to_string(KERN_XDP_MODE_SKB), "skb");
        assert_string_equal(kern_word(kern_xdp_actions, XDP_PASS), "pass");
}

/* What carries hooks about relies on all of this. */
static void test_table(void **state)
{
        static const size_t sizes[] = {
                [KERN_KIND_U32] = sizeof(uint32_t),
                [KERN_KIND_U64] = sizeof(uint64_t),
                [KERN_KIND_I32] = sizeof(int32_t),
                [KERN_KIND_WORD] = sizeof(uint32_t),
                [KERN_KIND_WORDS] = sizeof(uint32_t),
                [KERN_KIND_TEXTS] = sizeof(char *),
                [KERN_KIND_NUMBERS] = sizeof(KernNumbers),
                [KERN_KIND_INTERFACE] = sizeof(uint32_t),
                [KERN_KIND_FILE] = sizeof(int),
                [KERN_KIND_PROGRAM] = sizeof(uint32_t),
                [KERN_KIND_MAP] = sizeof(uint32_t),
                [KERN_KIND_PROCESS] = sizeof(int32_t),
        };

        (void)state;
        assert_true(_KERN_PARAM_MAX <= 64);
        for (int i = 0; i < _KERN_PARAM_MAX; i++) {
                const KernParamInfo *p = &kern_params[i];
                bool words = p->kind == KERN_KIND_WORD || p->kind == KERN_KIND_WORDS;

                if (!p->name || !p->form || !p->summary || !p->key) {
                        fail_msg("parameter %d has not all of its names", i);
                        return;
                }
                assert_true(strspn(p->name, "abcdefghijklmnopqrstuvwxyz_") == strlen(p->name));
                assert_true(p->offset + p->size <= sizeof(KernHook));
                if (p->kind == KERN_KIND_TEXT ? p->size < 2 : p->size != sizes[p->kind])
                        fail_msg("%s is no member of its kind", p->name);
                assert_true(words == (p->words != NULL));
                for (int j = 0; j < i; j++) {
                        assert_string_not_equal(p->name, kern_params[j].name);
                        assert_string_not_equal(p->key, kern_params[j].key);
                        assert_true(p->offset != kern_params[j].offset);
                }
        }
}

static void test_members(void **state)
{
        KernHook hook = hook_of("xdp");
        char text[sizeof(hook.function) + 1];

        (void)state;
        assert_true(kern_hook_set_number(&hook, KERN_PARAM_PID, (uint64_t)-7));
        assert_int_equal(hook.pid, -7);
        assert_true(kern_hook_number(&hook, KERN_PARAM_PID) == (uint64_t)-7);
        assert_false(kern_hook_set_number(&hook, KERN_PARAM_PID, INT64_C(1) << 31));
        assert_false(kern_hook_set_number(&hook, KERN_PARAM_PRIORITY, UINT64_C(1) << 32));
        assert_true(kern_hook_set_number(&hook, KERN_PARAM_COOKIE, UINT64_MAX));
        assert_true(hook.cookie == UINT64_MAX);
        assert_false(kern_hook_set_number(&hook, KERN_PARAM_FUNCTION, 1));
        assert_int_equal(kern_hook_number(&hook, KERN_PARAM_FUNCTION), 0);
        memset(text, 'f', sizeof(text));
        text[sizeof(text) - 1] = '\0';
        assert_false(kern_hook_set_text(&hook, KERN_PARAM_FUNCTION, text));
        assert_string_equal(hook.function, "");
        assert_true(kern_hook_set_text(&hook, KERN_PARAM_FUNCTION, text + 1));
        assert_string_equal(hook.function, text + 1);
        assert_false(kern_hook_set_text(&hook, KERN_PARAM_PID, "1"));

        hook.target_fd = hook.cgroup_fd = hook.extension_fd = hook.target_program_fd = 3;
        hook.functions = text;
        hook.cookies = (KernNumbers){(const uint64_t[]){1}, 1};
        kern_hook_drop_borrowed(&hook);
        assert_int_equal(hook.target_fd & hook.cgroup_fd & hook.extension_fd, -1);
        assert_int_equal(hook.target_program_fd, -1);
        assert_null(hook.functions);
        assert_null(hook.cookies.list);
        assert_int_equal(hook.cookies.n, 0);
}

static void test_complete(void **state)
{
        static const struct {
                const char *type, *section;
                int r;
                const char *tracepoint, *function;
                uint64_t offset;
                KernDirection direction;
                const char *path;
        } cases[] = {
                {"xdp", "xdp", 0, "", "", 0, 0, ""},
                {"tcx", "tcx/egress", 0, "", "", 0, KERN_DIRECTION_EGRESS, ""},
                {"tcx", "tc/ingress", 0, "", "", 0, KERN_DIRECTION_INGRESS, ""},
                {"tc", "tcx/ingress", 0, "", "", 0, KERN_DIRECTION_INGRESS, ""},
                {"tc", "tc", 0, "", "", 0, 0, ""},
                {"cgroup_skb", "cgroup_skb/egress", 0, "", "", 0, KERN_DIRECTION_EGRESS, ""},
                {"cgroup_skb", "cgroup/skb", 0, "", "", 0, 0, ""},
                {"tracepoint", "tp/sched/sched_switch", 0, "sched:sched_switch", "", 0, 0, ""},
                {"tracepoint", "tp", 0, "", "", 0, 0, ""},
                {"tracepoint", "tp/sched", -EINVAL, "", "", 0, 0, ""},
                {"tracepoint", "tp/sched/", -EINVAL, "", "", 0, 0, ""},
                {"tracepoint", "tp//x", -EINVAL, "", "", 0, 0, ""},
                {"tracepoint", "tp/../x", -EINVAL, "", "", 0, 0, ""},
                {"tracepoint", "tp/a/b/c", -EINVAL, "", "", 0, 0, ""},
                {"raw_tracepoint", "raw_tp/sched_switch", 0, "sched_switch", "", 0, 0, ""},
                {"raw_tracepoint", "raw_tp/sched/sched_switch", -EINVAL, "", "", 0, 0, ""},
                {"tp_btf", "tp_btf/sched_switch", 0, "sched_switch", "", 0, 0, ""},
                {"kprobe", "kprobe/vfs_read", 0, "", "vfs_read", 0, 0, ""},
                {"kprobe", "?kprobe/vfs_read+0x10", 0, "", "vfs_read", 16, 0, ""},
                {"kprobe", "kprobe/vfs_read+", -EINVAL, "", "", 0, 0, ""},
                {"kprobe", "kprobe/vfs_read+x", -EINVAL, "", "", 0, 0, ""},
                {"kprobe", "kprobe/vfs_read+-1", -EINVAL, "", "", 0, 0, ""},
                {"kprobe", "kprobe/vfs_read+99999999999999999999", -EINVAL, "", "", 0, 0, ""},
                {"kprobe", "kprobe/a b", -EINVAL, "", "", 0, 0, ""},
                {"kretprobe", "kretprobe/vfs_read+4", -EINVAL, "", "", 0, 0, ""},
                {"kretprobe", "kprobe/vfs_read", 0, "", "vfs_read", 0, 0, ""},
                {"uprobe", "kprobe/vfs_read", 0, "", "", 0, 0, ""},
                {"uprobe", "uprobe", 0, "", "", 0, 0, ""},
                {"uprobe", "uprobe//bin/sh:main", 0, "", "main", 0, 0, "/bin/sh"},
                {"uprobe", "uprobe/libc.so.6:malloc@GLIBC_2.2.5+8", 0, "", "malloc@GLIBC_2.2.5", 8,
                 0, "libc.so.6"},
                {"uprobe", "uprobe//a:b:main", 0, "", "main", 0, 0, "/a:b"},
                {"uprobe", "uprobe//bin/sh:0x1234", 0, "", "", 0x1234, 0, "/bin/sh"},
                {"uprobe", "uprobe//bin/sh", -EINVAL, "", "", 0, 0, ""},
                {"uprobe", "uprobe/:main", -EINVAL, "", "", 0, 0, ""},
                {"uprobe", "uprobe//bin/sh:", -EINVAL, "", "", 0, 0, ""},
                {"usdt", "usdt", 0, "", "", 0, 0, ""},
                {"usdt", "usdt/libc.so.6:libc:setjmp", 0, "libc:setjmp", "", 0, 0, "libc.so.6"},
                {"usdt", "usdt.s//a:b:c-d:e__f", 0, "c-d:e__f", "", 0, 0, "/a:b"},
                {"usdt", "usdt//bin/sh:name", -EINVAL, "", "", 0, 0, ""},
                {"usdt", "usdt//bin/sh", -EINVAL, "", "", 0, 0, ""},
                {"usdt", "usdt/:a:b", -EINVAL, "", "", 0, 0, ""},
                {"usdt", "usdt//bin/sh::b", -EINVAL, "", "", 0, 0, ""},
                {"usdt", "usdt//bin/sh:a:", -EINVAL, "", "", 0, 0, ""},
                {"usdt", "uprobe//bin/sh:main", 0, "", "", 0, 0, ""},
                {"uretprobe", "uretprobe.s//bin/sh:main", 0, "", "main", 0, 0, "/bin/sh"},
                {"fentry", "fentry/vfs_read", 0, "", "vfs_read", 0, 0, ""},
                {"fentry", "fentry/vfs_read+1", -EINVAL, "", "", 0, 0, ""},
                {"fmod_ret", "fmod_ret.s/security_file_open", 0, "", "security_file_open", 0, 0,
                 ""},
                {"kprobe", "kprobe.multi/vfs_*", 0, "", "", 0, 0, ""},
                {"kprobe_multi", "kprobe/vfs_read", 0, "", "", 0, 0, ""},
                {"lsm", "lsm.s/file_open", 0, "", "file_open", 0, 0, ""},
                {"xdp", "prog", 0, "", "", 0, 0, ""},
                {"kprobe", "", 0, "", "", 0, 0, ""},
        };

        (void)state;
        for (size_t i = 0; i < KERN_ELEMENTSOF(cases); i++) {
                KernHook hook = hook_of(cases[i].type);
                char path[PATH_MAX];
                KernDiag diag = {0};
                int r = kern_hook_complete(&hook, cases[i].section, path, sizeof(path), &diag);

                if (r != cases[i].r)
                        fail_msg("\"%s\": %d %s", cases[i].section, r, diag.message);
                if (r < 0)
                        assert_int_equal(diag.error, KERN_ERROR_INVALID_ARGUMENT);
                assert_string_equal(hook.tracepoint, cases[i].tracepoint);
                assert_string_equal(hook.function, cases[i].function);
                assert_int_equal(hook.offset, cases[i].offset);
                assert_int_equal(hook.direction, cases[i].direction);
                assert_string_equal(path, cases[i].path);
                assert_int_equal(!!(hook.given & BIT(FUNCTION)), hook.function[0] != '\0');
                assert_int_equal(!!(hook.given & BIT(TRACEPOINT)), hook.tracepoint[0] != '\0');
                kern_diag_clear(&diag);
        }
}

static void test_given_wins(void **state)
{
        KernHook hook = hook_of("kprobe");
        char path[PATH_MAX];
        KernDiag diag = {0};

        (void)state;
        put(hook.function, "vfs_write");
        hook.given = BIT(FUNCTION);
        assert_int_equal(kern_hook_complete(&hook, "kprobe/vfs_read+4", path, sizeof(path), &diag),
                         0);
        assert_string_equal(hook.function, "vfs_write");
        /* the section's offset belongs to the section's function */
        assert_int_equal(hook.offset, 0);

        hook = hook_of("tcx");
        hook.given = BIT(DIRECTION);
        hook.direction = KERN_DIRECTION_EGRESS;
        assert_int_equal(kern_hook_complete(&hook, "tcx/ingress", path, sizeof(path), &diag), 0);
        assert_int_equal(hook.direction, KERN_DIRECTION_EGRESS);

        /* a target that was given is not overwritten, its function may come from the section */
        hook = hook_of("uprobe");
        hook.given = BIT(TARGET);
        assert_int_equal(kern_hook_complete(&hook, "uprobe//bin/sh:main", path, sizeof(path),
                                            &diag),
                         0);
        assert_string_equal(path, "");
        assert_string_equal(hook.function, "main");
}

/* A route has one text, whichever was given, and a table. */
static void test_route(void **state)
{
        KernHook hook = hook_of("lwt_seg6local");
        char path[PATH_MAX];
        KernDiag diag = {0};

        (void)state;
        put(hook.route, "FC00:0:0::1");
        hook.ifindex = 1;
        hook.given = BIT(ROUTE) | BIT(INTERFACE);
        assert_int_equal(kern_hook_complete(&hook, "lwt_seg6local", path, sizeof(path), &diag), 0);
        assert_string_equal(hook.route, "fc00::1/128");
        assert_int_equal(hook.table, 254);
        assert_true(hook.given & BIT(TABLE));
        assert_int_equal(kern_hook_check(&hook, &diag), 0);
        put(hook.route, "10.2.0.0/16");
        hook.table = 7;
        assert_int_equal(kern_hook_complete(&hook, "lwt_seg6local", path, sizeof(path), &diag), 0);
        assert_int_equal(hook.table, 7);
        assert_int_equal(kern_hook_check(&hook, &diag), -EINVAL);
        assert_non_null(strstr(diag.message, "of IPv6, which 10.2.0.0/16 is not"));
        kern_diag_clear(&diag);
        hook.type = kern_type_find("lwt_xmit");
        assert_int_equal(kern_hook_check(&hook, &diag), 0);
        hook.table = 0;
        assert_int_equal(kern_hook_check(&hook, &diag), -EINVAL);
        kern_diag_clear(&diag);
        put(hook.route, "10.2.0.1/16");
        assert_int_equal(kern_hook_complete(&hook, "lwt_xmit", path, sizeof(path), &diag), -EINVAL);
        assert_non_null(strstr(diag.message, "the network is 10.2.0.0/16"));
        kern_diag_clear(&diag);
}

static void test_fixed_at_load(void **state)
{
        KernHook hook = hook_of("fentry");
        char path[PATH_MAX];
        KernDiag diag = {0};

        (void)state;
        put(hook.function, "vfs_write");
        hook.given = BIT(FUNCTION);
        assert_int_equal(kern_hook_complete(&hook, "fentry/vfs_read", path, sizeof(path), &diag),
                         -EINVAL);
        assert_non_null(strstr(diag.message, "vfs_write"));
        assert_non_null(strstr(diag.message, "vfs_read"));
        kern_diag_clear(&diag);

        hook = hook_of("tp_btf");
        put(hook.tracepoint, "sched_switch");
        hook.given = BIT(TRACEPOINT);
        assert_int_equal(kern_hook_complete(&hook, "tp_btf/sched_waking", path, sizeof(path),
                                            &diag),
                         -EINVAL);
        kern_diag_clear(&diag);
        assert_int_equal(kern_hook_complete(&hook, "tp_btf/sched_switch", path, sizeof(path),
                                            &diag),
                         0);
}

static void test_long_section(void **state)
{
        char section[600], path[16];
        KernHook hook = hook_of("kprobe");
        KernDiag diag = {0};

        (void)state;
        memset(section, 'a', sizeof(section));
        memcpy(section, "kprobe/", 7);
        section[sizeof(section) - 1] = '\0';
        assert_int_equal(kern_hook_complete(&hook, section, path, sizeof(path), &diag), -EINVAL);
        kern_diag_clear(&diag);

        hook = hook_of("uprobe");
        assert_int_equal(kern_hook_complete(&hook, "uprobe//a/path/that/is/long:main", path,
                                            sizeof(path), &diag),
                         -EINVAL);
}

static void must_say(const KernHook *hook, KernError error, const char *word)
{
        KernDiag diag = {0};
        int r = kern_hook_check(hook, &diag);

        if (error == KERN_ERROR_NONE) {
                if (r < 0)
                        fail_msg("%s: %s", hook->type->name, diag.message);
                return;
        }
        assert_int_equal(r, -EINVAL);
        if (diag.error != error || !strstr(diag.message, word))
                fail_msg("%d: %s", diag.error, diag.message);
}

static void test_check(void **state)
{
        KernHook hook = hook_of("xdp");

        (void)state;
        must_say(&hook, KERN_ERROR_MISSING_PARAMETER, "interface");
        hook.given = BIT(INTERFACE);
        must_say(&hook, KERN_ERROR_INVALID_ARGUMENT, "index");
        hook.ifindex = 1;
        must_say(&hook, KERN_ERROR_NONE, "");
        hook.given |= BIT(PRIORITY);
        hook.priority = 70000;
        must_say(&hook, KERN_ERROR_INVALID_ARGUMENT, "65535");
        hook.priority = 1;
        hook.given |= BIT(TRACEPOINT);
        must_say(&hook, KERN_ERROR_INVALID_ARGUMENT, "takes no tracepoint");

        hook = hook_of("tc");
        hook.given = BIT(INTERFACE);
        hook.ifindex = 1;
        must_say(&hook, KERN_ERROR_MISSING_PARAMETER, "direction");

        hook = hook_of("tracepoint");
        hook.given = BIT(TRACEPOINT);
        put(hook.tracepoint, "sched:sched_switch");
        must_say(&hook, KERN_ERROR_NONE, "");
        put(hook.tracepoint, "sched_switch");
        must_say(&hook, KERN_ERROR_INVALID_ARGUMENT, "GROUP:NAME");
        put(hook.tracepoint, "../x:../y");
        must_say(&hook, KERN_ERROR_INVALID_ARGUMENT, "GROUP:NAME");
        put(hook.tracepoint, ":x");
        must_say(&hook, KERN_ERROR_INVALID_ARGUMENT, "GROUP:NAME");

        hook = hook_of("raw_tracepoint");
        hook.given = BIT(TRACEPOINT);
        put(hook.tracepoint, "sched:sched_switch");
        must_say(&hook, KERN_ERROR_INVALID_ARGUMENT, "NAME");

        hook = hook_of("kprobe");
        hook.given = BIT(FUNCTION);
        put(hook.function, "vfs_read");
        must_say(&hook, KERN_ERROR_NONE, "");
        put(hook.function, "vfs read");
        must_say(&hook, KERN_ERROR_INVALID_ARGUMENT, "kernel function");
        hook.function[0] = '\0';
        must_say(&hook, KERN_ERROR_INVALID_ARGUMENT, "kernel function");
}

static void test_functions(void **state)
{
        static const uint64_t cookies[3] = {0};
        char path[PATH_MAX], longest[2 * KERN_FUNCTION_MAX];
        char *many;
        KernHook hook = hook_of("kprobe_multi");
        KernDiag diag = {0};

        (void)state;
        assert_int_equal(kern_hook_complete(&hook, "kprobe.multi/vfs_*", path, sizeof(path), &diag),
                         0);
        assert_string_equal(hook.functions, "vfs_*");
        assert_int_equal(hook.given, BIT(FUNCTIONS));
        must_say(&hook, KERN_ERROR_NONE, "");
        /* what was given wins */
        hook.functions = "a,b?,c.isra.0";
        assert_int_equal(kern_hook_complete(&hook, "kprobe.multi/vfs_*", path, sizeof(path), &diag),
                         0);
        assert_string_equal(hook.functions, "a,b?,c.isra.0");
        must_say(&hook, KERN_ERROR_NONE, "");

        hook.given |= BIT(COOKIES);
        hook.cookies = (KernNumbers){cookies, 2};
        must_say(&hook, KERN_ERROR_INVALID_ARGUMENT, "2 cookies for 3 functions");
        hook.cookies.n = 3;
        must_say(&hook, KERN_ERROR_NONE, "");
        hook.given |= BIT(COOKIE);
        must_say(&hook, KERN_ERROR_INVALID_ARGUMENT, "contradict");

        hook = hook_of("kretprobe_multi");
        must_say(&hook, KERN_ERROR_MISSING_PARAMETER, "functions");
        assert_int_equal(kern_hook_complete(&hook, "kretprobe.multi/a,b", path, sizeof(path),
                                            &diag),
                         -EINVAL);
        assert_non_null(strstr(diag.message, "vfs_*"));
        kern_diag_clear(&diag);
        hook.given = BIT(FUNCTIONS);
        for (const char *const *s =
                     (const char *const[]){"", ",", "a,", ",a", "a,,b", "a b", "a/b", NULL};
             *s; s++) {
                hook.functions = *s;
                must_say(&hook, KERN_ERROR_INVALID_ARGUMENT, "nor a pattern");
        }
        memset(longest, 'a', sizeof(longest));
        longest[KERN_FUNCTION_MAX - 1] = '\0';
        hook.functions = longest;
        must_say(&hook, KERN_ERROR_NONE, "");
        longest[KERN_FUNCTION_MAX - 1] = 'a';
        longest[KERN_FUNCTION_MAX] = '\0';
        must_say(&hook, KERN_ERROR_INVALID_ARGUMENT, "nor a pattern");

        many = calloc(1, KERN_FUNCTIONS_TEXT_MAX + 2);
        assert_non_null(many);
        for (size_t i = 0; i <= KERN_FUNCTIONS_TEXT_MAX; i++)
                many[i] = i % 2 ? ',' : 'a';
        hook.functions = many;
        must_say(&hook, KERN_ERROR_INVALID_ARGUMENT, "65535 bytes");
        many[2 * KERN_FUNCTIONS_MATCHED_MAX + 1] = '\0';
        must_say(&hook, KERN_ERROR_LIMIT_EXCEEDED, "16384");
        many[2 * KERN_FUNCTIONS_MATCHED_MAX - 1] = '\0';
        must_say(&hook, KERN_ERROR_NONE, "");
        free(many);
}

static void test_check_uprobe(void **state)
{
        KernHook hook = hook_of("uprobe");

        (void)state;
        must_say(&hook, KERN_ERROR_MISSING_PARAMETER, "target");
        hook.given = BIT(TARGET);
        hook.target_fd = 0;
        must_say(&hook, KERN_ERROR_MISSING_PARAMETER, "function, or offset");
        hook.given |= BIT(OFFSET);
        must_say(&hook, KERN_ERROR_NONE, "");
        hook.given |= BIT(FUNCTION);
        put(hook.function, "_ZN3foo3barEv");
        must_say(&hook, KERN_ERROR_NONE, "");
        hook.given |= BIT(PID);
        must_say(&hook, KERN_ERROR_INVALID_ARGUMENT, "pid");
        hook.pid = 1;
        must_say(&hook, KERN_ERROR_NONE, "");

        hook.type = kern_type_find("uretprobe");
        hook.offset = 4;
        must_say(&hook, KERN_ERROR_INVALID_ARGUMENT, "returns");
}

static void test_check_perf_event(void **state)
{
        KernHook hook = hook_of("perf_event");

        (void)state;
        hook.given = BIT(EVENT);
        put(hook.event, "cpu-clocks");
        must_say(&hook, KERN_ERROR_INVALID_ARGUMENT, "such as r1a8");
        must_say(&hook, KERN_ERROR_INVALID_ARGUMENT, "task-clock");
        put(hook.event, "cpu-clock");
        must_say(&hook, KERN_ERROR_MISSING_PARAMETER, "frequency");
        hook.given |= BIT(FREQUENCY);
        must_say(&hook, KERN_ERROR_INVALID_ARGUMENT, "100000");
        hook.frequency = 99;
        must_say(&hook, KERN_ERROR_NONE, "");
        hook.given |= BIT(PERIOD);
        hook.period = 1000;
        must_say(&hook, KERN_ERROR_INVALID_ARGUMENT, "contradict");
}

static void test_perf_events(void **state)
{
        static const struct {
                const char *name;
                uint32_t type;
                uint64_t config;
        } good[] = {
                {"cpu-clock", PERF_TYPE_SOFTWARE, PERF_COUNT_SW_CPU_CLOCK},
                {"cs", PERF_TYPE_SOFTWARE, PERF_COUNT_SW_CONTEXT_SWITCHES},
                {"cycles", PERF_TYPE_HARDWARE, PERF_COUNT_HW_CPU_CYCLES},
                {"branches", PERF_TYPE_HARDWARE, PERF_COUNT_HW_BRANCH_INSTRUCTIONS},
                {"L1-dcache-loads", PERF_TYPE_HW_CACHE, 0},
                {"LLC-store-misses", PERF_TYPE_HW_CACHE,
                 PERF_COUNT_HW_CACHE_LL | PERF_COUNT_HW_CACHE_OP_WRITE << 8 |
                         PERF_COUNT_HW_CACHE_RESULT_MISS << 16},
                {"node-prefetches", PERF_TYPE_HW_CACHE,
                 PERF_COUNT_HW_CACHE_NODE | PERF_COUNT_HW_CACHE_OP_PREFETCH << 8},
                {"r1a8", PERF_TYPE_RAW, 0x1a8},
                {"rffffffffffffffff", PERF_TYPE_RAW, UINT64_MAX},
        };
        static const char *const bad[] = {
                "",
                "cpu-clocks",
                "CYCLES",
                "LLC",
                "LLC-",
                "r",
                "rg",
                "r-1",
                "r 1",
                "r10000000000000000",
                "r0x1",
                "LLC-load",
                "LLC-load-misses-",
                "L2-dcache-loads",
        };
        KernPerfEvent event;

        (void)state;
        for (size_t i = 0; i < KERN_ELEMENTSOF(good); i++) {
                assert_true(kern_perf_event_find(good[i].name, &event));
                assert_int_equal(event.type, good[i].type);
                assert_int_equal(event.config, good[i].config);
        }
        for (size_t i = 0; i < KERN_ELEMENTSOF(bad); i++)
                if (kern_perf_event_find(bad[i], &event))
                        fail_msg("\"%s\" is an event", bad[i]);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_table),
                cmocka_unit_test(test_members),
                cmocka_unit_test(test_strings),
                cmocka_unit_test(test_complete),
                cmocka_unit_test(test_route),
                cmocka_unit_test(test_given_wins),
                cmocka_unit_test(test_fixed_at_load),
                cmocka_unit_test(test_long_section),
                cmocka_unit_test(test_check),
                cmocka_unit_test(test_check_uprobe),
                cmocka_unit_test(test_check_perf_event),
                cmocka_unit_test(test_functions),
                cmocka_unit_test(test_perf_events),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
