/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "test-service.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/file.h>
#include <unistd.h>

#include "errors.h"
#include "worker-pool.h"

static const char *fake_worker;
static unsigned n_spawned;
static WorkerPool *pool;
static int lock_fd;
static char *lock_path;

int __real_posix_spawn(pid_t *ret, const char *path, const posix_spawn_file_actions_t *actions,
                       const posix_spawnattr_t *attributes, char *const argv[], char *const envp[]);
int __wrap_posix_spawn(pid_t *ret, const char *path, const posix_spawn_file_actions_t *actions,
                       const posix_spawnattr_t *attributes, char *const argv[], char *const envp[]);

int __wrap_posix_spawn(pid_t *ret, const char *path, const posix_spawn_file_actions_t *actions,
                       const posix_spawnattr_t *attributes, char *const argv[], char *const envp[])
{
        n_spawned++;
        return __real_posix_spawn(ret, path, actions, attributes, argv, envp);
}

static void start_pool(const char *executable)
{
        n_spawned = 0;
        pool = worker_pool_new(executable, lock_fd);
}

static int set_up(void **state)
{
        int fd;

        (void)state;
        fd = g_file_open_tmp("bpfkeeper-test-XXXXXX", &lock_path, NULL);
        assert_true(fd >= 0);
        lock_fd = fcntl(fd, F_DUPFD_CLOEXEC, 16);
        close(fd);
        assert_int_equal(flock(lock_fd, LOCK_EX), 0);
        start_pool(fake_worker);
        return 0;
}

/* When the pool is gone, so are its processes: the lock that they inherited is free. */
static int tear_down(void **state)
{
        bool free = false;
        int fd;

        (void)state;
        worker_pool_free(pool);
        close(lock_fd);
        fd = open(lock_path, O_RDONLY | O_CLOEXEC);
        for (int i = 0; i < 500 && !free; i++) {
                free = flock(fd, LOCK_EX | LOCK_NB) == 0;
                if (!free)
                        g_usleep(10000);
        }
        assert_true(free);
        close(fd);
        /* The last of them are reaped. */
        run_for(50);
        g_unlink(lock_path);
        g_free(lock_path);
        return 0;
}

typedef struct Answer {
        unsigned n;
        bool has_reply;
        uint32_t value;
        int code; /* of the error, or -1 */
        char *message;
} Answer;

#define ANSWER_INIT        \
        {                  \
                .code = -1 \
        }

static void answer_done(Answer *a)
{
        g_free(a->message);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Answer, answer_done)

static int fill_nothing(sd_bus_message *m, void *userdata)
{
        (void)m, (void)userdata;
        return 0;
}

static int fill_badly(sd_bus_message *m, void *userdata)
{
        (void)m, (void)userdata;
        return -EBADF;
}

static int fill_never(sd_bus_message *m, void *userdata)
{
        (void)m, (void)userdata;
        return -ECANCELED;
}

static void on_done(sd_bus_message *reply, GError *error, void *userdata)
{
        Answer *a = userdata;

        a->n++;
        assert_int_equal(a->n, 1);
        if (reply) {
                a->has_reply = true;
                (void)sd_bus_message_read(reply, "u", &a->value);
        }
        if (error) {
                assert_int_equal(error->domain, BPFKEEPER_ERROR);
                a->code = error->code;
                a->message = g_strdup(error->message);
                g_error_free(error);
        }
}

static void call(WorkerRole role, uid_t uid, const char *method, Answer *a)
{
        worker_pool_call(pool, role, uid, method, 15, fill_nothing, on_done, a, NULL);
        /* Never from within. */
        assert_int_equal(a->n, 0);
}

static uint32_t pid_of(WorkerRole role, uid_t uid)
{
        g_auto(Answer) a = ANSWER_INIT;

        call(role, uid, "Pid", &a);
        run_until(a.n == 1);
        assert_int_equal(a.code, -1);
        return a.value;
}

static void answers_come(void **state)
{
        g_auto(Answer) a = ANSWER_INIT;

        (void)state;
        assert_true(worker_pool_is_idle(pool));
        call(WORKER_ROLE_LOAD, 1000, "Pid", &a);
        assert_false(worker_pool_is_idle(pool));
        run_until(a.n == 1);
        assert_true(a.has_reply);
        assert_int_equal(a.code, -1);
        assert_int_not_equal(a.value, getpid());
        assert_true(worker_pool_is_idle(pool));
}

static void a_spare_waits_ready(void **state)
{
        (void)state;
        worker_pool_warm(pool);
        run_until(n_spawned == 1);
        run_for(100);
        assert_int_equal(n_spawned, 1);
        pid_of(WORKER_ROLE_LOAD, 1000);
        run_for(100);
        /* The next one, and no more. */
        assert_int_equal(n_spawned, 2);
}

