/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The pool with the real worker, which takes root: it begins with giving up what root has. */

#include "test-service.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "errors.h"
#include "kern-info.h"
#include "worker-pool.h"

static const char *programs;
static WorkerPool *pool;

/* A call in the making, and what came of it. */
typedef struct Call {
        int fd;
        const char *program, *type; /* Load */
        uint32_t id;
        KernHook hook;
        bool done;
        int code; /* of the error, or -1 */
        char *message;
        int program_fd, link_fd;
        char *text;
} Call;

#define CALL_INIT                                                     \
        {                                                             \
                .fd = -1, .program_fd = -1, .link_fd = -1, .code = -1 \
        }

static void close_if(int fd)
{
        if (fd >= 0)
                close(fd);
}

static void call_done(Call *c)
{
        close_if(c->fd);
        close_if(c->program_fd);
        close_if(c->link_fd);
        g_free(c->message);
        g_free(c->text);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Call, call_done)

static int open_object(const char *name)
{
        g_autofree char *path = g_build_filename(programs, name, NULL);
        int fd = open(path, O_RDONLY | O_CLOEXEC);

        assert_true(fd >= 0);
        return fd;
}

static int fill_fd(sd_bus_message *m, void *userdata)
{
        return sd_bus_message_append(m, "h", ((Call *)userdata)->fd);
}

static int fill_load(sd_bus_message *m, void *userdata)
{
        const Call *c = userdata;

        return sd_bus_message_append(m, WORKER_LOAD_IN, c->fd, 1, c->program, c->type, 0, 0, 0, 0,
                                     0, 0, 0, 0, 0, "");
}

static int fill_test_run(sd_bus_message *m, void *userdata)
{
        static const uint8_t packet[64];
        int r;

        r = sd_bus_message_append(m, "h", ((Call *)userdata)->program_fd);
        if (r >= 0)
                r = sd_bus_message_append_array(m, 'y', packet, sizeof(packet));
        if (r >= 0)
                r = sd_bus_message_append(m, "uayu", 256, 0, 1);
        return r;
}

static int fill_attach(sd_bus_message *m, void *userdata)
{
        const Call *c = userdata;
        int r;

        r = sd_bus_message_append(m, "h", c->program_fd);
        if (r >= 0)
                r = worker_hook_append(m, &c->hook);
        if (r >= 0)
                r = sd_bus_message_append(m, "ahahuah", 0, 0, 0, 0);
        return r;
}

static int fill_detach(sd_bus_message *m, void *userdata)
{
        const Call *c = userdata;
        int r;

        r = sd_bus_message_append(m, "u", c->id);
        if (r >= 0)
                r = worker_hook_append(m, &c->hook);
        if (r >= 0)
                r = worker_fds_append(m, NULL, 0);
        if (r >= 0)
                r = worker_fds_append(m, NULL, 0);
        if (r >= 0)
                r = worker_fds_append(m, &c->link_fd, 1);
        if (r >= 0)
                r = sd_bus_message_append(m, "uuuuuu", 0, 0, 0, 0, 0, 0);
        return r;
}

static void note_error(Call *c, GError *error)
{
        c->done = true;
        if (!error)
                return;
        c->code = error->code;
        c->message = g_strdup(error->message);
        g_error_free(error);
}

static void on_done(sd_bus_message *reply, GError *error, void *userdata)
{
        (void)reply;
        note_error(userdata, error);
}

static void on_sealed(sd_bus_message *reply, GError *error, void *userdata)
{
        Call *c = userdata;
        size_t n = 0;
        int fd = -1;

        if (!error) {
                assert_int_equal(worker_fds_take(reply, &fd, 1, &n), 0);
                assert_int_equal(n, 1);
                close_if(c->fd);
                c->fd = fd;
        }
        note_error(c, error);
}

