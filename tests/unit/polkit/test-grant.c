/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "grant.h"

static const char *const no_groups[] = {NULL};

static AuthzGrant *parse(const char *text)
{
        return authz_grant_parse("test", text, strlen(text));
}

static void assert_broken(const char *text, const char *error)
{
        g_autoptr(AuthzGrant) grant = parse(text);

        assert_non_null(grant->error);
        if (!strstr(grant->error, error))
                fail_msg("%s\nbreaks by \"%s\", not \"%s\"", text, grant->error, error);
        /* Nothing that could be taken for a grant */
        assert_null(grant->user);
        assert_null(grant->group);
        assert_int_equal(grant->verbs, 0);
}

static AuthzGrant *good(const char *text)
{
        AuthzGrant *grant = parse(text);

        if (grant->error)
                fail_msg("%s\nis broken: %s", text, grant->error);
        return grant;
}

static void test_all_keys(void **state)
{
        g_autoptr(AuthzGrant) grant =
                good("# comment\n\n [Grant] \nUser = alice\nTypes=xdp, tc;tcx  cgroup_skb\r\n"
                     "Verbs=attach\nInterface=veth*\n  Cgroup=/sys/fs/cgroup/a/**\n"
                     "Until=2026-12-01T19:00:00+01:00\nCreated=2026-11-01T00:00:00Z\n"
                     "CreatedBy=somebody else\n");

        (void)state;
        assert_string_equal(grant->id, "test");
        assert_string_equal(grant->user, "alice");
        assert_null(grant->group);
        assert_int_equal(g_strv_length(grant->types), 4);
        assert_string_equal(grant->types[3], "cgroup_skb");
        assert_int_equal(grant->verbs, AUTHZ_VERB_ATTACH);
        assert_string_equal(grant->interface, "veth*");
        assert_string_equal(grant->cgroup, "/sys/fs/cgroup/a/**");
        assert_int_equal(grant->until / G_USEC_PER_SEC, 1796148000);
        assert_string_equal(grant->created_by, "somebody else");
}

static void test_least(void **state)
{
        g_autoptr(AuthzGrant) grant = good("[Grant]\nGroup=tracing\nTypes=all\n");

        (void)state;
        assert_string_equal(grant->group, "tracing");
        assert_string_equal(grant->types[0], "all");
        assert_null(grant->types[1]);
        assert_int_equal(grant->verbs, AUTHZ_VERB_LOAD | AUTHZ_VERB_ATTACH);
        assert_null(grant->interface);
        assert_int_equal(grant->until, 0);
}

