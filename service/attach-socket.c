/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Sockets: the caller's, who gets no link. The socket holds the program itself, and can't be asked for it; a
 * descriptor of it, kept to take the program off again, would keep a connection from ending.
 */

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "attach-op.h"
#include "audit.h"
#include "descriptor.h"
#include "errors.h"

/* Setting an option waits for whoever is using the socket. */
#define SOCKET_TIMEOUT_SEC 20

static GError *no_socket(int fd, int r)
{
        if (r == -EBADF)
                return error_new(INVALID_ARGUMENT,
                                 "The descriptor of option 'socket' was opened with O_PATH, which "
                                 "gives no access to a socket.");
        return error_new(INVALID_ARGUMENT,
                         "The descriptor of option 'socket' is of %s, and no socket.",
                         descriptor_kind(fd));
}

GError *attach_hook_set_socket(AttachOp *op, uid_t uid, KernParam param, const BusValue *value)
{
        char *text = NULL;
        GError *error;
        int fd, r;

        (void)uid;
        if (g_str_equal(value->type, "s"))
                return error_new(INVALID_ARGUMENT,
                                 "The socket is given as '%s'; pass option 'socket' as a "
                                 "descriptor of it (D-Bus type 'h').",
                                 value->s);
        fd = fcntl(value->h, F_DUPFD_CLOEXEC, 3);
        if (fd < 0)
                return error_from_errno(-errno, "keep the socket's descriptor");
        r = descriptor_socket(fd, &text);
        /* The message's becomes one of something else: whoever closes a socket last may have to wait. */
        if (r >= 0 && dup3(STDIN_FILENO, value->h, O_CLOEXEC) >= 0) {
                attach_hook_use_file(op, param, fd, text);
                return NULL;
        }
        error = r < 0 ? no_socket(fd, r) : error_from_errno(-errno, "take the socket");
        g_free(text);
        close(fd);
        return error;
}

static int fill(sd_bus_message *m, void *userdata)
{
        Request *request = userdata;
        AttachOp *op = request->op;
        const Program *program = registry_program(request->daemon->registry, op->program_id);
        int r;

        if (!program || program->unloading)
                return -ENOENT;
        /* Nobody could take it off again afterwards. */
        if (request_is_cancelled(request))
                return -ECANCELED;
        r = attach_append_hook(m, request, program);
        if (r < 0)
                return r;
        r = sd_bus_message_append(m, "ahuahahah", 0, 0, 0, 0, 0);
        if (r < 0)
                return r;
        op->is_with_worker = true;
        descriptor_close(op->files[KERN_PARAM_SOCKET]);
        op->files[KERN_PARAM_SOCKET] = op->hook.socket_fd = op->probe.socket_fd = -1;
        return 0;
}

/* No signal takes a worker away from a socket's lock: once it has that, it sets the option, and ends. */
static GError *say_what_it_was(const AttachOp *op, const sd_bus_message *reply, GError *error)
{
        if (!op->is_with_worker || reply)
                return error;
        if (!g_error_matches(error, BPFKEEPER_ERROR, BPFKEEPER_ERROR_TIMED_OUT)) {
                g_prefix_error(&error, "The %s may have the program all the same: ",
                               op->texts[KERN_PARAM_SOCKET]);
                return error;
        }
        g_error_free(error);
        return error_new(TIMED_OUT,
                         "Somebody has been using the %s for %d seconds, while nothing can be set "
                         "of it; it may get the program yet, once they are done.",
                         op->texts[KERN_PARAM_SOCKET], SOCKET_TIMEOUT_SEC);
}

static void on_attached(sd_bus_message *reply, GError *error, void *userdata)
{
        Request *request = userdata;
        const AttachOp *op = request->op;
        const Program *program = registry_any_program(request->daemon->registry, op->program_id);

        if (error) {
                request_fail(request, say_what_it_was(op, reply, error));
                return;
        }
        audit_done(request, BUS_PROGRAM, op->program_id,
                   "attached %s (%s), program %u, to the %s, which holds it",
                   program ? program->pub.name : "a program", op->hook.type->name, op->program_id,
                   op->texts[KERN_PARAM_SOCKET]);
        request_finish(request, bus_reply_no_path(request->m));
}

void attach_to_socket(Request *request)
{
        Daemon *daemon = request->daemon;

        if (daemon->stopping) {
                request_fail(request, error_new(WORKER_FAILED, "The service is stopping."));
                return;
        }
        worker_pool_call(daemon->workers, WORKER_ROLE_ATTACH, request->uid, "Attach",
                         SOCKET_TIMEOUT_SEC, fill, on_attached, request, NULL);
}
