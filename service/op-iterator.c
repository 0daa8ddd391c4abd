/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* OpenIterator(): what an iter program writes, for the link's owner and who may use others'. */

#include <unistd.h>

#include "errors.h"
#include "ops.h"

typedef struct IteratorOp {
        uint32_t id;
} IteratorOp;

static void open_allowed(Request *request)
{
        Daemon *daemon = request->daemon;
        uint32_t id = ((IteratorOp *)request->op)->id;
        const Link *link = registry_link(daemon->registry, id);
        int fd, iterator;

        fd = link && link->state == LINK_ATTACHED ? store_open_pin(daemon->store, BUS_LINK, id, 0)
                                                  : -1;
        if (fd < 0) {
                request_fail(request, no_such_object(BUS_LINK, id));
                return;
        }
        iterator = kern_iterator_open(fd);
        close(fd);
        if (iterator < 0) {
                request_fail(request, error_from_errno(iterator, "open the iterator"));
                return;
        }
        request_finish(request, bus_reply_fd(request->m, iterator));
        close(iterator);
}

static void run(Request *request)
{
        uint32_t id = ((IteratorOp *)request->op)->id;
        const Link *link = registry_link(request->daemon->registry, id);

        if (!link) {
                request_fail(request, no_such_object(BUS_LINK, id));
                return;
        }
        if (!g_str_equal(link->pub.type, "iter")) {
                request_fail(request, error_new(NOT_SUPPORTED,
                                                "Link %u is of a %s program; only links of iter "
                                                "programs can be read.",
                                                id, link->pub.type));
                return;
        }
        if (link->pub.owner_uid == request->uid) {
                open_allowed(request);
                return;
        }
        request_authorize_others(request, "org.bpfkeeper1.use-others",
                                 &(Belonging){id, link->pub.program_name, link->pub.type,
                                              link->pub.owner_uid},
                                 open_allowed);
}

void op_open_iterator(void *service, sd_bus_message *m, uint32_t id)
{
        IteratorOp *op = g_new(IteratorOp, 1);

        op->id = id;
        request_start(service, m, op, g_free, run);
}
