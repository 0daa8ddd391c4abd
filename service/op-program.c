/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* OpenFd(), GetLog() and TestRun() of programs: for their owners, and for who may use others'. */

#include <errno.h>
#include <unistd.h>

#include "errors.h"
#include "ops.h"

#define TEST_RUN_TIMEOUT_SEC 20

typedef struct ProgramOp {
        uint32_t id;
        void (*go)(Request *request, const Program *program);
        bool opening;       /* what is given away can be attached anywhere */
        BusTestRunArgs run; /* borrows from the message */
        int fd;             /* owned */
} ProgramOp;

static void program_op_free(void *p)
{
        ProgramOp *op = p;

        if (op->fd >= 0)
                close(op->fd);
        g_free(op);
}

static void go_test_run(Request *request, const Program *program);

int program_open(Daemon *daemon, const Program *program)
{
        return program->load ? store_open_pin(daemon->store, BUS_PROGRAM, program->pub.id, 0)
                             : kern_program_open_id(program->pub.id);
}

static void go(Request *request)
{
        ProgramOp *op = request->op;
        const Program *program = registry_any_program(request->daemon->registry, op->id);

        if (!program) {
                request_fail(request, no_such_object(BUS_PROGRAM, op->id));
                return;
        }
        op->go(request, program);
}

/* It may load and attach other programs while it runs, which is more than any hook of its own. */
static void authorize_running(Request *request, const Program *program)
{
        g_autofree char *id = g_strdup_printf("%u", program->pub.id);
        g_autofree char *owner = g_strdup_printf("%u", program->pub.owner_uid);
        const AuthzDetail details[] = {
                {"type", program->pub.type},
                {"program", program->pub.name},
                {"program_id", id},
                {"owner", owner},
                {"digest", program->pub.source_digest},
                {0},
        };

        request_authorize(request, "org.bpfkeeper1.attach.syscall", details, go);
}

/*
 * Who has a program's descriptor needs no privilege to attach it to most kinds of hooks: the kernel
 * takes having it for being allowed to. So that is a question of its own, for owners too.
 */
static void authorize_opening(Request *request)
{
        ProgramOp *op = request->op;
        const Program *program = registry_any_program(request->daemon->registry, op->id);

        if (op->go == go_test_run && program && g_str_equal(program->pub.type, "syscall")) {
                authorize_running(request, program);
                return;
        }
        if (!op->opening || !program) {
                go(request);
                return;
        }
        request_authorize_others(request, "org.bpfkeeper1.open-program",
                                 &(Belonging){op->id, program->pub.name, program->pub.type,
                                              program->pub.owner_uid},
                                 go);
}

static void run(Request *request)
{
        const ProgramOp *op = request->op;

        request_authorize_use(request, op->id, authorize_opening);
}

static ProgramOp *program_op_new(uint32_t id, void (*go_on)(Request *, const Program *))
{
        ProgramOp *op = g_new0(ProgramOp, 1);

        op->id = id;
        op->go = go_on;
        op->fd = -1;
        return op;
}

static void start(void *service, sd_bus_message *m, ProgramOp *op)
{
        request_start(service, m, op, program_op_free, run);
}

static void answer_fd(Request *request, int fd, GError *error)
{
        int r;

        if (fd < 0) {
                request_fail(request, error);
                return;
        }
        r = bus_reply_fd(request->m, fd);
        close(fd);
        request_finish(request, r);
}

static void go_open_fd(Request *request, const Program *program)
{
        int fd = program_open(request->daemon, program);

        answer_fd(request, fd, fd < 0 ? no_such_object(BUS_PROGRAM, program->pub.id) : NULL);
}

void op_program_open_fd(void *service, sd_bus_message *m, uint32_t id)
{
        ProgramOp *op = program_op_new(id, go_open_fd);

        op->opening = true;
        start(service, m, op);
}

