/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What a worker finds in the targets of probes, files of a caller's choice. */

#include "kern-attach.h"
#include "kern-usdt.h"
#include "worker-confine.h"
#include "worker-methods.h"

int worker_method_resolve(sd_bus_message *m, void *userdata, sd_bus_error *reterr)
{
        sd_bus_message *reply cleanup(worker_message_unref) = NULL;
        KernDiag diag cleanup(worker_diag_done) = {0};
        uint64_t offset = 0;
        const char *symbol;
        int fd, r;

        (void)userdata, (void)reterr;
        r = worker_confine_enter(WORKER_ROLE_INSPECT);
        if (r < 0)
                return r;
        r = sd_bus_message_read(m, WORKER_RESOLVE_IN, &fd, &symbol);
        if (r < 0)
                return r;
        r = kern_symbol_resolve(fd, symbol, &offset, &diag);
        r = worker_reply_result(m, r, &diag, &reply);
        if (r < 0)
                return r;
        r = sd_bus_message_append_basic(reply, 't', &offset);
        if (r < 0)
                return r;
        return worker_reply_send(reply);
}

static int append_places(sd_bus_message *reply, const KernPlaces *places)
{
        int r;

        r = sd_bus_message_open_container(reply, 'a', "t");
        for (size_t i = 0; r >= 0 && i < places->n; i++)
                r = sd_bus_message_append_basic(reply, 't', &places->list[i].offset);
        if (r >= 0)
                r = sd_bus_message_close_container(reply);
        if (r >= 0)
                r = sd_bus_message_open_container(reply, 'a', "u");
        for (size_t i = 0; r >= 0 && i < places->n; i++)
                r = sd_bus_message_append_basic(reply, 'u', &places->list[i].wish);
        return r < 0 ? r : sd_bus_message_close_container(reply);
}

int worker_method_resolve_many(sd_bus_message *m, void *userdata, sd_bus_error *reterr)
{
        sd_bus_message *reply cleanup(worker_message_unref) = NULL;
        KernDiag diag cleanup(worker_diag_done) = {0};
        KernPlaces places cleanup(kern_places_done) = {0};
        const char *functions;
        int fd, r;

        (void)userdata, (void)reterr;
        r = worker_confine_enter(WORKER_ROLE_INSPECT);
        if (r < 0)
                return r;
        r = sd_bus_message_read(m, WORKER_RESOLVE_MANY_IN, &fd, &functions);
        if (r < 0)
                return r;
        r = kern_symbols_resolve(fd, functions, &places, &diag);
        r = worker_reply_result(m, r, &diag, &reply);
        if (r < 0)
                return r;
        r = append_places(reply, &places);
        if (r < 0)
                return r;
        return worker_reply_send(reply);
}

int worker_method_resolve_usdt(sd_bus_message *m, void *userdata, sd_bus_error *reterr)
{
        sd_bus_message *reply cleanup(worker_message_unref) = NULL;
        KernDiag diag cleanup(worker_diag_done) = {0};
        KernUsdtProbe found cleanup(kern_usdt_probe_done) = {0};
        const char *probe;
        int fd, r;

        (void)userdata, (void)reterr;
        r = worker_confine_enter(WORKER_ROLE_INSPECT);
        if (r < 0)
                return r;
        r = sd_bus_message_read(m, WORKER_RESOLVE_USDT_IN, &fd, &probe);
        if (r < 0)
                return r;
        r = kern_usdt_resolve(fd, probe, &found, &diag);
        r = worker_reply_result(m, r, &diag, &reply);
        if (r < 0)
                return r;
        r = sd_bus_message_append_array(reply, 't', found.sites,
                                        found.n_sites * sizeof(*found.sites));
        if (r < 0)
                return r;
        r = sd_bus_message_append_array(reply, 't', found.specs,
                                        found.n_specs * sizeof(*found.specs));
        if (r < 0)
                return r;
        return worker_reply_send(reply);
}
