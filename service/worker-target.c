/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What a worker finds in the targets of probes, files of a caller's choice. */

#include "kern-attach.h"
#include "kern-usdt.h"
#include "worker-confine.h"
#include "worker-methods.h"

/* Finds @what in the file, and appends what was found, or nothing yet, to the answer. */
typedef int (*Find)(int fd, const char *what, void *found, KernDiag *diag);
typedef int (*Append)(sd_bus_message *reply, const void *found);

static int resolve(sd_bus_message *m, Find find, Append append, void *found)
{
        sd_bus_message *reply cleanup(worker_message_unref) = NULL;
        KernDiag diag cleanup(worker_diag_done) = {0};
        const char *what;
        int fd, r;

        r = worker_confine_enter(WORKER_ROLE_INSPECT);
        if (r < 0)
                return r;
        r = sd_bus_message_read(m, WORKER_RESOLVE_IN, &fd, &what);
        if (r < 0)
                return r;
        r = find(fd, what, found, &diag);
        r = worker_reply_result(m, r, &diag, &reply);
        if (r < 0)
                return r;
        r = append(reply, found);
        return r < 0 ? r : worker_reply_send(reply);
}

static int find_symbol(int fd, const char *symbol, void *offset, KernDiag *diag)
{
        return kern_symbol_resolve(fd, symbol, offset, diag);
}

static int append_offset(sd_bus_message *reply, const void *offset)
{
        return sd_bus_message_append_basic(reply, 't', offset);
}

int worker_method_resolve(sd_bus_message *m, void *userdata, sd_bus_error *reterr)
{
        uint64_t offset = 0;

        (void)userdata, (void)reterr;
        return resolve(m, find_symbol, append_offset, &offset);
}

static int find_symbols(int fd, const char *functions, void *places, KernDiag *diag)
{
        return kern_symbols_resolve(fd, functions, places, diag);
}

static int append_places(sd_bus_message *reply, const void *found)
{
        const KernPlaces *places = found;
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
        KernPlaces places cleanup(kern_places_done) = {0};

        (void)userdata, (void)reterr;
        return resolve(m, find_symbols, append_places, &places);
}

static int find_probe(int fd, const char *name, void *probe, KernDiag *diag)
{
        return kern_usdt_resolve(fd, name, probe, diag);
}

static int append_probe(sd_bus_message *reply, const void *found)
{
        const KernUsdtProbe *probe = found;
        int r;

        r = sd_bus_message_append_array(reply, 't', probe->sites,
                                        probe->n_sites * sizeof(*probe->sites));
        return r < 0 ? r
                     : sd_bus_message_append_array(reply, 't', probe->specs,
                                                   probe->n_specs * sizeof(*probe->specs));
}

int worker_method_resolve_usdt(sd_bus_message *m, void *userdata, sd_bus_error *reterr)
{
        KernUsdtProbe probe cleanup(kern_usdt_probe_done) = {0};

        (void)userdata, (void)reterr;
        return resolve(m, find_probe, append_probe, &probe);
}

int worker_method_check_offsets(sd_bus_message *m, void *userdata, sd_bus_error *reterr)
{
        sd_bus_message *reply cleanup(worker_message_unref) = NULL;
        KernDiag diag cleanup(worker_diag_done) = {0};
        const void *offsets;
        size_t size;
        int fd, r;

        (void)userdata, (void)reterr;
        r = worker_confine_enter(WORKER_ROLE_INSPECT);
        if (r < 0)
                return r;
        r = sd_bus_message_read_basic(m, 'h', &fd);
        if (r >= 0)
                r = sd_bus_message_read_array(m, 't', &offsets, &size);
        if (r < 0)
                return r;
        r = kern_offsets_check(fd, offsets, size / sizeof(uint64_t), &diag);
        r = worker_reply_result(m, r, &diag, &reply);
        return r < 0 ? r : worker_reply_send(reply);
}
