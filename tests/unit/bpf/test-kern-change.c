/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <arpa/inet.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "test-cgroup.h"

#include "kern-change.h"
#include "kern-order.h"

/* What is attached is changed, and no packet goes by unseen. */

static void send_packet(void)
{
        struct sockaddr_in to = {.sin_family = AF_INET,
                                 .sin_port = htons(9),
                                 .sin_addr = {htonl(INADDR_LOOPBACK)}};
        KERN_AUTO_CLOSE int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

        assert_int_equal(sendto(fd, "x", 1, 0, (struct sockaddr *)&to, sizeof(to)), 1);
}

static void assert_runs(KernObject *object, uint32_t key, uint64_t times)
{
        uint64_t before = hits_of(object, key);

        /* nobody listens: an answer comes as well, and counts in the other direction */
        send_packet();
        assert_true(hits_of(object, key) - before >= times);
}

static void assert_still(KernObject *object, uint32_t key)
{
        uint64_t before = hits_of(object, key);

        send_packet();
        assert_int_equal(hits_of(object, key), before);
}

static bool has_tcx(const KernHook *hook)
{
        KernPoint point;
        KernChain chain;

        return kern_point_of(hook, &point) >= 0 && kern_chain_query(&point, false, &chain) >= 0;
}

static void assert_chain(const KernHook *hook, const uint32_t *ids, size_t n)
{
        KernPoint point;
        KernChain chain;

        assert_int_equal(kern_point_of(hook, &point), 0);
        assert_int_equal(kern_chain_query(&point, false, &chain), 0);
        assert_int_equal(chain.n, n);
        for (size_t i = 0; i < n; i++)
                assert_int_equal(chain.entries[i].prog_id, ids[i]);
}

#define CHAIN(...) ((const uint32_t[]){__VA_ARGS__}), KERN_ELEMENTSOF(((uint32_t[]){__VA_ARGS__}))

static KernHook tcx_hook(void)
{
        KernHook hook = hook_of("tcx", BIT(INTERFACE) | BIT(DIRECTION));

        hook.direction = KERN_DIRECTION_INGRESS;
        return hook;
}

static void test_move_interface(void **state)
{
        KernObject *moved = load_one("tcx", "tcx_ingress", NULL);
        KernObject *other = load_one("tcx", "tcx_ingress", NULL);
        KernHook hook = tcx_hook();
        KernAttachment one = KERN_ATTACHMENT_INIT, two = KERN_ATTACHMENT_INIT,
                       again = KERN_ATTACHMENT_INIT;
        uint32_t ids[] = {program_id(moved), program_id(other), 0};
        int fd = moved->programs[0].fd, table = -1;
        KernLinkInfo info;

        (void)state;
        if (!has_tcx(&hook)) {
                kern_object_free(moved);
                kern_object_free(other);
                skip();
                return;
        }
        attach(moved, &hook, &one);
        attach(other, &hook, &two);
        assert_chain(&hook, CHAIN(ids[0], ids[1]));

        kern_diag_clear(&diag);
        if (kern_move_begin(fd, &hook, true, &again, &table, &diag) < 0)
                fail_msg("%s", diag.message);
        assert_true(table >= 0);
        assert_int_equal(kern_link_info(again.link_fds[0], &info), 0);
        assert_chain(&hook, CHAIN(ids[0], ids[1], info.prog_id));
        /* both */
        assert_runs(moved, 0, 2);
        if (kern_move_end(fd, again.link_fds[0], &one, &diag) < 0)
                fail_msg("%s", diag.message);
        close(table);
        assert_chain(&hook, CHAIN(ids[1], ids[0]));
        assert_runs(moved, 0, 1);
        assert_runs(other, 0, 1);
        detach(moved, &hook, &again);
        detach(other, &hook, &two);
        kern_object_free(moved);
        kern_object_free(other);
}

static void test_move_cgroup(void **state)
{
        KernObject *moved, *other;
        KernHook hook = hook_of("cgroup_skb", BIT(CGROUP) | BIT(DIRECTION));
        KernAttachment one = KERN_ATTACHMENT_INIT, two = KERN_ATTACHMENT_INIT,
                       again = KERN_ATTACHMENT_INIT;
        uint32_t ids[2];
        char path[128];
        int table = -1;

        (void)state;
        if (!cgroup_root[0]) {
                skip();
                return;
        }
        moved = load_one("cgroup_skb", "cgroup_egress", NULL);
        other = load_one("cgroup_skb", "cgroup_egress", NULL);
        ids[0] = program_id(moved);
        ids[1] = program_id(other);
        snprintf(path, sizeof(path), "%s/bpfkeeper-change-%d", cgroup_root, getpid());
        assert_int_equal(mkdir(path, 0700), 0);
        hook.cgroup_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        hook.direction = KERN_DIRECTION_EGRESS;
        attach(moved, &hook, &one);
        attach(other, &hook, &two);
        assert_int_equal(kern_move_begin(moved->programs[0].fd, &hook, true, &again, &table, NULL),
                         0);
        assert_int_equal(table, -1);
        assert_chain(&hook, CHAIN(ids[0], ids[1], ids[0]));
        detach(moved, &hook, &one);
        assert_chain(&hook, CHAIN(ids[1], ids[0]));
        detach(moved, &hook, &again);
        detach(other, &hook, &two);
        close(hook.cgroup_fd);
        rmdir(path);
        kern_object_free(moved);
        kern_object_free(other);
}