static void workers_belong_to_role_and_uid(void **state)
{
        uint32_t load_1000, load_1001, attach_1000, inspect;

        (void)state;
        load_1000 = pid_of(WORKER_ROLE_LOAD, 1000);
        load_1001 = pid_of(WORKER_ROLE_LOAD, 1001);
        attach_1000 = pid_of(WORKER_ROLE_ATTACH, 1000);
        assert_int_not_equal(load_1000, load_1001);
        assert_int_not_equal(load_1000, attach_1000);
        assert_int_not_equal(load_1001, attach_1000);
        /* Used again by the same one. */
        assert_int_equal(pid_of(WORKER_ROLE_LOAD, 1000), load_1000);
        assert_int_equal(pid_of(WORKER_ROLE_LOAD, 1001), load_1001);
        assert_int_equal(pid_of(WORKER_ROLE_ATTACH, 1000), attach_1000);
        assert_int_not_equal(pid_of(WORKER_ROLE_ATTACH, 1001), attach_1000);
        /* What has parsed just anybody's bytes serves once. */
        inspect = pid_of(WORKER_ROLE_INSPECT, 1000);
        assert_int_not_equal(pid_of(WORKER_ROLE_INSPECT, 1000), inspect);
}

static void refusals(void **state)
{
        g_auto(Answer) refused = ANSWER_INIT, wild = ANSWER_INIT;
        uint32_t pid = pid_of(WORKER_ROLE_LOAD, 1000);

        (void)state;
        call(WORKER_ROLE_LOAD, 1000, "Refuse", &refused);
        run_until(refused.n == 1);
        /* What stands behind the message, a log, can be had all the same. */
        assert_true(refused.has_reply);
        assert_int_equal(refused.value, 7);
        assert_int_not_equal(refused.code, -1);
        assert_string_equal(refused.message, "No.");
        call(WORKER_ROLE_LOAD, 1000, "RefuseWildly", &wild);
        run_until(wild.n == 1);
        assert_int_equal(wild.code, BPFKEEPER_ERROR_FAILED);
        /* That is no reason to end a worker. */
        assert_int_equal(pid_of(WORKER_ROLE_LOAD, 1000), pid);
}

static void misbehaviour_ends_a_worker(void **state)
{
        static const char *const methods[] = {"Nonsense", "Nothing", "Error",
                                              "Die",      "Exit",    "NoSuchMethod"};

        (void)state;
        for (size_t i = 0; i < G_N_ELEMENTS(methods); i++) {
                uint32_t pid = pid_of(WORKER_ROLE_LOAD, 1000);
                g_auto(Answer) a = ANSWER_INIT;

                call(WORKER_ROLE_LOAD, 1000, methods[i], &a);
                run_until(a.n == 1);
                assert_false(a.has_reply);
                assert_int_equal(a.code, BPFKEEPER_ERROR_WORKER_FAILED);
                assert_int_not_equal(pid_of(WORKER_ROLE_LOAD, 1000), pid);
        }
}

static void somebody_kills_it(void **state)
{
        g_auto(Answer) a = ANSWER_INIT;
        uint32_t pid = pid_of(WORKER_ROLE_LOAD, 1000);

        (void)state;
        call(WORKER_ROLE_LOAD, 1000, "Hang", &a);
        run_for(50);
        assert_int_equal(a.n, 0);
        kill((pid_t)pid, SIGKILL);
        run_until(a.n == 1);
        assert_int_equal(a.code, BPFKEEPER_ERROR_WORKER_FAILED);
}

static void time_is_up(void **state)
{
        g_auto(Answer) a = ANSWER_INIT, next = ANSWER_INIT;

        (void)state;
        worker_pool_call(pool, WORKER_ROLE_LOAD, 1000, "Hang", 1, fill_nothing, on_done, &a, NULL);
        run_until(a.n == 1);
        assert_int_equal(a.code, BPFKEEPER_ERROR_TIMED_OUT);
        call(WORKER_ROLE_LOAD, 1000, "Pid", &next);
        run_until(next.n == 1);
        assert_int_equal(next.code, -1);
}