/* Whatever isn't understood makes the whole file count for nothing. */
static void test_broken(void **state)
{
        (void)state;
        assert_broken("", "no [Grant]");
        assert_broken("User=alice\n", "line 1");
        assert_broken("[Other]\n", "line 1: [Other]");
        assert_broken("[Grant]\nUser=alice\nTypes=xdp\n[Grant]\nInterface=lo\n", "line 4");
        assert_broken("[Grant]\nUser=alice\nTypes=xdp\nnonsense\n", "line 4: nonsense");
        assert_broken("[Grant]\nUser=alice\nTypes=xdp\nVerb=load\n", "line 4: Verb=load");
        assert_broken("[Grant]\nuser=alice\nTypes=xdp\n", "line 2: user=alice");
        assert_broken("[Grant]\nUser=alice\nTypes=xdp\nInterface[de]=lo\n", "no such key");
        assert_broken("[Grant]\nUser=alice\nTypes=xdp\nSignedBy=\n", "line 4: SignedBy=");
        assert_broken("[Grant]\nUser=alice\nTypes=xdp\nSignedBy=me you\n", "a grant for each");
        assert_broken("[Grant]\nUser=alice\nTypes=xdp\nInterface=lo\nInterface=*\n", "line 5");
        assert_broken("[Grant]\nUser=alice\nGroup=tracing\nTypes=xdp\n", "two grants");
        assert_broken("[Grant]\nTypes=xdp\n", "User= is missing");
        assert_broken("[Grant]\nUser=\nTypes=xdp\n", "line 2: User=");
        assert_broken("[Grant]\nUser=alice,bob\nTypes=xdp\n", "comma");
        assert_broken("[Grant]\nUser=alice\n", "Types= is missing");
        assert_broken("[Grant]\nUser=alice\nTypes=\n", "no program type is named");
        assert_broken("[Grant]\nUser=alice\nTypes=xpd\n",
                      "line 3: Types=xpd: there is no program type 'xpd'; there are xdp, ");
        assert_broken("[Grant]\nUser=alice\nTypes=all xdp\n", "'all' stands by itself");
        assert_broken("[Grant]\nUser=alice\nTypes=xdp\nVerbs=\n", "line 4: Verbs=");
        assert_broken("[Grant]\nUser=alice\nTypes=xdp\nVerbs=load unload\n", "load unload");
        assert_broken("[Grant]\nUser=alice\nTypes=xdp\nInterface=\n", "line 4: Interface=");
        assert_broken("[Grant]\nUser=alice\nTypes=xdp\nInterface=a/b\n", "slash");
        assert_broken("[Grant]\nUser=alice\nTypes=xdp\nInterface=[a\n", "without its ]");
        assert_broken("[Grant]\nUser=alice\nTypes=xdp\nInterface=a\\\n", "backslash");
        assert_broken("[Grant]\nUser=alice\nTypes=cgroup_skb\nCgroup=user.slice\n", "begins with");
        assert_broken("[Grant]\nUser=alice\nTypes=xdp\nUntil=tomorrow\n", "line 4: Until=tomorrow");
        assert_broken("[Grant]\nUser=alice\nTypes=xdp\nUntil=2026-12-01T18:00:00\n", "time zone");
        assert_broken("[Grant]\nUser=al\x01ice\nTypes=xdp\n", "control characters");
        assert_broken("[Grant]\nUser=\xff\nTypes=xdp\n", "not UTF-8");
}

/* A limit that says nothing of a type would leave that one without any. */
static void test_limits_that_do_not_fit(void **state)
{
        (void)state;
        assert_broken("[Grant]\nUser=a\nTypes=tracepoint\nInterface=lo\n",
                      "line 3: Types=tracepoint");
        assert_broken("[Grant]\nUser=a\nTypes=xdp tracepoint\nInterface=lo\n",
                      "go to no interface");
        assert_broken("[Grant]\nUser=a\nTypes=xdp\nCgroup=/sys/fs/cgroup/a\n", "go to no cgroup");
        assert_broken("[Grant]\nUser=a\nTypes=xdp\nInterface=lo\nCgroup=/sys/fs/cgroup/a\n",
                      "none of these types goes to a cgroup");
        assert_broken("[Grant]\nUser=a\nTypes=kprobe\nInterface=lo\nCgroup=/sys/fs/cgroup/a\n",
                      "no interface and no cgroup");
}

static void test_hostile_sizes(void **state)
{
        g_autofree char *large = g_strnfill(AUTHZ_GRANT_SIZE_MAX + 1, '#');
        g_autofree char *name = g_strnfill(300, 'a');
        g_autofree char *user = g_strdup_printf("[Grant]\nTypes=xdp\nUser=%s\n", name);
        static const char nul[] = "[Grant]\nUser=alice\nTypes=xdp\n\0Interface=lo\n";
        g_autoptr(AuthzGrant) grant = NULL;

        (void)state;
        assert_broken(large, "bytes");
        assert_broken(user, "1 to 255 bytes");
        assert_broken(user, "aaa…: a name");
        grant = authz_grant_parse("test", nul, sizeof(nul) - 1);
        assert_non_null(grant->error);
}

static void test_format(void **state)
{
        static const char *const texts[] = {
                "[Grant]\nUser=alice\nTypes=xdp\nVerbs=load\nInterface=ve th*\nSignedBy=a@b\n",
                "[Grant]\nGroup=a b\\c\nTypes=all\nUntil=2026-12-01T18:00:00Z\nCreatedBy=x # y\n",
                "[Grant]\nUser=\xc3\xa4\nTypes=cgroup_skb\nCgroup=/sys/fs/cgroup/a\\\\x2db\n"
                "Created=2026-12-01T18:00:00Z\nVerbs=attach\n",
        };

        (void)state;
        for (size_t i = 0; i < G_N_ELEMENTS(texts); i++) {
                g_autoptr(AuthzGrant) grant = good(texts[i]), back = NULL;
                g_autofree char *text = authz_grant_format(grant), *description = NULL;

                back = good(text);
                assert_true(authz_grant_equal(grant, back));
                assert_string_equal(grant->created_by ?: "", back->created_by ?: "");
                assert_int_equal(grant->created, back->created);
                description = authz_grant_describe(grant);
                assert_non_null(strstr(description, grant->user ?: grant->group));
        }
}