static void replace(KernObject *old, KernObject *new, const KernHook *hook,
                    const KernAttachment *attachment)
{
        kern_diag_clear(&diag);
        if (kern_replace(new->programs[0].fd, program_id(old), old->programs[0].fd, hook,
                         attachment, &diag) < 0)
                fail_msg("%s: %s", hook->type->name, diag.message);
}

/* In place: the chain is as it was but for the program. */
static void test_replace_interface(void **state)
{
        KernObject *old = load_one("tcx", "tcx_ingress", NULL);
        KernObject *new = load_one("tcx", "tcx_ingress", NULL);
        KernObject *other = load_one("tcx", "tcx_ingress", NULL);
        KernHook hook = tcx_hook();
        KernAttachment one = KERN_ATTACHMENT_INIT, two = KERN_ATTACHMENT_INIT;

        (void)state;
        if (!has_tcx(&hook)) {
                kern_object_free(old);
                kern_object_free(new);
                kern_object_free(other);
                skip();
                return;
        }
        attach(old, &hook, &one);
        attach(other, &hook, &two);
        replace(old, new, &hook, &one);
        assert_chain(&hook, CHAIN(program_id(new), program_id(other)));
        assert_still(old, 0);
        assert_runs(new, 0, 1);

        /* one that is there already, and what is not the old one's any more */
        kern_diag_clear(&diag);
        assert_true(kern_replace(other->programs[0].fd, program_id(new), new->programs[0].fd, &hook,
                                 &one, &diag) < 0);
        assert_int_equal(diag.error, KERN_ERROR_HOOK_BUSY);
        kern_diag_clear(&diag);
        assert_true(kern_replace(old->programs[0].fd, program_id(old), old->programs[0].fd, &hook,
                                 &one, &diag) < 0);
        assert_chain(&hook, CHAIN(program_id(new), program_id(other)));
        detach(new, &hook, &one);
        detach(other, &hook, &two);
        kern_object_free(old);
        kern_object_free(new);
        kern_object_free(other);
}

static void test_replace_filter(void **state)
{
        KernObject *old = load_one("tc", "tc_count", NULL);
        KernObject *new = load_one("tc", "tc_count", NULL);
        KernHook hook = hook_of("tc", BIT(INTERFACE) | BIT(DIRECTION));
        KernAttachment attachment;

        (void)state;
        hook.direction = KERN_DIRECTION_INGRESS;
        attach(old, &hook, &attachment);
        replace(old, new, &hook, &attachment);
        assert_int_equal(kern_is_attached(program_id(old), &hook, &attachment), 0);
        assert_int_equal(kern_is_attached(program_id(new), &hook, &attachment), 1);
        assert_still(old, 0);
        assert_runs(new, 0, 1);
        /* the old one isn't there any more */
        kern_diag_clear(&diag);
        assert_true(kern_replace(old->programs[0].fd, program_id(old), old->programs[0].fd, &hook,
                                 &attachment, &diag) < 0);
        assert_int_equal(kern_is_attached(program_id(new), &hook, &attachment), 1);
        detach(new, &hook, &attachment);
        kern_object_free(old);
        kern_object_free(new);
}

static int has_filter(KernObject *object, const KernHook *hook, uint32_t handle, uint32_t priority)
{
        const KernAttachment a = {.tc_handle = handle, .tc_priority = priority};

        return kern_is_attached(program_id(object), hook, &a);
}

static void test_move_filter(void **state)
{
        KernObject *object = load_one("tc", "tc_count", NULL);
        KernHook hook = hook_of("tc", BIT(INTERFACE) | BIT(DIRECTION) | BIT(PRIORITY));
        const int fd = object->programs[0].fd;
        KernAttachment attachment, again;

        (void)state;
        hook.direction = KERN_DIRECTION_INGRESS;
        hook.priority = 10;
        hook.tc_handle = 0x80000007;
        attach(object, &hook, &attachment);
        attachment.tc_old_priority = 10;
        attachment.tc_priority = hook.priority = 20;
        /* and once more, as after a worker that died */
        for (int i = 0; i < 2; i++) {
                kern_diag_clear(&diag);
                if (kern_move_tc(fd, &hook, &attachment, &diag) < 0)
                        fail_msg("%s", diag.message);
                assert_int_equal(has_filter(object, &hook, hook.tc_handle, 10), 0);
                assert_int_equal(has_filter(object, &hook, hook.tc_handle, 20), 1);
                assert_runs(object, 0, 1);
        }
        /* done by half */
        hook.priority = 10;
        attach(object, &hook, &again);
        hook.priority = 20;
        kern_diag_clear(&diag);
        assert_int_equal(kern_move_tc(fd, &hook, &attachment, &diag), 0);
        assert_int_equal(has_filter(object, &hook, hook.tc_handle, 10), 0);
        assert_int_equal(has_filter(object, &hook, hook.tc_handle, 20), 1);
        /* and detached then */
        hook.priority = 10;
        attach(object, &hook, &again);
        detach(object, &hook, &attachment);
        assert_int_equal(has_filter(object, &hook, hook.tc_handle, 10), 0);
        assert_int_equal(has_filter(object, &hook, hook.tc_handle, 20), 0);
        kern_attachment_done(&again);
        kern_object_free(object);
}