static void the_caller_leaves(void **state)
{
        g_autoptr(GCancellable) running = g_cancellable_new(), queued = g_cancellable_new();
        g_autoptr(GCancellable) before = g_cancellable_new(), after = g_cancellable_new();
        g_auto(Answer) a = ANSWER_INIT, b = ANSWER_INIT, c = ANSWER_INIT, d = ANSWER_INIT;

        (void)state;
        worker_pool_call(pool, WORKER_ROLE_LOAD, 1000, "Hang", 15, fill_nothing, on_done, &a,
                         running);
        run_for(100);
        worker_pool_call(pool, WORKER_ROLE_LOAD, 1000, "Hang", 15, fill_nothing, on_done, &b,
                         queued);
        g_cancellable_cancel(queued);
        assert_int_equal(b.n, 0);
        run_until(b.n == 1);
        assert_int_equal(b.code, BPFKEEPER_ERROR_CANCELLED);
        assert_int_equal(a.n, 0);
        g_cancellable_cancel(running);
        run_until(a.n == 1);
        assert_int_equal(a.code, BPFKEEPER_ERROR_CANCELLED);
        /* Left already when it is asked for. */
        g_cancellable_cancel(before);
        worker_pool_call(pool, WORKER_ROLE_LOAD, 1000, "Hang", 15, fill_nothing, on_done, &c,
                         before);
        assert_int_equal(c.n, 0);
        run_until(c.n == 1);
        assert_int_equal(c.code, BPFKEEPER_ERROR_CANCELLED);
        /* Leaving after the answer changes nothing. */
        worker_pool_call(pool, WORKER_ROLE_LOAD, 1000, "Pid", 15, fill_nothing, on_done, &d, after);
        run_until(d.n == 1);
        g_cancellable_cancel(after);
        run_for(50);
        assert_int_equal(d.code, -1);
        assert_true(worker_pool_is_idle(pool));
}

static void one_uid_leaves_room_for_others(void **state)
{
        g_auto(Answer) other = ANSWER_INIT;
        Answer many[10];
        unsigned n = 0;

        (void)state;
        for (int i = 0; i < 10; i++) {
                many[i] = (Answer)ANSWER_INIT;
                call(WORKER_ROLE_LOAD, 1000, "Slow", &many[i]);
        }
        call(WORKER_ROLE_LOAD, 1001, "Pid", &other);
        run_until(other.n == 1);
        for (int i = 0; i < 10; i++)
                n += many[i].n;
        assert_true(n < 10);
        run_until(worker_pool_is_idle(pool));
        for (int i = 0; i < 10; i++) {
                unsigned same = 0;

                assert_int_equal(many[i].code, -1);
                /* Two workers did all of it. */
                for (int j = 0; j < 10; j++)
                        same += many[j].value == many[i].value;
                assert_true(same >= 3);
        }
        assert_true(n_spawned <= 4);
}

static void many_uids_take_turns(void **state)
{
        Answer many[40];

        (void)state;
        for (unsigned i = 0; i < 40; i++) {
                many[i] = (Answer)ANSWER_INIT;
                call(WORKER_ROLE_LOAD, 2000 + i, "Pid", &many[i]);
        }
        run_until(worker_pool_is_idle(pool));
        for (unsigned i = 0; i < 40; i++) {
                assert_int_equal(many[i].code, -1);
                /* Nobody met another's worker. */
                for (unsigned j = 0; j < i; j++)
                        assert_int_not_equal(many[i].value, many[j].value);
        }
}

static void arguments_that_cannot_be_made(void **state)
{
        g_auto(Answer) a = ANSWER_INIT, b = ANSWER_INIT;

        (void)state;
        worker_pool_call(pool, WORKER_ROLE_LOAD, 1000, "Pid", 15, fill_badly, on_done, &a, NULL);
        run_until(a.n == 1);
        assert_int_equal(a.code, BPFKEEPER_ERROR_FAILED);
        worker_pool_call(pool, WORKER_ROLE_LOAD, 1000, "Pid", 15, fill_never, on_done, &b, NULL);
        run_until(b.n == 1);
        assert_int_equal(b.code, BPFKEEPER_ERROR_CANCELLED);
        pid_of(WORKER_ROLE_LOAD, 1000);
}

static void going_down(void **state)
{
        g_auto(Answer) a = ANSWER_INIT, b = ANSWER_INIT, c = ANSWER_INIT, d = ANSWER_INIT;

        (void)state;
        call(WORKER_ROLE_LOAD, 1000, "Hang", &a);
        call(WORKER_ROLE_LOAD, 1000, "Hang", &b);
        call(WORKER_ROLE_LOAD, 1000, "Hang", &c);
        run_for(200);
        call(WORKER_ROLE_ATTACH, 1000, "Hang", &d);
        worker_pool_free(pool);
        pool = NULL;
        assert_int_equal(a.code, BPFKEEPER_ERROR_CANCELLED);
        assert_int_equal(b.code, BPFKEEPER_ERROR_CANCELLED);
        assert_int_equal(c.code, BPFKEEPER_ERROR_CANCELLED);
        assert_int_equal(d.code, BPFKEEPER_ERROR_CANCELLED);
        run_for(50);
}

