/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* bpfkeeper-worker: does for bpfkeeperd what parses a caller's bytes or may take its time. */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "worker-confine.h"
#include "worker-methods.h"

int worker_reply_new(sd_bus_message *m, const KernDiag *diag, sd_bus_message **ret)
{
        int r;

        r = sd_bus_message_new_method_return(m, ret);
        if (r < 0)
                return r;
        return sd_bus_message_append(*ret, "us", (uint32_t)(diag ? diag->error : KERN_ERROR_NONE),
                                     diag ? diag->message : "");
}

int worker_reply_send(sd_bus_message *reply)
{
        return sd_bus_send(NULL, reply, NULL);
}

void worker_diag_ensure(KernDiag *diag, int r)
{
        if (diag->error == KERN_ERROR_NONE)
                (void)kern_fail(diag, r, KERN_ERROR_FAILED, "%s.", strerror(-r));
}

int worker_reply_result(sd_bus_message *m, int result, KernDiag *diag, sd_bus_message **ret)
{
        if (result < 0)
                worker_diag_ensure(diag, result);
        return worker_reply_new(m, diag, ret);
}

int worker_answer(sd_bus_message *m, int result, KernDiag *diag)
{
        sd_bus_message *reply cleanup(worker_message_unref) = NULL;
        int r;

        r = worker_reply_result(m, result, diag, &reply);
        return r < 0 ? r : worker_reply_send(reply);
}

#define METHOD(name, in, out, handler) \
        SD_BUS_METHOD(name, in, out, handler, SD_BUS_VTABLE_UNPRIVILEGED)

static const sd_bus_vtable vtable[] = {
        SD_BUS_VTABLE_START(0),
        METHOD("Seal", WORKER_SEAL_IN, WORKER_SEAL_OUT, worker_method_seal),
        METHOD("Inspect", WORKER_INSPECT_IN, WORKER_INSPECT_OUT, worker_method_inspect),
        METHOD("Resolve", WORKER_RESOLVE_IN, WORKER_RESOLVE_OUT, worker_method_resolve),
        METHOD("ResolveMany", WORKER_RESOLVE_IN, WORKER_RESOLVE_MANY_OUT,
               worker_method_resolve_many),
        METHOD("ResolveUsdt", WORKER_RESOLVE_IN, WORKER_RESOLVE_USDT_OUT,
               worker_method_resolve_usdt),
        METHOD("CheckOffsets", WORKER_CHECK_OFFSETS_IN, WORKER_CHECK_OFFSETS_OUT,
               worker_method_check_offsets),
        METHOD("Load", WORKER_LOAD_IN, WORKER_LOAD_OUT, worker_method_load),
        METHOD("TestRun", WORKER_TEST_RUN_IN, WORKER_TEST_RUN_OUT, worker_method_test_run),
        METHOD("Attach", WORKER_ATTACH_IN, WORKER_ATTACH_OUT, worker_method_attach),
        METHOD("Detach", WORKER_DETACH_IN, WORKER_DETACH_OUT, worker_method_detach),
        METHOD("Join", WORKER_ATTACH_IN, WORKER_ATTACH_OUT, worker_method_join),
        METHOD("Leave", WORKER_DETACH_IN, WORKER_DETACH_OUT, worker_method_leave),
        METHOD("BeginTc", WORKER_BEGIN_TC_IN, WORKER_BEGIN_TC_OUT, worker_method_begin_tc),
        METHOD("Arrange", WORKER_ARRANGE_IN, WORKER_ARRANGE_OUT, worker_method_arrange),
        METHOD("Replace", WORKER_REPLACE_IN, WORKER_REPLACE_OUT, worker_method_replace),
        METHOD("MoveFilter", WORKER_MOVE_FILTER_IN, WORKER_MOVE_FILTER_OUT,
               worker_method_move_filter),
        METHOD("Move", WORKER_MOVE_IN, WORKER_MOVE_OUT, worker_method_move),
        METHOD("AttachBeside", WORKER_MOVE_IN, WORKER_MOVE_OUT, worker_method_attach_beside),
        METHOD("EndMove", WORKER_END_MOVE_IN, WORKER_END_MOVE_OUT, worker_method_end_move),
        METHOD("Look", WORKER_LOOK_IN, WORKER_LOOK_OUT, worker_method_look),
        METHOD("Probe", "", WORKER_PROBE_OUT, worker_method_probe),
        SD_BUS_VTABLE_END,
};

static int serve(sd_bus *bus)
{
        int r;

        for (;;) {
                r = sd_bus_process(bus, NULL);
                if (r < 0)
                        return r;
                if (r == 0) {
                        r = sd_bus_wait(bus, UINT64_MAX);
                        if (r < 0 && r != -EINTR)
                                return r;
                }
        }
}

static void bus_unref(sd_bus **bus)
{
        sd_bus_unref(*bus);
}

static int start(sd_bus **ret)
{
        sd_bus *bus cleanup(bus_unref) = NULL;
        sd_id128_t id;
        int r;

        r = sd_id128_randomize(&id);
        if (r < 0)
                return r;
        r = sd_bus_new(&bus);
        if (r < 0)
                return r;
        r = sd_bus_set_fd(bus, WORKER_FD, WORKER_FD);
        if (r < 0)
                return r;
        r = sd_bus_set_server(bus, 1, id);
        if (r < 0)
                return r;
        r = sd_bus_set_anonymous(bus, 1);
        if (r < 0)
                return r;
        r = sd_bus_negotiate_fds(bus, 1);
        if (r < 0)
                return r;
        r = sd_bus_add_object_vtable(bus, NULL, WORKER_PATH, WORKER_INTERFACE, vtable, NULL);
        if (r < 0)
                return r;
        r = sd_bus_start(bus);
        if (r < 0)
                return r;
        *ret = bus;
        bus = NULL;
        return 0;
}

int main(void)
{
        sd_bus *bus = NULL;
        int r;

        if (fcntl(WORKER_FD, F_SETFD, FD_CLOEXEC) < 0) {
                fprintf(stderr,
                        "bpfkeeper-worker is started by bpfkeeperd, with a socket as "
                        "descriptor %d.\n",
                        WORKER_FD);
                return EXIT_FAILURE;
        }
        r = worker_confine_start();
        if (r < 0) {
                fprintf(stderr, "bpfkeeper-worker can't give up privileges: %s\n", strerror(-r));
                return EXIT_FAILURE;
        }
        /* What libbpf finds out once a process is found out before anybody waits for it. Where that
         * fails, the first load does it. */
        (void)kern_object_warm_up();
        r = start(&bus);
        if (r < 0) {
                fprintf(stderr, "bpfkeeper-worker can't talk to bpfkeeperd: %s\n", strerror(-r));
                return EXIT_FAILURE;
        }
        /* The daemon's end of the socket is this process's reason to be. */
        (void)serve(bus);
        _exit(EXIT_SUCCESS);
}
