/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <poll.h>
#include <string.h>

#include <bpf/bpf.h>

#include "kern-action.h"
#include "kern-attach-internal.h"
#include "kern-cgroup.h"
#include "kern-holder.h"
#include "kern-lirc.h"
#include "kern-map-entry.h"
#include "kern-route.h"
#include "kern-tc.h"
#include "kern-xdp-internal.h"

static const struct {
        const char *type;
        KernAttachFunc func;
} functions[] = {
        {"xdp", kern_attach_xdp},
        {"tc", kern_attach_tc},
        {"tcx", kern_attach_tcx},
        {"netkit", kern_attach_tcx},
        {"cgroup_skb", kern_attach_cgroup},
        {"cgroup_sock", kern_attach_cgroup},
        {"cgroup_sock_addr", kern_attach_cgroup},
        {"cgroup_sockopt", kern_attach_cgroup},
        {"cgroup_sysctl", kern_attach_cgroup},
        {"cgroup_device", kern_attach_cgroup},
        {"sock_ops", kern_attach_cgroup},
        {"sk_msg", kern_attach_sockmap},
        {"sk_skb", kern_attach_sockmap},
        {"netfilter", kern_attach_netfilter},
        {"struct_ops", kern_attach_struct_ops},
        {"sk_lookup", kern_attach_netns},
        {"flow_dissector", kern_attach_netns},
        {"tracepoint", kern_attach_tracepoint},
        {"raw_tracepoint", kern_attach_raw_tracepoint},
        {"raw_tracepoint_writable", kern_attach_raw_tracepoint},
        {"tp_btf", kern_attach_btf},
        {"fentry", kern_attach_btf},
        {"fexit", kern_attach_btf},
        {"fmod_ret", kern_attach_btf},
        {"iter", kern_attach_iter},
        {"lsm", kern_attach_btf},
        {"lsm_cgroup", kern_attach_lsm_cgroup},
        {"freplace", kern_attach_freplace},
        {"kprobe", kern_attach_kprobe},
        {"kretprobe", kern_attach_kprobe},
        {"ksyscall", kern_attach_ksyscall},
        {"kretsyscall", kern_attach_ksyscall},
        {"kprobe_multi", kern_attach_kprobe_multi},
        {"kretprobe_multi", kern_attach_kprobe_multi},
        {"uprobe", kern_attach_uprobe},
        {"uretprobe", kern_attach_uprobe},
        {"uprobe_multi", kern_attach_uprobe_multi},
        {"uretprobe_multi", kern_attach_uprobe_multi},
        {"usdt", kern_attach_usdt},
        {"perf_event", kern_attach_perf_event},
        {"lirc_mode2", kern_attach_lirc},
        {"xdp_devmap", kern_attach_map_entry},
        {"xdp_cpumap", kern_attach_map_entry},
        {"tc_action", kern_attach_action},
        {"lwt_in", kern_attach_route},
        {"lwt_out", kern_attach_route},
        {"lwt_xmit", kern_attach_route},
        {"lwt_seg6local", kern_attach_route},
        {"socket_filter", kern_attach_socket},
        {"sk_reuseport", kern_attach_socket},
};

KernAttachFunc kern_attach_func(const KernType *type)
{
        for (size_t i = 0; i < KERN_ELEMENTSOF(functions); i++)
                if (strcmp(functions[i].type, type->name) == 0)
                        return functions[i].func;
        return NULL;
}

static bool is_tc(const KernType *type)
{
        return kern_attach_func(type) == kern_attach_tc;
}

int kern_check_process(const KernHook *hook, KernDiag *diag)
{
        struct pollfd p = {.fd = hook->pid_fd, .events = POLLIN};

        if (hook->pid_fd < 0 || poll(&p, 1, 0) == 0)
                return 0;
        return kern_fail(diag, -ESRCH, KERN_ERROR_NO_SUCH_PROCESS, "Process %d has ended",
                         hook->pid);
}

int kern_attach(int prog_fd, const KernHook *hook, KernAttachment *ret, KernDiag *reterr_diag)
{
        __attribute__((cleanup(kern_attachment_done))) KernAttachment attachment =
                KERN_ATTACHMENT_INIT;
        KernAttachFunc attach = kern_attach_func(hook->type);
        int r;

        r = kern_hook_check(hook, reterr_diag);
        if (r >= 0 && !attach)
                return kern_fail(reterr_diag, -EOPNOTSUPP, KERN_ERROR_NOT_SUPPORTED,
                                 "%s programs can't be attached", hook->type->name);
        if (r >= 0)
                r = attach(prog_fd, hook, &attachment, reterr_diag);
        /* As long as it lived nobody else had its number. */
        if (r >= 0)
                r = kern_check_process(hook, reterr_diag);
        if (r < 0)
                return r;

        *ret = attachment;
        attachment = KERN_ATTACHMENT_INIT;
        return 0;
}

static int (*const take_off[_KERN_HOLDER_MAX])(uint32_t prog_id, const KernHook *hook,
                                               KernDiag *diag) = {
        [KERN_HOLDER_CGROUP] = kern_cgroup_detach,
        [KERN_HOLDER_DEVICE] = kern_lirc_detach,
        [KERN_HOLDER_MAP_ENTRY] = kern_map_entry_detach,
        [KERN_HOLDER_ROUTE] = kern_route_detach,
};

int kern_detach(int prog_fd, uint32_t prog_id, const KernHook *hook, KernAttachment *attachment,
                KernDiag *reterr_diag)
{
        (void)prog_fd;

        if (attachment->xdp_member != 0)
                return kern_xdp_leave(hook->ifindex, attachment->xdp_member, reterr_diag);
        if (attachment->tc_slot != 0)
                return kern_tc_chain_end(hook, attachment->tc_handle, reterr_diag);
        if (is_tc(hook->type))
                return kern_detach_tc(prog_id, hook, attachment, reterr_diag);
        if (kern_is_action(hook->type))
                return kern_action_detach(prog_id, hook, attachment, reterr_diag);
        if (kern_holder(hook) != KERN_HOLDER_NONE)
                return take_off[kern_holder(hook)](prog_id, hook, reterr_diag);

        for (size_t i = 0; i < attachment->n_links; i++) {
                /*
                 * Links of perf events and trampolines know no detaching: they go with their last
                 * descriptor, and the kernel does that before close() returns. For the others this
                 * works even where somebody else still holds the link. Whatever else it says, the
                 * link's end comes with close().
                 */
                if (attachment->link_fds[i] >= 0)
                        bpf_link_detach(attachment->link_fds[i]);
        }
        kern_attachment_done(attachment);
        return 0;
}