static void test_describe(void **state)
{
        g_autoptr(AuthzGrant) grant = good("[Grant]\nUser=alice\nTypes=xdp tc\nInterface=veth*\n"
                                           "SignedBy=me\nUntil=2026-12-01T18:00:00Z\n");
        g_autofree char *text = authz_grant_describe(grant);

        (void)state;
        assert_string_equal(text, "user alice load and attach eBPF programs of types xdp, tc, on "
                                  "interfaces veth*, signed by me, until 2026-12-01T18:00:00Z");
}

static void test_equal(void **state)
{
        static const char *const texts[] = {
                "[Grant]\nUser=a\nTypes=xdp\n",
                "[Grant]\nGroup=a\nTypes=xdp\n",
                "[Grant]\nUser=a\nTypes=all\n",
                "[Grant]\nUser=a\nTypes=xdp tc\n",
                "[Grant]\nUser=a\nTypes=xdp\nVerbs=load\n",
                "[Grant]\nUser=a\nTypes=xdp\nInterface=lo\n",
                "[Grant]\nUser=a\nTypes=cgroup_skb\nCgroup=/sys/fs/cgroup/a\n",
                "[Grant]\nUser=a\nTypes=xdp\nSignedBy=b\n",
                "[Grant]\nUser=a\nTypes=xdp\nUntil=2026-12-01T18:00:00Z\n",
                "broken",
        };

        (void)state;
        for (size_t i = 0; i < G_N_ELEMENTS(texts); i++)
                for (size_t j = 0; j < G_N_ELEMENTS(texts); j++) {
                        g_autoptr(AuthzGrant) a = parse(texts[i]), b = parse(texts[j]);

                        assert_int_equal(authz_grant_equal(a, b), i == j && !a->error);
                }
}

static void test_patterns(void **state)
{
        static const struct {
                const char *pattern, *value;
                bool matches;
        } cases[] = {
                {"veth*", "veth0", true},
                {"veth*", "veth", true},
                {"veth*", "xveth0", false},
                {"veth?", "veth10", false},
                {"eth[0-3]", "eth2", true},
                {"eth[!0-3]", "eth2", false},
                {"lo", "lo", true},
                {"lo", "lo2", false},
                {"*", "", false}, /* it isn't told where */
                {"a\\*", "a*", true},
                {"a\\*", "ab", false},
                {"veth*", "veth0\nlo", true},
                {"veth?", "veth0\nlo", false},
                {"/sys/fs/cgroup/a/*", "/sys/fs/cgroup/a/b", true},
                {"/sys/fs/cgroup/a/*", "/sys/fs/cgroup/a/b/c", false},
                {"/sys/fs/cgroup/a/*", "/sys/fs/cgroup/a", false},
                {"/sys/fs/cgroup/a/**", "/sys/fs/cgroup/a", true},
                {"/sys/fs/cgroup/a/**", "/sys/fs/cgroup/a/b/c/d", true},
                {"/sys/fs/cgroup/a/**", "/sys/fs/cgroup/ab", false},
                {"/sys/fs/cgroup/a/**", "/sys/fs/cgroup", false},
                {"/sys/fs/cgroup/user-*/**", "/sys/fs/cgroup/user-1/x/y", true},
                {"/sys/fs/cgroup/user-*/**", "/sys/fs/cgroup/x/user-1", false},
                {"/sys/fs/cgroup/**", "unverified:/sys/fs/cgroup/a", false},
                {"/sys/fs/cgroup/*/x", "/sys/fs/cgroup/a/b/x", false},
        };

        (void)state;
        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++)
                if (authz_pattern_matches(cases[i].pattern, cases[i].value) != cases[i].matches)
                        fail_msg("%s and %s", cases[i].pattern, cases[i].value);
}

