/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <arpa/inet.h>
#include <spawn.h>
#include <sys/stat.h>

#include "test-cgroup.h"

/* Five packets over the loopback interface. */
static void send_packets(void)
{
        struct sockaddr_in to = {.sin_family = AF_INET,
                                 .sin_port = htons(9),
                                 .sin_addr = {htonl(INADDR_LOOPBACK)}};
        KERN_AUTO_CLOSE int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        KERN_AUTO_CLOSE int sink = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        char c;

        /* somebody listens: otherwise there are ICMP packets as well */
        assert_int_equal(bind(sink, (struct sockaddr *)&to, sizeof(to)), 0);
        for (int i = 0; i < 5; i++) {
                assert_int_equal(sendto(fd, "x", 1, 0, (struct sockaddr *)&to, sizeof(to)), 1);
                assert_int_equal(recv(sink, &c, 1, 0), 1);
        }
}

/* Runs ip(8); whether it could. */
static bool run_ip(char *const args[])
{
        int status;
        pid_t pid;

        if (posix_spawnp(&pid, "ip", NULL, NULL, args, environ) != 0)
                return false;
        return waitpid(pid, &status, 0) == pid && status == 0;
}

static void test_xdp(void **state)
{
        KernObject *object = load_one("packet_counter", "count_packets", NULL);
        KernObject *other = load_one("shared_map", "shared_xdp", NULL);
        KernHook hook = hook_of("xdp", BIT(INTERFACE));
        KernAttachment attachment, second;
        uint32_t ipv4 = 1;
        uint64_t packets;
        KernLinkInfo info;

        (void)state;
        attach(object, &hook, &attachment);
        /* loopback has no native XDP */
        assert_int_equal(attachment.xdp_mode, KERN_XDP_MODE_SKB);
        assert_int_equal(attachment.n_links, 1);
        assert_int_equal(kern_link_info(attachment.link_fds[0], &info), 0);
        assert_int_equal(info.link_type, BPF_LINK_TYPE_XDP);
        assert_int_equal(info.ifindex, hook.ifindex);
        assert_int_equal(kern_is_attached(program_id(object), &hook, &attachment), 1);
        send_packets();
        assert_int_equal(kern_map_lookup(map_of(object, "packets")->fd, &ipv4, &packets), 0);
        assert_int_equal(packets, 5);

        must_fail(other, &hook, KERN_ERROR_HOOK_BUSY, "count_packets");
        detach(object, &hook, &attachment);
        send_packets();
        assert_int_equal(kern_map_lookup(map_of(object, "packets")->fd, &ipv4, &packets), 0);
        assert_int_equal(packets, 5);

        /* the place is free again, and what is gone stays gone */
        attach(other, &hook, &second);
        detach(object, &hook, &attachment);
        assert_int_equal(kern_is_attached(program_id(other), &hook, &second), 1);
        detach(other, &hook, &second);

        hook.given |= BIT(MODE);
        hook.mode = KERN_XDP_MODE_NATIVE;
        must_fail(object, &hook, KERN_ERROR_NOT_SUPPORTED, "skb mode");
        hook.mode = KERN_XDP_MODE_HW;
        must_fail(object, &hook, KERN_ERROR_NOT_SUPPORTED, "hw");
        hook.ifindex = 12345;
        must_fail(object, &hook, KERN_ERROR_NO_SUCH_INTERFACE, "12345");
        kern_object_free(object);
        kern_object_free(other);
}

static void test_xdp_native(void **state)
{
        KernObject *object = load_one("packet_counter", "count_packets", NULL);
        KernHook hook = hook_of("xdp", BIT(INTERFACE));
        char *add[] = {"ip", "link", "add", "bpfk0", "type", "veth", "peer", "name", "bpfk1", NULL};
        char *delete[] = {"ip", "link", "del", "bpfk0", NULL};
        KernAttachment attachment;

        (void)state;
        if (!run_ip(add)) {
                kern_object_free(object);
                skip();
                return;
        }
        hook.ifindex = if_nametoindex("bpfk0");
        attach(object, &hook, &attachment);
        assert_int_equal(attachment.xdp_mode, KERN_XDP_MODE_NATIVE);
        /* the interface goes: the link knows */
        assert_true(run_ip(delete));
        assert_int_equal(kern_is_attached(program_id(object), &hook, &attachment), 0);
        detach(object, &hook, &attachment);
        kern_object_free(object);
}

