/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <fcntl.h>
#include <sys/stat.h>

#include <bpf/bpf.h>

#include "test-cgroup.h"

#include "kern-order.h"

/* Programs that share a hook run in the order that was asked for. Both kinds of hook, the same tests. */

#define PROGRAMS 6

/* A hook, and programs to put there: as many as the object is loaded times. */
typedef struct Stage {
        KernHook hook;
        KernPoint point;
        char path[128]; /* the cgroup's */
        KernObject *objects[PROGRAMS];
        KernAttachment attachments[PROGRAMS];
        uint32_t ids[PROGRAMS], links[PROGRAMS];
} Stage;

static bool has_order(const KernPoint *point)
{
        KernChain chain;

        return kern_chain_query(point, false, &chain) >= 0 && chain.revision != 0;
}

static Stage *stage_new(bool cgroup)
{
        Stage *s = calloc(1, sizeof(*s));

        assert_non_null(s);
        s->hook = cgroup ? hook_of("cgroup_skb", BIT(CGROUP) | BIT(DIRECTION))
                         : hook_of("tcx", BIT(INTERFACE) | BIT(DIRECTION));
        s->hook.direction = KERN_DIRECTION_EGRESS;
        if (cgroup && cgroup_root[0]) {
                snprintf(s->path, sizeof(s->path), "%s/bpfkeeper-order-%d", cgroup_root, getpid());
                assert_int_equal(mkdir(s->path, 0700), 0);
                s->hook.cgroup_fd = open(s->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        }
        assert_int_equal(kern_point_of(&s->hook, &s->point), 0);
        for (size_t i = 0; i < PROGRAMS; i++) {
                s->objects[i] = load_one(cgroup ? "cgroup_skb" : "tcx",
                                         cgroup ? "cgroup_egress" : "tcx_egress", NULL);
                s->ids[i] = program_id(s->objects[i]);
        }
        return s;
}

static void stage_free(Stage *s)
{
        for (size_t i = 0; i < PROGRAMS; i++) {
                kern_attachment_done(&s->attachments[i]);
                kern_object_free(s->objects[i]);
        }
        if (s->hook.cgroup_fd >= 0) {
                close(s->hook.cgroup_fd);
                rmdir(s->path);
        }
        free(s);
}

static void note_link(Stage *s, size_t i)
{
        KernLinkInfo info;

        assert_int_equal(kern_link_info(s->attachments[i].link_fds[0], &info), 0);
        assert_int_equal(info.attach_type, s->point.attach_type);
        s->links[i] = info.id;
}

/* Attaches number @i, to run before those of the list @later, which ends with -1. */
static void put_before(Stage *s, size_t i, const int *later)
{
        KernHook hook = s->hook;
        uint64_t followers[PROGRAMS + 1];

        hook.followers.list = followers;
        for (; *later >= 0; later++)
                followers[hook.followers.n++] = s->links[*later];
        attach(s->objects[i], &hook, &s->attachments[i]);
        note_link(s, i);
}

#define LATER(...) ((const int[]){__VA_ARGS__, -1})
#define ORDER(...) ((const int[]){__VA_ARGS__, -1})

static void assert_order(const Stage *s, const int *order)
{
        KernChain chain;
        size_t n = 0;

        assert_int_equal(kern_chain_query(&s->point, true, &chain), 0);
        for (; order[n] >= 0; n++) {
                assert_true(n < chain.n);
                assert_int_equal(chain.entries[n].prog_id, s->ids[order[n]]);
                assert_int_equal(chain.entries[n].link_id, s->links[order[n]]);
        }
        assert_int_equal(chain.n, n);
}

/* The hook with a neighbour that number @i has as program or link. */
static KernHook beside(const Stage *s, bool before, bool by_link, size_t i)
{
        KernHook hook = s->hook;
        char text[32];

        snprintf(text, sizeof(text), by_link ? "kernel-link:%u" : "program:%u",
                 by_link ? s->links[i] : s->ids[i]);
        hook.given |= before ? BIT(BEFORE) : BIT(AFTER);
        if (before)
                put(hook.before, text);
        else
                put(hook.after, text);
        return hook;
}

static void put_beside(Stage *s, size_t i, bool before, bool by_link, size_t neighbour)
{
        /* a cgroup's programs are found by who asks */
        KernHook hook = beside(s, before, by_link || s->point.is_cgroup, neighbour);

        attach(s->objects[i], &hook, &s->attachments[i]);
        note_link(s, i);
}

static void check_followers(Stage *s)
{
        put_before(s, 0, LATER(-1));
        put_before(s, 1, LATER(-1));
        assert_order(s, ORDER(0, 1));
        put_before(s, 2, LATER(1));
        assert_order(s, ORDER(0, 2, 1));
        put_before(s, 3, LATER(0, 2, 1));
        assert_order(s, ORDER(3, 0, 2, 1));
        /* the first one is gone: the next one counts, and behind all it goes where none is left */
        kern_attachment_done(&s->attachments[0]);
        put_before(s, 4, LATER(0, 2, 1));
        assert_order(s, ORDER(3, 4, 2, 1));
        assert_int_equal(bpf_link_detach(s->attachments[2].link_fds[0]), 0);
        put_before(s, 5, LATER(0, 2));
        assert_order(s, ORDER(3, 4, 1, 5));
}

static void check_neighbours(Stage *s)
{
        KernHook hook;

        put_before(s, 0, LATER(-1));
        put_beside(s, 1, true, false, 0);
        assert_order(s, ORDER(1, 0));
        put_beside(s, 2, false, false, 1);
        assert_order(s, ORDER(1, 2, 0));
        put_beside(s, 3, true, true, 1);
        assert_order(s, ORDER(3, 1, 2, 0));
        put_beside(s, 4, false, true, 0);
        assert_order(s, ORDER(3, 1, 2, 0, 4));

        /* not there, or not there any more */
        kern_attachment_done(&s->attachments[2]);
        hook = beside(s, true, true, 2);
        must_fail(s->objects[5], &hook, KERN_ERROR_INVALID_ARGUMENT, "is not on the hook");
        hook = beside(s, false, s->point.is_cgroup, 2);
        must_fail(s->objects[5], &hook, KERN_ERROR_INVALID_ARGUMENT, "there is: program:");
        assert_order(s, ORDER(3, 1, 0, 4));
}

static void run(bool cgroup, void (*check)(Stage *s))
{
        Stage *s;

        if (cgroup && !cgroup_root[0]) {
                skip();
                return;
        }
        s = stage_new(cgroup);
        if (has_order(&s->point)) {
                check(s);
                stage_free(s);
                return;
        }
        stage_free(s);
        skip();
}

static void test_followers_interface(void **state)
{
        (void)state;
        run(false, check_followers);
}

static void test_followers_cgroup(void **state)
{
        (void)state;
        run(true, check_followers);
}

static void test_neighbours_interface(void **state)
{
        (void)state;
        run(false, check_neighbours);
}

static void test_neighbours_cgroup(void **state)
{
        (void)state;
        run(true, check_neighbours);
}

/* One program, twice on a cgroup: links are told apart. */
static void check_twice(Stage *s)
{
        KernHook hook;

        put_before(s, 0, LATER(-1));
        attach(s->objects[0], &s->hook, &s->attachments[1]);
        note_link(s, 1);
        s->ids[1] = s->ids[0];
        assert_order(s, ORDER(0, 1));
        put_beside(s, 2, true, true, 1);
        assert_order(s, ORDER(0, 2, 1));
        hook = beside(s, true, true, 0);
        attach(s->objects[3], &hook, &s->attachments[3]);
        note_link(s, 3);
        assert_order(s, ORDER(3, 0, 2, 1));
}

static void test_twice(void **state)
{
        (void)state;
        run(true, check_twice);
}

/* What others attached without a link: beside it on an interface, not so on a cgroup. */
static void check_without_link(Stage *s)
{
        const enum bpf_attach_type type = (enum bpf_attach_type)s->point.attach_type;
        LIBBPF_OPTS(bpf_prog_attach_opts, opts);
        KernHook hook;

        if (s->point.is_cgroup)
                opts.flags = BPF_F_ALLOW_MULTI;
        assert_int_equal(bpf_prog_attach_opts(s->objects[0]->programs[0].fd, s->point.target, type,
                                              &opts),
                         0);
        put_before(s, 1, LATER(-1));
        if (s->point.is_cgroup) {
                hook = beside(s, true, false, 0);
                must_fail(s->objects[2], &hook, KERN_ERROR_NOT_SUPPORTED, "without a link");
                assert_order(s, ORDER(0, 1));
        } else {
                put_beside(s, 2, true, false, 0);
                assert_order(s, ORDER(2, 0, 1));
        }
        assert_int_equal(bpf_prog_detach2(s->objects[0]->programs[0].fd, s->point.target, type), 0);
}

static void test_without_link_interface(void **state)
{
        (void)state;
        run(false, check_without_link);
}

static void test_without_link_cgroup(void **state)
{
        (void)state;
        run(true, check_without_link);
}

/* Where a cgroup's programs have no order, none may be asked for. */
static void test_no_order(void **state)
{
        Stage *s;

        (void)state;
        if (!cgroup_root[0]) {
                skip();
                return;
        }
        s = stage_new(true);
        put_before(s, 0, LATER(-1));
        if (!has_order(&s->point)) {
                KernHook hook = beside(s, true, false, 0);

                must_fail(s->objects[1], &hook, KERN_ERROR_NOT_SUPPORTED, "Linux 6.17");
                hook = s->hook;
                hook.given |= BIT(PRIORITY);
                must_fail(s->objects[1], &hook, KERN_ERROR_NOT_SUPPORTED, "Linux 6.17");
        }
        stage_free(s);
}

static void assert_refused(const KernHook *hook, const char *word)
{
        kern_diag_clear(&diag);
        assert_int_equal(kern_hook_check(hook, &diag), -EINVAL);
        assert_int_equal(diag.error, KERN_ERROR_INVALID_ARGUMENT);
        if (!strstr(diag.message, word))
                fail_msg("wanted \"%s\", got: %s", word, diag.message);
}

static void test_words(void **state)
{
        static const char *const bad[] = {
                "42",         "program",      "program:",   "program:0",
                "program:-1", "program: 1",   "program:4x", "link:4294967296",
                "prog:3",     "kernel-link:", "PROGRAM:1",  "program:1 ",
        };
        KernHook hook = hook_of("tcx", BIT(INTERFACE) | BIT(DIRECTION) | BIT(BEFORE));
        KernNeighbour neighbour;

        (void)state;
        hook.direction = KERN_DIRECTION_INGRESS;
        for (size_t i = 0; i < KERN_ELEMENTSOF(bad); i++) {
                put(hook.before, bad[i]);
                assert_refused(&hook, bad[i]);
        }
        put(hook.before, "kernel-link:4294967295");
        assert_int_equal(kern_hook_check(&hook, NULL), 0);
        assert_int_equal(kern_neighbour_parse(hook.before, &neighbour), 0);
        assert_int_equal(neighbour.kind, KERN_NEIGHBOUR_KERNEL_LINK);
        assert_true(neighbour.id == UINT32_MAX);

        hook.given |= BIT(PRIORITY);
        assert_refused(&hook, "before and priority");
        hook.given = (hook.given & ~BIT(PRIORITY)) | BIT(AFTER);
        put(hook.after, "link:3");
        assert_refused(&hook, "before and after");
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_followers_interface),
                cmocka_unit_test(test_followers_cgroup),
                cmocka_unit_test(test_neighbours_interface),
                cmocka_unit_test(test_neighbours_cgroup),
                cmocka_unit_test(test_twice),
                cmocka_unit_test(test_without_link_interface),
                cmocka_unit_test(test_without_link_cgroup),
                cmocka_unit_test(test_no_order),
                cmocka_unit_test(test_words),
        };

        return run_attach_tests(tests, mount_cgroups, unmount_cgroups);
}