static void test_pattern_errors(void **state)
{
        g_autofree char *longer = g_strnfill(2000, 'a');

        (void)state;
        assert_null(authz_pattern_error("[]a]*\\[?[!^]"));
        assert_null(authz_pattern_error("[a\\]]"));
        assert_non_null(authz_pattern_error(""));
        assert_non_null(authz_pattern_error("["));
        assert_non_null(authz_pattern_error("[]"));
        assert_non_null(authz_pattern_error("[a/b]"));
        assert_non_null(authz_pattern_error("a\\"));
        assert_non_null(authz_pattern_error(longer));
}

static AuthzCoverage ask(const char *text, AuthzVerb verb, const char *type, const char *user,
                         const char *const *groups, const char *interface, const char *cgroup,
                         gint64 now)
{
        g_autoptr(AuthzGrant) grant = parse(text);

        return authz_grant_covers(grant,
                                  &(AuthzQuestion){.verb = verb,
                                                   .type = kern_type_find(type),
                                                   .user = user,
                                                   .groups = groups,
                                                   .interface = interface,
                                                   .cgroup = cgroup,
                                                   .signed_by = ""},
                                  now);
}

#define LOAD AUTHZ_VERB_LOAD
#define ATTACH AUTHZ_VERB_ATTACH

static void test_covers(void **state)
{
        static const char *const groups[] = {"users", "tracing", NULL};
        static const char veth[] = "[Grant]\nUser=alice\nTypes=xdp tc\nInterface=veth*\n";
        static const char team[] = "[Grant]\nGroup=tracing\nTypes=kprobe\nVerbs=load\n";
        static const char all[] = "[Grant]\nUser=alice\nTypes=all\n";

        (void)state;
        assert_int_equal(ask(veth, LOAD, "xdp", "alice", no_groups, "", "", 0), AUTHZ_COVERS);
        assert_int_equal(ask(veth, ATTACH, "tc", "alice", no_groups, "veth1", "", 0), AUTHZ_COVERS);
        assert_int_equal(ask(veth, ATTACH, "xdp", "alice", no_groups, "lo", "", 0),
                         AUTHZ_COVERS_ELSEWHERE);
        assert_int_equal(ask(veth, ATTACH, "xdp", "alice", no_groups, "", "", 0),
                         AUTHZ_COVERS_ELSEWHERE);
        assert_int_equal(ask(veth, LOAD, "tcx", "alice", no_groups, "", "", 0), AUTHZ_COVERS_NOT);
        assert_int_equal(ask(veth, LOAD, "xdp", "bob", groups, "", "", 0), AUTHZ_COVERS_NOT);
        assert_int_equal(ask(team, LOAD, "kprobe", "bob", groups, "", "", 0), AUTHZ_COVERS);
        assert_int_equal(ask(team, LOAD, "kprobe", "tracing", no_groups, "", "", 0),
                         AUTHZ_COVERS_NOT);
        assert_int_equal(ask(team, ATTACH, "kprobe", "bob", groups, "", "", 0), AUTHZ_COVERS_NOT);
        for (const KernType *t = kern_types; t->name; t++) {
                assert_int_equal(ask(all, LOAD, t->name, "alice", no_groups, "", "", 0),
                                 AUTHZ_COVERS);
                assert_int_equal(ask(all, ATTACH, t->name, "alice", no_groups, "", "", 0),
                                 AUTHZ_COVERS);
        }
}

static AuthzCoverage ask_signed(const char *text, const char *interface, const char *signed_by)
{
        g_autoptr(AuthzGrant) grant = good(text);

        return authz_grant_covers(grant,
                                  &(AuthzQuestion){.verb = ATTACH,
                                                   .type = kern_type_find("xdp"),
                                                   .user = "alice",
                                                   .groups = no_groups,
                                                   .interface = interface,
                                                   .cgroup = "",
                                                   .signed_by = signed_by},
                                  1);
}