static void on_inspected(sd_bus_message *reply, GError *error, void *userdata)
{
        GString *s = g_string_new(NULL);
        const char *name, *section, *type;
        int optional;

        if (!error) {
                assert_true(sd_bus_message_enter_container(reply, 'a', "(sssb)") >= 0);
                while (sd_bus_message_read(reply, "(sssb)", &name, &section, &type, &optional) > 0)
                        g_string_append_printf(s, "%s %s %s;", name, section, type);
        }
        ((Call *)userdata)->text = g_string_free(s, FALSE);
        note_error(userdata, error);
}

static void on_loaded(sd_bus_message *reply, GError *error, void *userdata)
{
        const char *name, *section, *type;
        Call *c = userdata;
        int fd;

        if (!error) {
                assert_true(sd_bus_message_skip(reply, "as") >= 0);
                assert_true(sd_bus_message_enter_container(reply, 'a',
                                                           "(" WORKER_LOADED_PROGRAM ")") > 0);
                assert_true(sd_bus_message_enter_container(reply, 'r', WORKER_LOADED_PROGRAM) > 0);
                assert_true(sd_bus_message_read(reply, "sssh", &name, &section, &type, &fd) > 0);
                assert_string_equal(name, c->program);
                assert_string_equal(type, c->type);
                c->program_fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
        }
        note_error(c, error);
}

static void on_attached(sd_bus_message *reply, GError *error, void *userdata)
{
        Call *c = userdata;
        size_t n = 0;

        if (!error) {
                assert_int_equal(worker_fds_take(reply, &c->link_fd, 1, &n), 0);
                assert_int_equal(n, 1);
        }
        note_error(c, error);
}

static void call(WorkerRole role, const char *method, WorkerFill fill, WorkerDone done, Call *c)
{
        c->done = false;
        worker_pool_call(pool, role, 1000, method, 15, fill, done, c, NULL);
        run_until(c->done);
}

static int set_up(void **state)
{
        int lock = open("/dev/null", O_RDONLY | O_CLOEXEC);

        pool = worker_pool_new(*state, fcntl(lock, F_DUPFD_CLOEXEC, 16));
        close(lock);
        return 0;
}

static int tear_down(void **state)
{
        (void)state;
        worker_pool_free(pool);
        close(16);
        run_for(50);
        return 0;
}

static void inspect(void **state)
{
        g_auto(Call) c = CALL_INIT;

        (void)state;
        c.fd = open_object("tracepoint.bpf.o");
        call(WORKER_ROLE_INSPECT, "Inspect", fill_fd, on_inspected, &c);
        assert_int_equal(c.code, -1);
        assert_string_equal(c.text,
                            "tracepoint_fork tracepoint/sched/sched_process_fork tracepoint;"
                            "tracepoint_anywhere tracepoint tracepoint;");
}

static void inspect_no_elf(void **state)
{
        g_auto(Call) c = CALL_INIT;

        (void)state;
        c.fd = open("/etc/passwd", O_RDONLY | O_CLOEXEC);
        call(WORKER_ROLE_INSPECT, "Inspect", fill_fd, on_inspected, &c);
        assert_int_equal(c.code, BPFKEEPER_ERROR_NOT_ELF);
}

static void seal(void **state)
{
        g_auto(Call) c = CALL_INIT;
        char expected[4096], got[4096];
        ssize_t n;
        int fd = open_object("tracepoint.bpf.o");

        (void)state;
        n = pread(fd, expected, sizeof(expected), 0);
        /* Wherever the caller's offset is. */
        assert_int_equal(lseek(fd, 100, SEEK_SET), 100);
        c.fd = fd;
        call(WORKER_ROLE_INSPECT, "Seal", fill_fd, on_sealed, &c);
        assert_int_equal(c.code, -1);
        assert_int_equal(fcntl(c.fd, F_GET_SEALS),
                         F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE);
        assert_int_equal(pread(c.fd, got, sizeof(got), 0), n);
        assert_memory_equal(got, expected, (size_t)n);
}

static void seal_what_cannot_be_read(void **state)
{
        g_auto(Call) c = CALL_INIT;

        (void)state;
        c.fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
        call(WORKER_ROLE_INSPECT, "Seal", fill_fd, on_sealed, &c);
        assert_int_equal(c.code, BPFKEEPER_ERROR_INVALID_ARGUMENT);
}

