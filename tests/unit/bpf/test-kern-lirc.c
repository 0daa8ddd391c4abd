/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "test-util.h"

#include <fcntl.h>
#include <unistd.h>

#include <bpf/bpf.h>

#include "kern-attach-internal.h"
#include "kern-lirc.h"

/* What is made of a kernel's answers about an infrared receiver: a pipe, which hangs up when its peer goes. */

#define ON_DEVICE 42
#define ELSEWHERE 43
#define PROGRAM_FD 1000

static int device, peer;
static int error; /* what the kernel says, or 0 */
static unsigned n_queries, n_detached;

int __wrap_bpf_prog_query(int target_fd, enum bpf_attach_type type, __u32 query_flags,
                          __u32 *attach_flags, __u32 *prog_ids, __u32 *prog_cnt);
int __wrap_bpf_prog_attach(int prog_fd, int target_fd, enum bpf_attach_type type,
                           unsigned int flags);
int __wrap_bpf_prog_detach2(int prog_fd, int target_fd, enum bpf_attach_type type);
int __wrap_kern_program_open_id(uint32_t id);

static int answer(void)
{
        errno = error;
        return error != 0 ? -1 : 0;
}

int __wrap_bpf_prog_query(int target_fd, enum bpf_attach_type type, __u32 query_flags,
                          __u32 *attach_flags, __u32 *prog_ids, __u32 *prog_cnt)
{
        assert_int_equal(target_fd, device);
        assert_int_equal(type, BPF_LIRC_MODE2);
        assert_int_equal(query_flags, 0);
        assert_int_equal(*prog_cnt, KERN_CHAIN_MAX);
        n_queries++;
        *attach_flags = 0;
        prog_ids[0] = 7;
        prog_ids[1] = ON_DEVICE;
        *prog_cnt = 2;
        return answer();
}

int __wrap_bpf_prog_attach(int prog_fd, int target_fd, enum bpf_attach_type type,
                           unsigned int flags)
{
        assert_int_equal(prog_fd, PROGRAM_FD);
        assert_int_equal(target_fd, device);
        assert_int_equal(type, BPF_LIRC_MODE2);
        assert_int_equal(flags, 0);
        return answer();
}

/* What somebody else has detached just now. */
int __wrap_bpf_prog_detach2(int prog_fd, int target_fd, enum bpf_attach_type type)
{
        assert_true(prog_fd >= 0);
        assert_int_equal(target_fd, device);
        assert_int_equal(type, BPF_LIRC_MODE2);
        n_detached++;
        errno = ENOENT;
        return -1;
}

int __wrap_kern_program_open_id(uint32_t id)
{
        assert_int_equal(id, ON_DEVICE);
        return open("/dev/null", O_RDONLY | O_CLOEXEC);
}

static int set_up(void **state)
{
        int fds[2];

        (void)state;
        error = 0;
        n_queries = n_detached = 0;
        if (pipe2(fds, O_CLOEXEC) < 0)
                return -1;
        device = fds[0];
        peer = fds[1];
        return 0;
}

static void close_peer(void)
{
        close(peer);
        peer = -1;
}

static int tear_down(void **state)
{
        (void)state;
        close(device);
        if (peer >= 0)
                close(peer);
        return 0;
}

static KernHook hook_on(int fd)
{
        KernHook hook = KERN_HOOK_INIT;

        hook.type = kern_type_find("lirc_mode2");
        hook.given = KERN_PARAM_BIT(KERN_PARAM_DEVICE);
        hook.device_fd = fd;
        return hook;
}

static void test_type(void **state)
{
        (void)state;
        assert_true(kern_is_on_device(kern_type_find("lirc_mode2")));
        assert_false(kern_is_on_device(kern_type_find("cgroup_skb")));
}

static void test_query(void **state)
{
        KernChain chain;

        (void)state;
        assert_int_equal(kern_lirc_query(device, &chain), 0);
        assert_int_equal(chain.n, 2);
        assert_int_equal(chain.entries[0].prog_id, 7);
        assert_int_equal(chain.entries[1].prog_id, ON_DEVICE);
        assert_int_equal(chain.entries[1].link_id, 0);
        error = EINVAL;
        assert_int_equal(kern_lirc_query(device, &chain), -EINVAL);
}