/* Whoever waits is told, and the pool doesn't start one after the other for ever. */
static void start_failure(const char *executable)
{
        g_auto(Answer) a = ANSWER_INIT, b = ANSWER_INIT, again = ANSWER_INIT;
        unsigned n;

        worker_pool_free(pool);
        start_pool(executable);
        call(WORKER_ROLE_LOAD, 1000, "Pid", &a);
        call(WORKER_ROLE_ATTACH, 1000, "Pid", &b);
        run_until(a.n == 1 && b.n == 1);
        assert_int_equal(a.code, BPFKEEPER_ERROR_WORKER_FAILED);
        assert_non_null(strstr(a.message, executable));
        assert_int_equal(b.code, BPFKEEPER_ERROR_WORKER_FAILED);
        run_for(300);
        n = n_spawned;
        assert_in_range(n, 1, 8);
        run_for(300);
        assert_int_equal(n_spawned, n);
        assert_true(worker_pool_is_idle(pool));
        /* The next request tries anew. */
        call(WORKER_ROLE_LOAD, 1000, "Pid", &again);
        run_until(again.n == 1);
        assert_int_equal(again.code, BPFKEEPER_ERROR_WORKER_FAILED);
        assert_true(n_spawned > n);
}

static void a_worker_that_ends_at_once(void **state)
{
        (void)state;
        start_failure("/bin/false");
}

static void a_worker_that_succeeds_at_once(void **state)
{
        (void)state;
        start_failure("/bin/true");
}

static void a_worker_that_is_not_there(void **state)
{
        (void)state;
        start_failure("/nonexistent/bpfkeeper-worker");
}

static void a_worker_that_is_no_program(void **state)
{
        (void)state;
        start_failure("/etc/passwd");
}

/* Without a request: a service that was only warmed must not go on starting. */
static void warming_in_vain(void **state)
{
        unsigned n;

        (void)state;
        worker_pool_free(pool);
        start_pool("/bin/false");
        worker_pool_warm(pool);
        run_for(500);
        n = n_spawned;
        assert_in_range(n, 1, 8);
        run_for(300);
        assert_int_equal(n_spawned, n);
}

/* It starts and says nothing; the caller has no patience. */
static void a_worker_that_sleeps(void **state)
{
        g_autofree char *directory = make_directory();
        g_autofree char *script = g_build_filename(directory, "worker", NULL);
        g_autoptr(GCancellable) cancellable = g_cancellable_new();
        g_auto(Answer) a = ANSWER_INIT, b = ANSWER_INIT;

        (void)state;
        assert_true(g_file_set_contents(script, "#!/bin/sh\nexec /bin/sleep 1000\n", -1, NULL));
        assert_int_equal(g_chmod(script, 0700), 0);
        worker_pool_free(pool);
        start_pool(script);
        worker_pool_call(pool, WORKER_ROLE_LOAD, 1000, "Pid", 15, fill_nothing, on_done, &a,
                         cancellable);
        call(WORKER_ROLE_LOAD, 1000, "Pid", &b);
        run_for(300);
        assert_int_equal(a.n + b.n, 0);
        assert_int_equal(n_spawned, 1);
        g_cancellable_cancel(cancellable);
        run_until(a.n == 1);
        assert_int_equal(a.code, BPFKEEPER_ERROR_CANCELLED);
        worker_pool_free(pool);
        pool = NULL;
        assert_int_equal(b.code, BPFKEEPER_ERROR_CANCELLED);
        remove_tree(directory);
}

int main(int argc, char **argv)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
        const struct CMUnitTest tests[] = {
                TEST(answers_come),
                TEST(a_spare_waits_ready),
                TEST(workers_belong_to_role_and_uid),
                TEST(refusals),
                TEST(misbehaviour_ends_a_worker),
                TEST(somebody_kills_it),
                TEST(time_is_up),
                TEST(the_caller_leaves),
                TEST(one_uid_leaves_room_for_others),
                TEST(many_uids_take_turns),
                TEST(arguments_that_cannot_be_made),
                TEST(going_down),
                TEST(a_worker_that_ends_at_once),
                TEST(a_worker_that_succeeds_at_once),
                TEST(a_worker_that_is_not_there),
                TEST(a_worker_that_is_no_program),
                TEST(warming_in_vain),
                TEST(a_worker_that_sleeps),
        };

        if (argc != 2)
                return 1;
        fake_worker = argv[1];
        return cmocka_run_group_tests(tests, NULL, NULL);
}