static void load_and_run(void **state)
{
        g_auto(Call) c = CALL_INIT;
        KernProgramInfo info;

        (void)state;
        c.fd = open_object("packet_counter.bpf.o");
        c.program = "count_packets";
        c.type = "xdp";
        call(WORKER_ROLE_LOAD, "Load", fill_load, on_loaded, &c);
        if (c.code != -1)
                fail_msg("%s", c.message);
        assert_int_equal(kern_program_info(c.program_fd, &info), 0);
        assert_int_equal(info.prog_type, BPF_PROG_TYPE_XDP);
        call(WORKER_ROLE_LOAD, "TestRun", fill_test_run, on_done, &c);
        assert_int_equal(c.code, -1);
}

static void load_what_is_not_there(void **state)
{
        g_auto(Call) c = CALL_INIT;

        (void)state;
        c.fd = open_object("tracepoint.bpf.o");
        c.program = "nobody";
        c.type = "tracepoint";
        call(WORKER_ROLE_LOAD, "Load", fill_load, on_loaded, &c);
        assert_int_equal(c.code, BPFKEEPER_ERROR_NO_SUCH_FUNCTION_IN_OBJECT);
        assert_non_null(strstr(c.message, "tracepoint_fork"));
}

static void attach_and_detach(void **state)
{
        g_auto(Call) c = CALL_INIT;
        KernProgramInfo info;

        (void)state;
        if (access("/sys/kernel/tracing/events/sched", F_OK) < 0)
                skip(); /* no tracefs */
        c.fd = open_object("tracepoint.bpf.o");
        c.program = "tracepoint_fork";
        c.type = "tracepoint";
        call(WORKER_ROLE_LOAD, "Load", fill_load, on_loaded, &c);
        assert_int_equal(c.code, -1);
        assert_int_equal(kern_program_info(c.program_fd, &info), 0);
        c.id = info.id;
        c.hook = KERN_HOOK_INIT;
        c.hook.type = kern_type_find("tracepoint");
        c.hook.given = KERN_PARAM_BIT(KERN_PARAM_TRACEPOINT);
        g_strlcpy(c.hook.tracepoint, "sched:sched_process_wait", sizeof(c.hook.tracepoint));
        call(WORKER_ROLE_ATTACH, "Attach", fill_attach, on_attached, &c);
        if (c.code != -1)
                fail_msg("%s", c.message);
        call(WORKER_ROLE_ATTACH, "Detach", fill_detach, on_done, &c);
        assert_int_equal(c.code, -1);
}

/* A worker of one role does nothing of another's: asked by the pool's own hand, it fails. */
static void a_role_is_for_good(void **state)
{
        g_auto(Call) c = CALL_INIT, other = CALL_INIT;

        (void)state;
        c.fd = open_object("packet_counter.bpf.o");
        c.program = "count_packets";
        c.type = "xdp";
        call(WORKER_ROLE_LOAD, "Load", fill_load, on_loaded, &c);
        assert_int_equal(c.code, -1);
        other.fd = open_object("packet_counter.bpf.o");
        call(WORKER_ROLE_LOAD, "Inspect", fill_fd, on_inspected, &other);
        assert_int_equal(other.code, BPFKEEPER_ERROR_WORKER_FAILED);
}

int main(int argc, char **argv)
{
#define TEST(f) cmocka_unit_test_prestate_setup_teardown(f, set_up, tear_down, argv[1])
        if (argc != 3)
                return 1;
        if (geteuid() != 0) {
                g_printerr("skipped: bpfkeeper-worker needs root\n");
                return 77;
        }
        programs = argv[2];

        const struct CMUnitTest tests[] = {
                TEST(inspect),
                TEST(inspect_no_elf),
                TEST(seal),
                TEST(seal_what_cannot_be_read),
                TEST(load_and_run),
                TEST(load_what_is_not_there),
                TEST(attach_and_detach),
                TEST(a_role_is_for_good),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
