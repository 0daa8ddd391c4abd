/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "test-service.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include "errors.h"
#include "worker-pool.h"

/* Whose turn it is where there aren't workers for all, and for whom there is always one. */

static const char *fake_worker;
static WorkerPool *pool;
static int lock_fd;
static bool immortal; /* a worker stuck in the kernel, as far as anybody can see */

int __real_kill(pid_t pid, int sig);
int __wrap_kill(pid_t pid, int sig);
guint __real_g_timeout_add_seconds(guint seconds, GSourceFunc function, gpointer data);
guint __wrap_g_timeout_add_seconds(guint seconds, GSourceFunc function, gpointer data);

int __wrap_kill(pid_t pid, int sig)
{
        return immortal ? 0 : __real_kill(pid, sig);
}

/* Nobody has a minute. */
guint __wrap_g_timeout_add_seconds(guint seconds, GSourceFunc function, gpointer data)
{
        return __real_g_timeout_add_seconds(seconds == 60 ? 2 : seconds, function, data);
}

static int set_up(void **state)
{
        int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

        (void)state;
        lock_fd = fcntl(fd, F_DUPFD_CLOEXEC, 16);
        close(fd);
        pool = worker_pool_new(fake_worker, lock_fd);
        return 0;
}

static int tear_down(void **state)
{
        (void)state;
        immortal = false;
        worker_pool_free(pool);
        close(lock_fd);
        run_for(50);
        return 0;
}

typedef struct Answer {
        unsigned n;
        uint32_t pid;
        int code;            /* of the error, or -1 */
        struct Answer *then; /* made from within */
} Answer;

static unsigned n_answers;

static int fill_nothing(sd_bus_message *m, void *userdata)
{
        (void)m, (void)userdata;
        return 0;
}

static int fill_gone(sd_bus_message *m, void *userdata)
{
        (void)m, (void)userdata;
        return -ENOENT;
}

static void on_done(sd_bus_message *reply, GError *error, void *userdata)
{
        Answer *a = userdata;

        a->n++;
        n_answers++;
        a->code = error ? error->code : -1;
        g_clear_error(&error);
        if (reply)
                (void)sd_bus_message_read(reply, "u", &a->pid);
        if (a->then)
                worker_pool_call(pool, WORKER_ROLE_ATTACH, 0, "Pid", 15, fill_nothing, on_done,
                                 a->then, NULL);
}

static void call(WorkerRole role, uid_t uid, const char *method, Answer *a)
{
        worker_pool_call(pool, role, uid, method, 15, fill_nothing, on_done, a, NULL);
}

static void is_served(WorkerRole role, uid_t uid)
{
        gint64 start = g_get_monotonic_time();
        Answer a = {0};

        call(role, uid, "Pid", &a);
        run_until(a.n == 1);
        /* Not only once others have given up. */
        assert_true(g_get_monotonic_time() - start < 10 * G_USEC_PER_SEC);
        assert_int_equal(a.code, -1);
}

static void hang(WorkerRole role, uid_t first, unsigned n_uids, Answer *answers)
{
        for (unsigned i = 0; i < 2 * n_uids; i++)
                call(role, first + i / 2, "Hang", &answers[i]);
}

static void inspecting_takes_half(void **state)
{
        Answer hanging[20] = {0};

        (void)state;
        hang(WORKER_ROLE_INSPECT, 1000, 10, hanging);
        run_for(300);
        is_served(WORKER_ROLE_LOAD, 2000);
        is_served(WORKER_ROLE_LOAD, 2001);
        is_served(WORKER_ROLE_ATTACH, 2000);
        worker_pool_free(g_steal_pointer(&pool));
}

/* A second one is only for who takes it from nobody; and root is not kept waiting. */
static void few_uids_leave_room_for_inspecting(void **state)
{
        Answer hanging[20] = {0};

        (void)state;
        hang(WORKER_ROLE_INSPECT, 1000, 4, hanging);
        run_for(300);
        is_served(WORKER_ROLE_INSPECT, 2000);
        hang(WORKER_ROLE_INSPECT, 3000, 6, hanging + 8);
        run_for(300);
        is_served(WORKER_ROLE_INSPECT, 0);
        worker_pool_free(g_steal_pointer(&pool));
}

static void room_for_detaching(void **state)
{
        Answer inspecting[20] = {0}, loading[20] = {0};

        (void)state;
        hang(WORKER_ROLE_INSPECT, 1000, 10, inspecting);
        hang(WORKER_ROLE_LOAD, 3000, 10, loading);
        run_for(300);
        is_served(WORKER_ROLE_ATTACH, 2000);
        is_served(WORKER_ROLE_ATTACH, 2001);
        is_served(WORKER_ROLE_ATTACH, 2002);
        worker_pool_free(g_steal_pointer(&pool));
}

/* Idle ones of others, of the role that has no room left, make some. */
static void idle_workers_make_room(void **state)
{
        (void)state;
        for (uid_t uid = 0; uid < 20; uid++)
                is_served(WORKER_ROLE_LOAD, 1000 + uid);
        for (uid_t uid = 0; uid < 20; uid++)
                is_served(WORKER_ROLE_ATTACH, 1000 + uid);
        is_served(WORKER_ROLE_INSPECT, 1000);
}

