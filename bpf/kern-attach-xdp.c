/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <net/if.h>
#include <string.h>

#include <linux/if_link.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "kern-attach-internal.h"
#include "kern-info.h"
#include "kern-xdp-internal.h"

/*
 * XDP goes on an interface through libxdp's dispatcher, where the program can be a member of one (see
 * kern-xdp.h). Where it can't, it goes there alone, by a kernel link, which nobody replaces or removes
 * by accident and which goes with its pin.
 */

/* "program 42 (xdp_dispatcher)", as far as it can be told. */
static void describe_program(uint32_t id, char *ret, size_t size)
{
        KERN_AUTO_CLOSE int fd = kern_program_open_id(id);
        KernProgramInfo info;

        if (fd >= 0 && kern_program_info(fd, &info) >= 0)
                snprintf(ret, size, "program %u (%s)", id, info.name);
        else
                snprintf(ret, size, "program %u", id);
}

int kern_xdp_busy(int r, const KernHook *hook, const char *name, KernDiag *diag)
{
        LIBBPF_OPTS(bpf_xdp_query_opts, opts);
        const char *why =
                !hook->xdp_shares ? ". This kernel can't have several: it has no freplace"
                : hook->given & KERN_PARAM_BIT(KERN_PARAM_NETNS)
                        ? ". There can't be several in another network namespace: libxdp tells "
                          "interfaces by their indexes alone"
                : hook->extension_fd < 0
                        ? ". The one to attach can't be among several: the kernel doesn't "
                          "take it as an extension"
                        : "";
        char who[160] = "another program";
        uint32_t id = 0;

        if (bpf_xdp_query((int)hook->ifindex, 0, &opts) >= 0)
                id = opts.drv_prog_id   ? opts.drv_prog_id
                     : opts.skb_prog_id ? opts.skb_prog_id
                                        : opts.hw_prog_id;
        if (id != 0)
                describe_program(id, who, sizeof(who));
        return kern_fail(diag, r, KERN_ERROR_HOOK_BUSY,
                         "Interface %s already has an XDP program: %s; detach it first%s", name,
                         who, why);
}

static int xdp_link(int prog_fd, uint32_t ifindex, uint32_t flags)
{
        LIBBPF_OPTS(bpf_link_create_opts, opts, .flags = flags);
        int fd = bpf_link_create(prog_fd, (int)ifindex, BPF_XDP, &opts);

        return fd < 0 ? -errno : fd;
}

static int attach_alone(int prog_fd, const KernHook *hook, const char *name,
                        KernAttachment *attachment, KernDiag *diag)
{
        static const uint32_t flags[] = {
                [KERN_XDP_MODE_AUTO] = XDP_FLAGS_DRV_MODE,
                [KERN_XDP_MODE_NATIVE] = XDP_FLAGS_DRV_MODE,
                [KERN_XDP_MODE_SKB] = XDP_FLAGS_SKB_MODE,
                [KERN_XDP_MODE_HW] = XDP_FLAGS_HW_MODE,
        };
        KernXdpMode mode = hook->mode == KERN_XDP_MODE_AUTO ? KERN_XDP_MODE_NATIVE : hook->mode;
        int fd;

        fd = xdp_link(prog_fd, hook->ifindex, flags[hook->mode]);
        /* A driver may refuse for reasons of its own: no XDP, a too large MTU, too few queues. */
        if (fd < 0 && hook->mode == KERN_XDP_MODE_AUTO && fd != -EBUSY && fd != -EEXIST &&
            fd != -ENODEV && fd != -EPERM) {
                mode = KERN_XDP_MODE_SKB;
                fd = xdp_link(prog_fd, hook->ifindex, XDP_FLAGS_SKB_MODE);
        }
        if (fd >= 0) {
                attachment->xdp_mode = mode;
                return kern_attachment_add(attachment, fd, diag);
        }

        if (kern_interface_is_gone(hook->ifindex))
                return kern_no_such_interface(hook->ifindex, diag);

        switch (-fd) {
        case EBUSY:
        case EEXIST:
                return kern_xdp_busy(fd, hook, name, diag);
        case EOPNOTSUPP:
                return kern_fail(diag, fd, KERN_ERROR_NOT_SUPPORTED,
                                 "Interface %s's driver can't do XDP in %s mode; skb mode works "
                                 "everywhere",
                                 name, kern_xdp_mode_to_string(mode));
        case EINVAL:
                if (mode == KERN_XDP_MODE_HW)
                        return kern_fail(
                                diag, fd, KERN_ERROR_NOT_SUPPORTED,
                                "hw mode needs a program that was loaded for the interface's "
                                "hardware; use native or skb");
                return kern_fail(
                        diag, fd, KERN_ERROR_FAILED,
                        "Interface %s refuses the XDP program in %s mode (Invalid argument): "
                        "its MTU may be too large for XDP; skb mode may do",
                        name, kern_xdp_mode_to_string(mode));
        default:
                return kern_fail(diag, fd, KERN_ERROR_FAILED,
                                 "Can't attach the XDP program to interface %s in %s mode: %s",
                                 name, kern_xdp_mode_to_string(mode), strerror(-fd));
        }
}

int kern_attach_xdp(int prog_fd, const KernHook *hook, KernAttachment *attachment, KernDiag *diag)
{
        char buffer[IF_NAMESIZE];
        const char *name = kern_interface_name(hook->ifindex, buffer);
        int r;

        if (!name)
                return kern_no_such_interface(hook->ifindex, diag);
        if (hook->extension_fd >= 0 && hook->mode != KERN_XDP_MODE_HW) {
                r = kern_xdp_join(hook, name, attachment, diag);
                if (r != 0)
                        return r < 0 ? r : 0;
        }
        return attach_alone(prog_fd, hook, name, attachment, diag);
}