static void test_covers_signed(void **state)
{
        static const char ours[] = "[Grant]\nUser=alice\nTypes=xdp\nSignedBy=ours\n";
        static const char veth[] =
                "[Grant]\nUser=alice\nTypes=xdp\nSignedBy=ours\nInterface=veth*\n";

        (void)state;
        assert_int_equal(ask_signed(ours, "lo", "ours"), AUTHZ_COVERS);
        assert_int_equal(ask_signed(ours, "lo", "theirs ours"), AUTHZ_COVERS);
        assert_int_equal(ask_signed(ours, "lo", ""), AUTHZ_COVERS_SIGNED);
        assert_int_equal(ask_signed(ours, "lo", "theirs"), AUTHZ_COVERS_SIGNED);
        assert_int_equal(ask_signed(ours, "lo", "our"), AUTHZ_COVERS_SIGNED);
        assert_int_equal(ask_signed(ours, "lo", "ours2"), AUTHZ_COVERS_SIGNED);
        assert_int_equal(ask(ours, LOAD, "xdp", "alice", no_groups, "", "", 0),
                         AUTHZ_COVERS_SIGNED);
        assert_int_equal(ask_signed(veth, "lo", "ours"), AUTHZ_COVERS_ELSEWHERE);
        assert_int_equal(ask_signed(veth, "veth0", "ours"), AUTHZ_COVERS);
        assert_int_equal(ask_signed(veth, "veth0", ""), AUTHZ_COVERS_SIGNED);
}

/* All types on some interfaces is not all types that go to no interface. */
static void test_covers_all_with_limits(void **state)
{
        static const char one[] = "[Grant]\nUser=a\nTypes=all\nInterface=veth*\n";
        static const char two[] =
                "[Grant]\nUser=a\nTypes=all\nInterface=veth*\nCgroup=/sys/fs/cgroup/a\n";

        (void)state;
        for (const KernType *t = kern_types; t->name; t++) {
                uint64_t params = t->required | t->optional;
                bool interface = params & KERN_PARAM_BIT(KERN_PARAM_INTERFACE);
                bool cgroup = params & KERN_PARAM_BIT(KERN_PARAM_CGROUP);

                assert_int_equal(ask(one, LOAD, t->name, "a", no_groups, "", "", 0) == AUTHZ_COVERS,
                                 interface);
                assert_int_equal(ask(one, ATTACH, t->name, "a", no_groups, "veth0", "x", 0) ==
                                         AUTHZ_COVERS,
                                 interface);
                assert_int_equal(ask(two, LOAD, t->name, "a", no_groups, "", "", 0) == AUTHZ_COVERS,
                                 interface || cgroup);
                assert_int_not_equal(ask(two, ATTACH, t->name, "a", no_groups, "lo", "x", 0),
                                     AUTHZ_COVERS);
                assert_int_equal(ask(two, ATTACH, t->name, "a", no_groups, "veth0",
                                     "/sys/fs/cgroup/a", 0) == AUTHZ_COVERS,
                                 interface || cgroup);
        }
}

/* An interface of another network namespace is none that a pattern of before could mean. */
static void test_covers_no_other_namespace(void **state)
{
        static const char *const elsewhere[] = {"/run/netns/blue/veth0", "net:[4026532000]/veth0"};
        static const char *const patterns[] = {"veth0", "veth*", "*",     "?*",
                                               "[!v]*", "**",    "*veth0"};

        (void)state;
        for (size_t i = 0; i < G_N_ELEMENTS(patterns); i++)
                for (size_t j = 0; j < G_N_ELEMENTS(elsewhere); j++) {
                        g_autofree char *text =
                                g_strdup_printf("[Grant]\nUser=a\nTypes=xdp\nInterface=%s\n",
                                                patterns[i]);

                        assert_int_equal(ask(text, ATTACH, "xdp", "a", no_groups, elsewhere[j], "",
                                             0),
                                         AUTHZ_COVERS_ELSEWHERE);
                }
        assert_int_equal(ask("[Grant]\nUser=a\nTypes=xdp\nInterface=/run/netns/blue/veth*\n",
                             ATTACH, "xdp", "a", no_groups, elsewhere[0], "", 0),
                         AUTHZ_COVERS);
        assert_int_equal(ask("[Grant]\nUser=a\nTypes=xdp\nInterface=/run/netns/**\n", ATTACH, "xdp",
                             "a", no_groups, elsewhere[0], "", 0),
                         AUTHZ_COVERS);
        assert_int_equal(ask("[Grant]\nUser=a\nTypes=xdp\nInterface=/run/netns/**\n", ATTACH, "xdp",
                             "a", no_groups, elsewhere[1], "", 0),
                         AUTHZ_COVERS_ELSEWHERE);
        assert_broken("[Grant]\nUser=alice\nTypes=xdp\nInterface=net:*/veth0\n", "slash");
}