/* Eight uids have many calls waiting; one comes later with one. */
static void who_has_nothing_going_on_is_next(void **state)
{
        Answer many[64] = {0}, late = {0};

        (void)state;
        n_answers = 0;
        for (unsigned i = 0; i < 64; i++)
                call(WORKER_ROLE_INSPECT, 1000 + i / 8, "Slow", &many[i]);
        run_until(n_answers > 0);
        call(WORKER_ROLE_INSPECT, 2000, "Pid", &late);
        run_until(late.n == 1);
        assert_true(n_answers < 32);
        run_until(n_answers == 65);
}

static void uids_take_turns(void **state)
{
        Answer many[3][8] = {0};

        (void)state;
        n_answers = 0;
        /* Room for one of them at a time, nearly. */
        for (unsigned i = 0; i < 3; i++)
                for (unsigned j = 0; j < 8; j++)
                        call(WORKER_ROLE_INSPECT, 1000 + i, "Slow", &many[i][j]);
        run_until(n_answers >= 12);
        for (unsigned i = 0; i < 3; i++) {
                unsigned n = 0;

                for (unsigned j = 0; j < 8; j++)
                        n += many[i][j].n;
                assert_in_range(n, 2, 6);
        }
        run_until(n_answers == 24);
}

static void waiting_has_an_end(void **state)
{
        Answer hanging[2] = {0}, waiting = {0};

        (void)state;
        hang(WORKER_ROLE_LOAD, 1000, 1, hanging);
        run_for(100);
        call(WORKER_ROLE_LOAD, 1000, "Pid", &waiting);
        run_for(500);
        assert_int_equal(waiting.n, 0);
        run_until(waiting.n == 1);
        assert_int_equal(waiting.code, BPFKEEPER_ERROR_TIMED_OUT);
        /* Those that have a worker are not waiting. */
        assert_int_equal(hanging[0].n + hanging[1].n, 0);
        worker_pool_free(g_steal_pointer(&pool));
}

/* They were given up and don't go: their owner has no others, and nobody else is the worse for it. */
static void stuck_workers_keep_their_place(void **state)
{
        Answer first[2] = {0}, stuck[2] = {0}, next = {0};

        (void)state;
        for (int i = 0; i < 2; i++)
                call(WORKER_ROLE_LOAD, 1000, "Slow", &first[i]);
        run_until(first[0].n == 1 && first[1].n == 1);
        assert_int_not_equal(first[0].pid, first[1].pid);
        for (int i = 0; i < 2; i++)
                worker_pool_call(pool, WORKER_ROLE_LOAD, 1000, "Hang", 1, fill_nothing, on_done,
                                 &stuck[i], NULL);
        run_for(100);
        immortal = true;
        run_until(stuck[0].n == 1 && stuck[1].n == 1);
        assert_int_equal(stuck[0].code, BPFKEEPER_ERROR_TIMED_OUT);
        call(WORKER_ROLE_LOAD, 1000, "Pid", &next);
        is_served(WORKER_ROLE_LOAD, 1001);
        is_served(WORKER_ROLE_ATTACH, 1000);
        run_for(300);
        assert_int_equal(next.n, 0);
        immortal = false;
        for (int i = 0; i < 2; i++)
                assert_int_equal(__real_kill((pid_t)first[i].pid, SIGKILL), 0);
        run_until(next.n == 1);
        assert_int_equal(next.code, -1);
}

static void what_is_gone_costs_no_worker(void **state)
{
        Answer before = {0}, gone = {0}, after = {0};

        (void)state;
        call(WORKER_ROLE_LOAD, 1000, "Pid", &before);
        run_until(before.n == 1);
        worker_pool_call(pool, WORKER_ROLE_LOAD, 1000, "Pid", 15, fill_gone, on_done, &gone, NULL);
        run_until(gone.n == 1);
        assert_int_equal(gone.code, BPFKEEPER_ERROR_NO_SUCH_OBJECT);
        call(WORKER_ROLE_LOAD, 1000, "Pid", &after);
        run_until(after.n == 1);
        assert_int_equal(after.pid, before.pid);
}

/* Undoing, for one. */
static void calls_made_while_going_down(void **state)
{
        Answer last = {0}, undo = {.then = &last}, running = {.then = &undo};
        Answer also = {0}, queued = {.then = &also};

        (void)state;
        call(WORKER_ROLE_ATTACH, 1000, "Hang", &running);
        run_for(100);
        call(WORKER_ROLE_ATTACH, 1000, "Hang", &queued);
        worker_pool_free(pool);
        pool = NULL;
        assert_int_equal(running.code, BPFKEEPER_ERROR_CANCELLED);
        assert_int_equal(undo.code, BPFKEEPER_ERROR_CANCELLED);
        assert_int_equal(last.code, BPFKEEPER_ERROR_CANCELLED);
        assert_int_equal(also.code, BPFKEEPER_ERROR_CANCELLED);
        assert_int_equal(running.n + undo.n + last.n + queued.n + also.n, 5);
}

int main(int argc, char **argv)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
        const struct CMUnitTest tests[] = {
                TEST(inspecting_takes_half),
                TEST(few_uids_leave_room_for_inspecting),
                TEST(room_for_detaching),
                TEST(idle_workers_make_room),
                TEST(who_has_nothing_going_on_is_next),
                TEST(uids_take_turns),
                TEST(waiting_has_an_end),
                TEST(stuck_workers_keep_their_place),
                TEST(what_is_gone_costs_no_worker),
                TEST(calls_made_while_going_down),
        };

        if (argc != 2)
                return 1;
        fake_worker = argv[1];
        return cmocka_run_group_tests(tests, NULL, NULL);
}
