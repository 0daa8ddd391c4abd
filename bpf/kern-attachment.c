/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Apart from kern-attach.c, so that the daemon, which needs this much, is not linked with libxdp. */

#include <errno.h>
#include <string.h>

#include "kern-action.h"
#include "kern-attach-internal.h"
#include "kern-change.h"
#include "kern-compat.h"
#include "kern-holder.h"
#include "kern-info.h"
#include "kern-tc.h"
#include "kern-xdp.h"

int kern_attachment_add(KernAttachment *attachment, int link_fd, KernDiag *diag)
{
        KERN_AUTO_CLOSE int fd = link_fd;
        int *fds;

        if (attachment->n_links >= KERN_LINKS_MAX)
                return kern_fail(diag, -E2BIG, KERN_ERROR_LIMIT_EXCEEDED,
                                 "The attachment would take more than %d links", KERN_LINKS_MAX);
        fds = realloc(attachment->link_fds, (attachment->n_links + 1) * sizeof(*fds));
        if (!fds)
                return kern_fail(diag, -ENOMEM, KERN_ERROR_LIMIT_EXCEEDED, "Out of memory");
        fds[attachment->n_links++] = kern_take_fd(&fd);
        attachment->link_fds = fds;
        return 0;
}

int kern_cant_attach(int r, const KernHook *hook, KernDiag *diag)
{
        return kern_fail(diag, -EOPNOTSUPP, KERN_ERROR_NOT_SUPPORTED,
                         "This kernel doesn't attach %s programs (%s); they need %s",
                         hook->type->name, strerror(-r), hook->type->needs);
}

void kern_attachment_done(KernAttachment *attachment)
{
        if (!attachment)
                return;
        for (size_t i = 0; i < attachment->n_links; i++)
                kern_closep(&attachment->link_fds[i]);
        free(attachment->link_fds);
        *attachment = KERN_ATTACHMENT_INIT;
}

int kern_is_attached(uint32_t prog_id, const KernHook *hook, const KernAttachment *attachment)
{
        KernLinkInfo info;

        if (attachment->xdp_member != 0)
                return kern_xdp_is_member(hook->ifindex, attachment->xdp_member);
        if (attachment->tc_slot != 0)
                return kern_tc_chain_is_there(hook, attachment->tc_handle,
                                              attachment->tc_dispatcher);
        if (strcmp(hook->type->name, "tc") == 0)
                return kern_is_attached_tc(prog_id, hook, attachment);
        if (kern_is_action(hook->type))
                return kern_action_has(prog_id, hook, attachment);
        if (kern_holder(hook) != KERN_HOLDER_NONE)
                return kern_holder_has(prog_id, hook);
        if (attachment->n_links == 0 || kern_link_info(attachment->link_fds[0], &info) < 0)
                return 0;
        return kern_link_is_alive(&info);
}

KernSuccession kern_succession(const KernType *type)
{
        switch ((int)type->prog_type) {
        case BPF_PROG_TYPE_KPROBE:
        case BPF_PROG_TYPE_TRACEPOINT:
        case BPF_PROG_TYPE_PERF_EVENT:
        case BPF_PROG_TYPE_RAW_TRACEPOINT:
        case BPF_PROG_TYPE_RAW_TRACEPOINT_WRITABLE:
                return KERN_SUCCESSION_BESIDE;
        case BPF_PROG_TYPE_TRACING:
                return type->attach_type == BPF_TRACE_ITER ? KERN_SUCCESSION_IN_PLACE
                                                           : KERN_SUCCESSION_BESIDE;
        case BPF_PROG_TYPE_LSM:
                return type->attach_type == BPF_LSM_CGROUP ? KERN_SUCCESSION_IN_PLACE
                                                           : KERN_SUCCESSION_BESIDE;
        case KERN_BPF_PROG_TYPE_NETFILTER:
                return KERN_SUCCESSION_IN_TURNS;
        case BPF_PROG_TYPE_EXT:
        case BPF_PROG_TYPE_LIRC_MODE2:
                return KERN_SUCCESSION_NEVER;
        default:
                return KERN_SUCCESSION_IN_PLACE;
        }
}