static void test_covers_until(void **state)
{
        static const char text[] = "[Grant]\nUser=a\nTypes=xdp\nUntil=1970-01-01T00:01:00Z\n";
        const gint64 minute = 60 * G_USEC_PER_SEC;

        (void)state;
        assert_int_equal(ask(text, LOAD, "xdp", "a", no_groups, "", "", minute - 1), AUTHZ_COVERS);
        assert_int_equal(ask(text, LOAD, "xdp", "a", no_groups, "", "", minute),
                         AUTHZ_COVERED_ONCE);
        assert_int_equal(ask(text, LOAD, "tc", "a", no_groups, "", "", minute), AUTHZ_COVERS_NOT);
        assert_int_equal(ask("broken", LOAD, "xdp", "a", no_groups, "", "", 0), AUTHZ_COVERS_NOT);
}

static void test_actions(void **state)
{
        const KernType *type = NULL;
        AuthzVerb verb;

        (void)state;
        assert_true(authz_action_parse("org.bpfkeeper1.attach.raw-tracepoint", &verb, &type));
        assert_int_equal(verb, AUTHZ_VERB_ATTACH);
        assert_string_equal(type->name, "raw_tracepoint");
        assert_true(authz_action_parse("org.bpfkeeper1.load.xdp", &verb, &type));
        assert_string_equal(authz_verb_to_string(verb), "load");
        assert_false(authz_action_parse("org.bpfkeeper1.load.raw_tracepoint", &verb, &type));
        assert_false(authz_action_parse("org.bpfkeeper1.load.xdp.x", &verb, &type));
        assert_false(authz_action_parse("org.bpfkeeper1.load", &verb, &type));
        assert_false(authz_action_parse("org.bpfkeeper1.map.read", &verb, &type));
        assert_false(authz_action_parse("org.bpfkeeper1.open-program", &verb, &type));
        assert_false(authz_action_parse("org.bpfkeeper1.manage-grants", &verb, &type));
        assert_false(authz_action_parse("org.freedesktop.load.xdp", &verb, &type));
        assert_false(authz_action_parse("", &verb, &type));
}

static void test_ids(void **state)
{
        g_autofree char *longest = g_strnfill(AUTHZ_GRANT_ID_MAX, 'a');
        g_autofree char *longer = g_strnfill(AUTHZ_GRANT_ID_MAX + 1, 'a');

        (void)state;
        assert_true(authz_grant_id_is_valid("alice-xdp_2.x"));
        assert_true(authz_grant_id_is_valid("@tracing-all"));
        assert_true(authz_grant_id_is_valid(longest));
        assert_false(authz_grant_id_is_valid(longer));
        assert_false(authz_grant_id_is_valid(""));
        assert_false(authz_grant_id_is_valid(".x"));
        assert_false(authz_grant_id_is_valid("-x"));
        assert_false(authz_grant_id_is_valid("a/b"));
        assert_false(authz_grant_id_is_valid("a b"));
        assert_false(authz_grant_id_is_valid("\xc3\xa4"));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_all_keys),
                cmocka_unit_test(test_least),
                cmocka_unit_test(test_broken),
                cmocka_unit_test(test_limits_that_do_not_fit),
                cmocka_unit_test(test_hostile_sizes),
                cmocka_unit_test(test_format),
                cmocka_unit_test(test_describe),
                cmocka_unit_test(test_equal),
                cmocka_unit_test(test_patterns),
                cmocka_unit_test(test_pattern_errors),
                cmocka_unit_test(test_covers),
                cmocka_unit_test(test_covers_all_with_limits),
                cmocka_unit_test(test_covers_signed),
                cmocka_unit_test(test_covers_no_other_namespace),
                cmocka_unit_test(test_covers_until),
                cmocka_unit_test(test_actions),
                cmocka_unit_test(test_ids),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
