/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdlib.h>
#include <unistd.h>

#include "kern-object.h"
#include "worker-protocol.h"

/* The worker's methods (see worker-protocol.h), and what they share. */

int worker_method_seal(sd_bus_message *m, void *userdata, sd_bus_error *reterr);
int worker_method_inspect(sd_bus_message *m, void *userdata, sd_bus_error *reterr);
int worker_method_resolve_usdt(sd_bus_message *m, void *userdata, sd_bus_error *reterr);
int worker_method_check_offsets(sd_bus_message *m, void *userdata, sd_bus_error *reterr);
int worker_method_resolve_many(sd_bus_message *m, void *userdata, sd_bus_error *reterr);
int worker_method_resolve(sd_bus_message *m, void *userdata, sd_bus_error *reterr);
int worker_method_load(sd_bus_message *m, void *userdata, sd_bus_error *reterr);
int worker_method_test_run(sd_bus_message *m, void *userdata, sd_bus_error *reterr);
int worker_method_attach(sd_bus_message *m, void *userdata, sd_bus_error *reterr);
int worker_method_detach(sd_bus_message *m, void *userdata, sd_bus_error *reterr);
int worker_method_join(sd_bus_message *m, void *userdata, sd_bus_error *reterr);
int worker_method_leave(sd_bus_message *m, void *userdata, sd_bus_error *reterr);
int worker_method_begin_tc(sd_bus_message *m, void *userdata, sd_bus_error *reterr);
int worker_method_arrange(sd_bus_message *m, void *userdata, sd_bus_error *reterr);
int worker_method_replace(sd_bus_message *m, void *userdata, sd_bus_error *reterr);
int worker_method_move_filter(sd_bus_message *m, void *userdata, sd_bus_error *reterr);
int worker_method_move(sd_bus_message *m, void *userdata, sd_bus_error *reterr);
int worker_method_attach_beside(sd_bus_message *m, void *userdata, sd_bus_error *reterr);
int worker_method_end_move(sd_bus_message *m, void *userdata, sd_bus_error *reterr);
int worker_method_look(sd_bus_message *m, void *userdata, sd_bus_error *reterr);
int worker_method_probe(sd_bus_message *m, void *userdata, sd_bus_error *reterr);

/* worker_confine_enter() for a role that goes to other network namespaces, and has to come back. */
int worker_enter_role(WorkerRole role);

/*
 * The network namespace that a hook is in; -1: the service's own, which the process is in. A process that
 * can't go back ends, and serves nobody else.
 */
int worker_netns_home(void);
int worker_netns_enter(int fd, KernDiag *diag);
void worker_netns_leave(int fd);

/* Begins an answer; the rest of it is appended by the caller. */
int worker_reply_new(sd_bus_message *m, const KernDiag *diag, sd_bus_message **ret);
int worker_reply_send(sd_bus_message *reply);

/* The same, of what ended with @result: a failure always has a kind, even where bpf/ gave only an errno. */
int worker_reply_result(sd_bus_message *m, int result, KernDiag *diag, sd_bus_message **ret);

/* The whole answer of a method that gives nothing but how it ended. */
int worker_answer(sd_bus_message *m, int result, KernDiag *diag);

/* A failure always has a kind, even where bpf/ gave only an errno. */
void worker_diag_ensure(KernDiag *diag, int r);

/* For __attribute__((cleanup)) */
static inline void worker_message_unref(sd_bus_message **m)
{
        sd_bus_message_unref(*m);
}

static inline void worker_diag_done(KernDiag *diag)
{
        kern_diag_clear(diag);
}

static inline void worker_object_done(KernObject **object)
{
        kern_object_free(*object);
}

static inline void worker_outline_done(KernOutline **outline)
{
        kern_outline_free(*outline);
}

static inline void worker_close_fd(int *fd)
{
        if (*fd >= 0)
                close(*fd);
}

static inline void worker_free_memory(void *p)
{
        free(*(void **)p);
}

#define cleanup(f) __attribute__((cleanup(f)))