static void go_log(Request *request, const Program *program)
{
        int fd =
                program->load ? store_open_log(request->daemon->store, program->load->id) : -ENOENT;

        answer_fd(request, fd,
                  fd < 0 ? error_new(NO_LOG,
                                     "No log of program %u was kept; load it with a log_level.",
                                     program->pub.id)
                         : NULL);
}

void op_program_log(void *service, sd_bus_message *m, uint32_t id)
{
        start(service, m, program_op_new(id, go_log));
}

/* TestRun() */

static int fill_test_run(sd_bus_message *m, void *userdata)
{
        ProgramOp *op = ((Request *)userdata)->op;
        const BusTestRunArgs *a = &op->run;
        int r;

        r = sd_bus_message_append(m, "h", op->fd);
        if (r < 0)
                return r;
        r = sd_bus_message_append_array(m, 'y', a->data, a->data_size);
        if (r < 0)
                return r;
        r = sd_bus_message_append(m, "u", a->data_out_size);
        if (r < 0)
                return r;
        r = sd_bus_message_append_array(m, 'y', a->context, a->context_size);
        if (r < 0)
                return r;
        return sd_bus_message_append(m, "u", a->repeat);
}

static int answer_test_run(Request *request, sd_bus_message *reply)
{
        const ProgramOp *op = request->op;
        const void *data, *context;
        size_t size, context_size;
        sd_bus_message *answer = NULL;
        uint64_t duration;
        uint32_t retval;
        int r;

        r = sd_bus_message_read_basic(reply, 'u', &retval);
        if (r >= 0)
                r = sd_bus_message_read_array(reply, 'y', &data, &size);
        if (r >= 0)
                r = sd_bus_message_read_array(reply, 'y', &context, &context_size);
        if (r >= 0)
                r = sd_bus_message_read_basic(reply, 't', &duration);
        if (r >= 0)
                r = sd_bus_message_new_method_return(request->m, &answer);
        if (r >= 0)
                r = sd_bus_message_append_basic(answer, 'u', &retval);
        if (r >= 0)
                r = sd_bus_message_append_array(answer, 'y', data, size);
        if (r >= 0)
                r = sd_bus_message_open_container(answer, 'a', "{sv}");
        if (r >= 0)
                r = sd_bus_message_append(answer, "{sv}", "duration", "t", duration);
        if (r >= 0 && op->run.context_size > 0) {
                r = sd_bus_message_open_container(answer, 'e', "sv");
                if (r >= 0)
                        r = sd_bus_message_append_basic(answer, 's', "context");
                if (r >= 0)
                        r = sd_bus_message_open_container(answer, 'v', "ay");
                if (r >= 0)
                        r = sd_bus_message_append_array(answer, 'y', context, context_size);
                if (r >= 0)
                        r = sd_bus_message_close_container(answer);
                if (r >= 0)
                        r = sd_bus_message_close_container(answer);
        }
        if (r >= 0)
                r = sd_bus_message_close_container(answer);
        if (r >= 0)
                r = sd_bus_send(NULL, answer, NULL);
        sd_bus_message_unref(answer);
        return r;
}

static void on_test_run(sd_bus_message *reply, GError *error, void *userdata)
{
        Request *request = userdata;

        if (!error && answer_test_run(request, reply) < 0)
                error = error_new(WORKER_FAILED, "The worker's answer makes no sense.");
        if (error)
                request_fail(request, error);
        else
                request_done(request);
}

static void go_test_run(Request *request, const Program *program)
{
        ProgramOp *op = request->op;

        op->fd = program_open(request->daemon, program);
        if (op->fd < 0) {
                request_fail(request, no_such_object(BUS_PROGRAM, op->id));
                return;
        }
        worker_pool_call(request->daemon->workers, WORKER_ROLE_LOAD, request->uid, "TestRun",
                         TEST_RUN_TIMEOUT_SEC, fill_test_run, on_test_run, request,
                         request->cancellable);
}

void op_test_run(void *service, sd_bus_message *m, uint32_t id, const BusTestRunArgs *args)
{
        ProgramOp *op = program_op_new(id, go_test_run);

        op->run = *args;
        start(service, m, op);
}