static void test_tc(void **state)
{
        KernObject *object = load_one("tc", "tc_count", NULL);
        KernObject *other = load_one("shared_map", "shared_tc", NULL);
        KernHook hook = hook_of("tc", BIT(INTERFACE) | BIT(DIRECTION) | BIT(PRIORITY));
        KernAttachment attachment, second, copy;

        (void)state;
        hook.direction = KERN_DIRECTION_INGRESS;
        hook.priority = 7;
        attach(object, &hook, &attachment);
        assert_int_equal(attachment.n_links, 0);
        assert_int_equal(attachment.tc_priority, 7);
        assert_true(attachment.tc_handle > 0);
        assert_int_equal(kern_is_attached(program_id(object), &hook, &attachment), 1);
        send_packets();
        assert_int_equal(hits_of(object, 0), 5);

        /* a second one at the same priority has a handle of its own */
        attach(other, &hook, &second);
        assert_int_equal(second.tc_priority, 7);
        assert_int_not_equal(second.tc_handle, attachment.tc_handle);

        /* somebody else's filter isn't ours, whatever a state file says */
        copy = second;
        detach(object, &hook, &copy);
        assert_int_equal(kern_is_attached(program_id(other), &hook, &second), 1);
        assert_int_equal(kern_is_attached(program_id(object), &hook, &second), 0);

        detach(object, &hook, &attachment);
        assert_int_equal(kern_is_attached(program_id(object), &hook, &attachment), 0);
        assert_int_equal(kern_is_attached(program_id(other), &hook, &second), 1);
        detach(object, &hook, &attachment);
        send_packets();
        assert_int_equal(hits_of(object, 0), 5);
        detach(other, &hook, &second);

        hook.direction = KERN_DIRECTION_EGRESS;
        attach(object, &hook, &attachment);
        send_packets();
        assert_int_equal(hits_of(object, 0), 10);
        detach(object, &hook, &attachment);
        hook.ifindex = 12345;
        must_fail(object, &hook, KERN_ERROR_NO_SUCH_INTERFACE, "12345");
        detach(object, &hook, &attachment);
        kern_object_free(object);
        kern_object_free(other);
}

/* Whoever chose the handle finds the filter by it, and nobody else's is replaced. */
static void test_tc_handle(void **state)
{
        KernObject *object = load_one("tc", "tc_count", NULL);
        KernObject *other = load_one("shared_map", "shared_tc", NULL);
        KernHook hook = hook_of("tc", BIT(INTERFACE) | BIT(DIRECTION) | BIT(PRIORITY));
        KernAttachment attachment, chosen = KERN_ATTACHMENT_INIT;

        (void)state;
        hook.direction = KERN_DIRECTION_INGRESS;
        hook.priority = 9;
        hook.tc_handle = chosen.tc_handle = 0xfedcba98;
        chosen.tc_priority = 9;
        assert_int_equal(kern_is_attached(program_id(object), &hook, &chosen), 0);
        attach(object, &hook, &attachment);
        assert_int_equal(attachment.tc_handle, 0xfedcba98);
        assert_int_equal(kern_is_attached(program_id(object), &hook, &chosen), 1);
        must_fail(other, &hook, KERN_ERROR_HOOK_BUSY, "has handle 0xfedcba98 at priority 9");
        assert_int_equal(kern_is_attached(program_id(object), &hook, &chosen), 1);
        detach(object, &hook, &chosen);
        assert_int_equal(kern_is_attached(program_id(object), &hook, &attachment), 0);
        kern_object_free(object);
        kern_object_free(other);
}