/* There are kernels that mustn't be asked then. */
static void test_gone(void **state)
{
        const KernHook hook = hook_on(device);
        KernDiag diag = {0};
        KernChain chain;

        (void)state;
        assert_false(kern_lirc_is_gone(device));
        close_peer();
        assert_true(kern_lirc_is_gone(device));
        assert_int_equal(kern_lirc_query(device, &chain), -ENODEV);
        assert_int_equal(kern_lirc_has(ON_DEVICE, &hook), 0);
        assert_int_equal(kern_lirc_detach(ON_DEVICE, &hook, &diag), 0);
        assert_int_equal(n_queries + n_detached, 0);
}

static void test_has(void **state)
{
        const KernHook there = hook_on(device), nowhere = hook_on(-1);

        (void)state;
        assert_int_equal(kern_lirc_has(ON_DEVICE, &there), 1);
        assert_int_equal(kern_lirc_has(ELSEWHERE, &there), 0);
        assert_int_equal(kern_lirc_has(ON_DEVICE, &nowhere), 0);
        error = EINTR;
        assert_int_equal(kern_lirc_has(ON_DEVICE, &there), -EINTR);
        error = ENODEV;
        assert_int_equal(kern_lirc_has(ON_DEVICE, &there), 0);
}

static void test_detach(void **state)
{
        const KernHook there = hook_on(device), nowhere = hook_on(-1);
        KernAttachment attachment = KERN_ATTACHMENT_INIT;
        KernDiag diag = {0};

        (void)state;
        assert_int_equal(kern_detach(-1, ELSEWHERE, &there, &attachment, &diag), 0);
        assert_int_equal(kern_detach(-1, ON_DEVICE, &nowhere, &attachment, &diag), 0);
        assert_int_equal(n_detached, 0);
        assert_int_equal(kern_detach(-1, ON_DEVICE, &there, &attachment, &diag), 0);
        assert_int_equal(n_detached, 1);
        error = EIO;
        assert_int_equal(kern_detach(-1, ON_DEVICE, &there, &attachment, &diag), -EIO);
        assert_int_equal(diag.error, KERN_ERROR_FAILED);
        kern_diag_clear(&diag);
}

static void test_attach(void **state)
{
        static const struct {
                int error;
                KernError kind;
                const char *text;
        } cases[] = {
                {EEXIST, KERN_ERROR_HOOK_BUSY, "on the device already"},
                {E2BIG, KERN_ERROR_LIMIT_EXCEEDED, "64"},
                {EINVAL, KERN_ERROR_INVALID_ARGUMENT, "receiver"},
                {EPERM, KERN_ERROR_INVALID_ARGUMENT, "open for writing"},
                {ENODEV, KERN_ERROR_NO_SUCH_TARGET, "gone"},
                {EIO, KERN_ERROR_FAILED, "Input/output error"},
        };
        KernHook hook = hook_on(device);
        KernAttachment attachment = KERN_ATTACHMENT_INIT;
        KernDiag diag = {0};

        (void)state;
        assert_int_equal(kern_attach(PROGRAM_FD, &hook, &attachment, &diag), 0);
        assert_int_equal(attachment.n_links, 0);
        for (size_t i = 0; i < KERN_ELEMENTSOF(cases); i++) {
                error = cases[i].error;
                assert_int_equal(kern_attach(PROGRAM_FD, &hook, &attachment, &diag), -error);
                assert_int_equal(diag.error, cases[i].kind);
                assert_non_null(strstr(diag.message, cases[i].text));
                kern_diag_clear(&diag);
        }
        hook.device_fd = -1;
        assert_int_equal(kern_attach(PROGRAM_FD, &hook, &attachment, &diag), -EINVAL);
        assert_int_equal(diag.error, KERN_ERROR_MISSING_PARAMETER);
        kern_diag_clear(&diag);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
        const struct CMUnitTest tests[] = {
                TEST(test_type), TEST(test_query),  TEST(test_gone),
                TEST(test_has),  TEST(test_detach), TEST(test_attach),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
