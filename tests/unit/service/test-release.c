/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "test-service.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <linux/magic.h>

#include "errors.h"
#include "link-detach.h"
#include "tc-chain.h"

/* Detaching with a worker that does what a test wants, and a kernel that says what it wants. */

static char *directory, *run_dir, *pin_dir;
static Daemon d;
static int attached; /* what the kernel says */
static WorkerFill fill;
static WorkerDone done;
static void *userdata_of_call;

int __wrap_statfs(const char *path, struct statfs *ret);
int __wrap_statfs64(const char *path, struct statfs *ret);
int __wrap_kern_pin(int fd, const char *path);
int __wrap_kern_open_pin(const char *path);
int __wrap_kern_is_attached(uint32_t prog_id, const KernHook *hook,
                            const KernAttachment *attachment);
void __wrap_worker_pool_call(WorkerPool *pool, WorkerRole role, uid_t uid, const char *method,
                             unsigned timeout_sec, WorkerFill f, WorkerDone on_done, void *userdata,
                             GCancellable *cancellable);

int __wrap_statfs(const char *path, struct statfs *ret)
{
        (void)path;
        memset(ret, 0, sizeof(*ret));
        ret->f_type = BPF_FS_MAGIC;
        return 0;
}

int __wrap_statfs64(const char *path, struct statfs *ret)
{
        return __wrap_statfs(path, ret);
}

int __wrap_kern_pin(int fd, const char *path)
{
        (void)fd, (void)path;
        return -EPERM;
}

int __wrap_kern_open_pin(const char *path)
{
        (void)path;
        return -ENOENT;
}

int __wrap_kern_is_attached(uint32_t prog_id, const KernHook *hook,
                            const KernAttachment *attachment)
{
        (void)prog_id, (void)hook, (void)attachment;
        return attached;
}

void __wrap_worker_pool_call(WorkerPool *pool, WorkerRole role, uid_t uid, const char *method,
                             unsigned timeout_sec, WorkerFill f, WorkerDone on_done, void *userdata,
                             GCancellable *cancellable)
{
        (void)pool, (void)role, (void)uid, (void)timeout_sec, (void)cancellable;
        assert_string_equal(method, "Detach");
        fill = f;
        done = on_done;
        userdata_of_call = userdata;
}

static int set_up(void **state)
{
        (void)state;
        directory = make_directory();
        run_dir = g_build_filename(directory, "run", NULL);
        pin_dir = g_build_filename(directory, "pins", NULL);
        memset(&d, 0, sizeof(d));
        d.store = store_new(run_dir, pin_dir, 1, NULL);
        assert_non_null(d.store);
        d.quota = quota_new();
        d.registry = registry_new(d.quota);
        d.tc_chains = tc_chains_new();
        return 0;
}

static int tear_down(void **state)
{
        (void)state;
        assert_int_equal(d.n_busy, 0);
        registry_free(d.registry);
        tc_chains_free(d.tc_chains);
        quota_free(d.quota);
        store_free(d.store);
        remove_tree(directory);
        g_free(directory);
        g_free(run_dir);
        g_free(pin_dir);
        return 0;
}

typedef struct Answer {
        unsigned n;
        bool failed;
} Answer;

static void on_end(GError *error, void *userdata)
{
        Answer *a = userdata;

        a->n++;
        a->failed = error != NULL;
        g_clear_error(&error);
}

/* The state in the file, or NULL where there is none; free with link_free(). */
static Link *stored(void)
{
        return store_read_link(d.store, 7, NULL);
}

static Link *begin(bool registered, Answer *answer)
{
        Link *link = sample_link(7, 1000, 42);

        if (registered) {
                link->state = LINK_ATTACHED;
                registry_add_link(d.registry, link);
        }
        assert_true(store_write_link(d.store, link, NULL));
        link_detach(&d, link, registered, -1, 0, on_end, answer);
        return link;
}

static void end_badly(void)
{
        done(NULL, error_new(TIMED_OUT, "No."), userdata_of_call);
}

static void an_undo_that_fails_is_kept(void **state)
{
        static const int answers[] = {1, -ENOMEM};

        (void)state;
        for (size_t i = 0; i < G_N_ELEMENTS(answers); i++) {
                g_autoptr(Link) link = NULL;
                Answer a = {0};

                attached = answers[i];
                begin(false, &a);
                end_badly();
                assert_int_equal(a.n, 1);
                assert_true(a.failed);
                link = stored();
                assert_non_null(link);
                assert_int_equal(link->state, LINK_DETACHING);
        }
}

static void what_is_not_attached_is_undone(void **state)
{
        Answer a = {0};

        (void)state;
        attached = 0;
        begin(false, &a);
        end_badly();
        assert_int_equal(a.n, 1);
        assert_false(a.failed);
        assert_null(stored());
}

/* The worker was killed, and may be in the middle of it. */
static void going_down_decides_nothing(void **state)
{
        g_autoptr(Link) link = NULL;
        Answer a = {0};

        (void)state;
        attached = 0;
        d.stopping = true;
        begin(false, &a);
        end_badly();
        assert_true(a.failed);
        link = stored();
        assert_non_null(link);
        assert_int_equal(link->state, LINK_DETACHING);
}

static void a_link_that_stays_is_as_before(void **state)
{
        g_autoptr(Link) file = NULL;
        Answer a = {0};
        Link *link;

        (void)state;
        attached = 1;
        link = begin(true, &a);
        end_badly();
        assert_true(a.failed);
        assert_int_equal(link->state, LINK_ATTACHED);
        assert_null(link->detaching);
        file = stored();
        assert_int_equal(file->state, LINK_ATTACHED);
}

/* The interface goes, and the link with it, before a worker is free. */
static void a_link_goes_while_it_waits(void **state)
{
        sd_bus_message *m = NULL;
        sd_bus *bus = NULL;
        Answer a = {0};
        uint32_t program;
        int fds[2];

        (void)state;
        link_forget(&d, begin(true, &a));
        assert_null(stored());
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds),
                         0);
        assert_true(sd_bus_new(&bus) >= 0);
        assert_true(sd_bus_set_fd(bus, fds[0], fds[0]) >= 0);
        assert_true(sd_bus_start(bus) >= 0);
        assert_true(sd_bus_message_new_method_call(bus, &m, NULL, "/x", "x.y", "Detach") >= 0);
        assert_true(fill(m, userdata_of_call) >= 0);
        assert_true(sd_bus_message_seal(m, 1, 0) >= 0);
        assert_true(sd_bus_message_read(m, "u", &program) > 0);
        assert_int_equal(program, 42);
        sd_bus_message_unref(m);
        sd_bus_close_unref(bus);
        close(fds[1]);
        end_badly();
        assert_int_equal(a.n, 1);
        assert_false(a.failed);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
        const struct CMUnitTest tests[] = {
                TEST(an_undo_that_fails_is_kept), TEST(what_is_not_attached_is_undone),
                TEST(going_down_decides_nothing), TEST(a_link_that_stays_is_as_before),
                TEST(a_link_goes_while_it_waits),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