static void test_replace_alone(void **state)
{
        KernObject *old = load_one("packet_counter", "count_packets", NULL);
        KernObject *new = load_one("packet_counter", "count_packets", NULL);
        KernHook hook = hook_of("xdp", BIT(INTERFACE));
        KernAttachment attachment;
        KernLinkInfo info;

        (void)state;
        attach(old, &hook, &attachment);
        replace(old, new, &hook, &attachment);
        assert_int_equal(kern_link_info(attachment.link_fds[0], &info), 0);
        assert_int_equal(info.prog_id, program_id(new));
        detach(new, &hook, &attachment);
        kern_object_free(old);
        kern_object_free(new);
}

/* The kernel has no such thing for these: the new one comes, then the old one goes. */
static void test_replace_beside(void **state)
{
        KernObject *old = load_one("raw_tracepoint", "raw_tracepoint_fork", NULL);
        KernObject *new = load_one("raw_tracepoint", "raw_tracepoint_fork", NULL);
        KernHook hook = hook_of("raw_tracepoint", BIT(TRACEPOINT));
        KernAttachment attachment, next = KERN_ATTACHMENT_INIT;
        int fd = new->programs[0].fd, table = -1;
        uint64_t of_old, of_new;

        (void)state;
        put(hook.tracepoint, "sched_process_fork");
        attach(old, &hook, &attachment);
        kern_diag_clear(&diag);
        assert_int_equal(kern_replace(fd, program_id(old), old->programs[0].fd, &hook, &attachment,
                                      &diag),
                         -EOPNOTSUPP);
        assert_int_equal(diag.error, KERN_ERROR_NOT_SUPPORTED);
        kern_diag_clear(&diag);

        if (kern_move_begin(fd, &hook, false, &next, &table, &diag) < 0)
                fail_msg("%s", diag.message);
        assert_int_equal(table, -1);
        of_old = hits_of(old, 0);
        fork_once();
        assert_true(hits_of(old, 0) > of_old);
        of_new = hits_of(new, 0);
        assert_true(of_new > 0);
        assert_int_equal(kern_move_end(fd, next.link_fds[0], &attachment, &diag), 0);
        of_old = hits_of(old, 0);
        fork_once();
        assert_int_equal(hits_of(old, 0), of_old);
        assert_true(hits_of(new, 0) > of_new);
        detach(new, &hook, &next);
        kern_object_free(old);
        kern_object_free(new);
}

static void test_succession(void **state)
{
        static const struct {
                KernSuccession succession;
                const char *types[16];
        } of[] = {
                {KERN_SUCCESSION_BESIDE,
                 {"kprobe", "uretprobe", "uprobe_multi", "usdt", "tracepoint", "perf_event",
                  "raw_tracepoint", "tp_btf", "fentry", "fmod_ret", "lsm"}},
                {KERN_SUCCESSION_IN_PLACE,
                 {"xdp", "tc", "tcx", "netkit", "cgroup_skb", "sock_ops", "lsm_cgroup", "sk_lookup",
                  "flow_dissector", "sk_msg", "sk_skb", "iter", "struct_ops"}},
                {KERN_SUCCESSION_IN_TURNS, {"netfilter"}},
                {KERN_SUCCESSION_NEVER, {"freplace", "lirc_mode2"}},
        };

        (void)state;
        for (size_t i = 0; i < KERN_ELEMENTSOF(of); i++)
                for (const char *const *t = of[i].types; *t; t++)
                        assert_int_equal(kern_succession(kern_type_find(*t)), of[i].succession);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_move_interface),    cmocka_unit_test(test_move_cgroup),
                cmocka_unit_test(test_replace_interface), cmocka_unit_test(test_replace_filter),
                cmocka_unit_test(test_move_filter),       cmocka_unit_test(test_replace_alone),
                cmocka_unit_test(test_replace_beside),    cmocka_unit_test(test_succession),
        };

        return run_attach_tests(tests, mount_cgroups, unmount_cgroups);
}