static void test_tcx(void **state)
{
        KernObject *object = load_one("tcx", "tcx_ingress", NULL);
        KernHook hook = hook_of("tcx", BIT(INTERFACE) | BIT(DIRECTION));
        KernAttachment attachment = KERN_ATTACHMENT_INIT;

        (void)state;
        hook.direction = KERN_DIRECTION_INGRESS;
        kern_diag_clear(&diag);
        if (kern_attach(object->programs[0].fd, &hook, &attachment, &diag) < 0) {
                assert_int_equal(diag.error, KERN_ERROR_NOT_SUPPORTED);
                kern_object_free(object);
                skip();
                return;
        }
        assert_int_equal(kern_is_attached(program_id(object), &hook, &attachment), 1);
        send_packets();
        assert_int_equal(hits_of(object, 0), 5);
        must_fail(object, &hook, KERN_ERROR_HOOK_BUSY, "already");
        detach(object, &hook, &attachment);
        send_packets();
        assert_int_equal(hits_of(object, 0), 5);
        hook.ifindex = 12345;
        must_fail(object, &hook, KERN_ERROR_NO_SUCH_INTERFACE, "12345");
        kern_object_free(object);
}

static void test_cgroup_skb(void **state)
{
        KernObject *object;
        KernHook hook = hook_of("cgroup_skb", BIT(CGROUP) | BIT(DIRECTION));
        KERN_AUTO_CLOSE int root = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        KernAttachment attachment;
        char path[128];
        pid_t pid;
        int status;

        (void)state;
        if (cgroup_root[0] == '\0') {
                skip();
                return;
        }
        object = load_one("cgroup_skb", "cgroup_egress", NULL);
        snprintf(path, sizeof(path), "%s/bpfkeeper-test-%d", cgroup_root, getpid());
        assert_int_equal(mkdir(path, 0700), 0);
        hook.cgroup_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        hook.direction = KERN_DIRECTION_EGRESS;
        attach(object, &hook, &attachment);
        assert_int_equal(kern_is_attached(program_id(object), &hook, &attachment), 1);

        pid = fork();
        if (pid == 0) {
                char procs[160];
                FILE *f;

                snprintf(procs, sizeof(procs), "%s/cgroup.procs", path);
                f = fopen(procs, "we");
                if (!f || fprintf(f, "0\n") < 0 || fclose(f) != 0)
                        _exit(1);
                send_packets();
                _exit(0);
        }
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_int_equal(status, 0);
        assert_int_equal(hits_of(object, 1), 5);
        detach(object, &hook, &attachment);

        close(hook.cgroup_fd);
        hook.cgroup_fd = root;
        must_fail(object, &hook, KERN_ERROR_NO_SUCH_CGROUP, "cgroup v2");
        rmdir(path);
        kern_object_free(object);
}

static void test_wrong_program(void **state)
{
        KernObject *object = load_one("tc", "tc_count", NULL);
        KernHook hook = hook_of("xdp", BIT(INTERFACE));
        KernAttachment attachment = KERN_ATTACHMENT_INIT;

        (void)state;
        kern_diag_clear(&diag);
        assert_true(kern_attach(object->programs[0].fd, &hook, &attachment, &diag) < 0);
        assert_true(diag.error != KERN_ERROR_NONE);
        assert_true(kern_attach(-1, &hook, &attachment, NULL) < 0);
        hook.given = 0;
        must_fail(object, &hook, KERN_ERROR_MISSING_PARAMETER, "interface");
        kern_attachment_done(NULL);
        kern_object_free(object);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_xdp),
                cmocka_unit_test(test_xdp_native),
                cmocka_unit_test(test_tc),
                cmocka_unit_test(test_tc_handle),
                cmocka_unit_test(test_tcx),
                cmocka_unit_test(test_cgroup_skb),
                cmocka_unit_test(test_wrong_program),
        };

        return run_attach_tests(tests, mount_cgroups, unmount_cgroups);
}
