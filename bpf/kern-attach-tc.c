/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <net/if.h>
#include <string.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "kern-attach-internal.h"
#include "kern-change.h"
#include "kern-info.h"

/* libbpf wants the structure's padding zeroed as well, which no initializer promises. */
static struct bpf_tc_hook *fill_tc_hook(const KernHook *hook, struct bpf_tc_hook *tc)
{
        memset(tc, 0, sizeof(*tc));
        tc->sz = sizeof(*tc);
        tc->ifindex = (int)hook->ifindex;
        tc->attach_point =
                hook->direction == KERN_DIRECTION_EGRESS ? BPF_TC_EGRESS : BPF_TC_INGRESS;
        return tc;
}

int kern_attach_tc(int prog_fd, const KernHook *hook, KernAttachment *attachment, KernDiag *diag)
{
        KERN_AUTO_CAPTURE KernCapture capture;
        struct bpf_tc_hook storage, *tc = fill_tc_hook(hook, &storage);
        /* each has a handle of its own, so that several programs can have one priority */
        LIBBPF_OPTS(bpf_tc_opts, opts, .prog_fd = prog_fd, .handle = hook->tc_handle,
                    .priority = hook->priority);
        char buffer[IF_NAMESIZE], last[256];
        const char *name = kern_interface_name(hook->ifindex, buffer);
        int r;

        if (!name)
                return kern_no_such_interface(hook->ifindex, diag);

        kern_capture_begin(&capture);
        r = bpf_tc_hook_create(tc);
        if (r < 0 && r != -EEXIST) {
                if (kern_interface_is_gone(hook->ifindex))
                        return kern_no_such_interface(hook->ifindex, diag);
                if (r == -ENOENT || r == -EOPNOTSUPP)
                        return kern_fail(diag, r, KERN_ERROR_NOT_SUPPORTED,
                                         "This kernel has no clsact queueing discipline "
                                         "(CONFIG_NET_SCH_INGRESS)");
                return kern_fail(diag, r, KERN_ERROR_FAILED,
                                 "Can't make a clsact queueing discipline on interface %s: %s",
                                 name, strerror(-r));
        }

        r = bpf_tc_attach(tc, &opts);
        if (r >= 0) {
                attachment->tc_handle = opts.handle;
                attachment->tc_priority = opts.priority;
                return 0;
        }

        if (kern_interface_is_gone(hook->ifindex))
                return kern_no_such_interface(hook->ifindex, diag);

        /* The discipline stays even if it is new: somebody else may have put a filter on it by now. */
        kern_capture_last(&capture, last, sizeof(last));
        switch (-r) {
        case EEXIST:
                return kern_fail(diag, r, KERN_ERROR_HOOK_BUSY,
                                 "Somebody else's filter on %s of interface %s has handle %#x at "
                                 "priority %u; attach again, or at another priority",
                                 kern_direction_to_string(hook->direction), name, hook->tc_handle,
                                 hook->priority);
        case EINVAL:
                return kern_fail(
                        diag, r, KERN_ERROR_HOOK_BUSY,
                        "Interface %s takes no program on %s at priority %u: a filter of "
                        "another kind has that priority, or the interface has an ingress "
                        "instead of a clsact queueing discipline; try another priority%s%s",
                        name, kern_direction_to_string(hook->direction), hook->priority,
                        last[0] ? "; the kernel says: " : "", last);
        case ENOENT:
                return kern_fail(diag, r, KERN_ERROR_NOT_SUPPORTED,
                                 "This kernel has no BPF classifier (CONFIG_NET_CLS_BPF)");
        default:
                return kern_fail(diag, r, KERN_ERROR_FAILED,
                                 "Can't attach the program to %s of interface %s: %s",
                                 kern_direction_to_string(hook->direction), name, strerror(-r));
        }
}

int kern_tc_filter(const KernHook *hook, uint32_t handle, uint32_t priority, uint32_t *ret_prog_id)
{
        KERN_AUTO_CAPTURE KernCapture capture;
        struct bpf_tc_hook storage, *tc = fill_tc_hook(hook, &storage);
        LIBBPF_OPTS(bpf_tc_opts, opts, .handle = handle, .priority = priority);
        char buffer[IF_NAMESIZE];
        int r;

        if (!kern_interface_name(hook->ifindex, buffer))
                return 0;
        kern_capture_begin(&capture);
        r = bpf_tc_query(tc, &opts);
        /* EINVAL: the queueing discipline is gone */
        if (r == -ENOENT || r == -ENODEV || r == -EINVAL)
                return 0;
        if (r < 0)
                return r;
        *ret_prog_id = opts.prog_id;
        return 1;
}

/* 1: the filter is there and has our program; 0: it is gone, or somebody else's. */
int kern_is_attached_tc(uint32_t prog_id, const KernHook *hook, const KernAttachment *attachment)
{
        uint32_t id = 0;
        int r = kern_tc_filter(hook, attachment->tc_handle, attachment->tc_priority, &id);

        return r > 0 ? id == prog_id : r;
}

static int detach_filter(uint32_t prog_id, const KernHook *hook, const KernAttachment *attachment,
                         KernDiag *diag)
{
        KERN_AUTO_CAPTURE KernCapture capture;
        struct bpf_tc_hook storage, *tc = fill_tc_hook(hook, &storage);
        LIBBPF_OPTS(bpf_tc_opts, opts, .handle = attachment->tc_handle,
                    .priority = attachment->tc_priority);
        int r;

        /* The kernel has no "remove if it is this program": the filter could change hands in between. */
        r = kern_is_attached_tc(prog_id, hook, attachment);
        if (r > 0) {
                kern_capture_begin(&capture);
                r = bpf_tc_detach(tc, &opts);
        }
        if (r < 0 && r != -ENOENT && r != -ENODEV)
                return kern_fail(diag, r, KERN_ERROR_FAILED,
                                 "Can't detach program %u from %s of interface %u: %s", prog_id,
                                 kern_direction_to_string(hook->direction), hook->ifindex,
                                 strerror(-r));
        return 0;
}

static int detach_old(uint32_t prog_id, const KernHook *hook, const KernAttachment *attachment,
                      KernDiag *diag)
{
        const KernAttachment old = {.tc_handle = attachment->tc_handle,
                                    .tc_priority = attachment->tc_old_priority};

        return attachment->tc_old_priority != 0 ? detach_filter(prog_id, hook, &old, diag) : 0;
}

int kern_detach_tc(uint32_t prog_id, const KernHook *hook, const KernAttachment *attachment,
                   KernDiag *diag)
{
        int r = detach_old(prog_id, hook, attachment, diag);

        return r < 0 ? r : detach_filter(prog_id, hook, attachment, diag);
}

/* A filter's priority is part of its name: the kernel moves none. */
int kern_move_tc(int prog_fd, const KernHook *hook, const KernAttachment *attachment,
                 KernDiag *diag)
{
        KernAttachment new = KERN_ATTACHMENT_INIT;
        KernProgramInfo info;
        bool made;
        int r;

        r = kern_program_info(prog_fd, &info);
        if (r < 0)
                return r;
        r = kern_is_attached_tc(info.id, hook, attachment);
        made = r == 0;
        if (made)
                r = kern_attach_tc(prog_fd, hook, &new, diag);
        if (r < 0)
                return r;
        r = detach_old(info.id, hook, attachment, diag);
        if (r < 0 && made)
                (void)detach_filter(info.id, hook, &new, NULL);
        return r;
}

int kern_replace_tc(int prog_fd, uint32_t old_id, const KernHook *hook,
                    const KernAttachment *attachment, KernDiag *diag)
{
        KERN_AUTO_CAPTURE KernCapture capture;
        struct bpf_tc_hook storage, *tc = fill_tc_hook(hook, &storage);
        LIBBPF_OPTS(bpf_tc_opts, opts, .prog_fd = prog_fd, .handle = attachment->tc_handle,
                    .priority = attachment->tc_priority, .flags = BPF_TC_F_REPLACE);
        int r;

        /* As with detaching, the kernel replaces whatever is there. */
        r = kern_is_attached_tc(old_id, hook, attachment);
        if (r == 0)
                r = -ENOENT;
        if (r > 0) {
                kern_capture_begin(&capture);
                r = bpf_tc_attach(tc, &opts);
        }
        return r >= 0 ? 0
                      : kern_fail(diag, r, KERN_ERROR_FAILED,
                                  "Can't put the program in the other one's place on %s of "
                                  "interface %u: %s",
                                  kern_direction_to_string(hook->direction), hook->ifindex,
                                  strerror(-r));
}
