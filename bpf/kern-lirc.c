/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "kern-lirc.h"

#include <errno.h>
#include <poll.h>
#include <string.h>

#include <bpf/bpf.h>

#include "kern-attach-internal.h"
#include "kern-info.h"

bool kern_lirc_is_gone(int fd)
{
        struct pollfd p = {.fd = fd};

        return poll(&p, 1, 0) > 0 && (p.revents & (POLLHUP | POLLNVAL));
}

int kern_lirc_query(int fd, KernChain *ret)
{
        uint32_t programs[KERN_CHAIN_MAX], n = KERN_CHAIN_MAX, flags = 0;

        /* There are kernels whose query doesn't look, and follows a null pointer. */
        if (kern_lirc_is_gone(fd))
                return -ENODEV;
        if (bpf_prog_query(fd, BPF_LIRC_MODE2, 0, &flags, programs, &n) < 0)
                return -errno;
        memset(ret, 0, sizeof(*ret));
        ret->n = n < KERN_CHAIN_MAX ? n : KERN_CHAIN_MAX;
        for (size_t i = 0; i < ret->n; i++)
                ret->entries[i].prog_id = programs[i];
        return 0;
}

int kern_lirc_explain(int r, KernDiag *diag)
{
        switch (-r) {
        case EEXIST:
                return kern_fail(diag, r, KERN_ERROR_HOOK_BUSY,
                                 "The program is on the device already, and is there but once; "
                                 "load it again to have it there twice");
        case E2BIG:
                return kern_fail(diag, r, KERN_ERROR_LIMIT_EXCEEDED,
                                 "The device has as many programs as the kernel takes (%d)",
                                 KERN_CHAIN_MAX);
        case EINVAL:
                return kern_fail(diag, r, KERN_ERROR_INVALID_ARGUMENT,
                                 "The kernel takes no program for the device (Invalid argument): "
                                 "it must be an infrared receiver that hands on pulses and spaces, "
                                 "none that only transmits or decodes them by itself");
        case EPERM:
                return kern_fail(diag, r, KERN_ERROR_INVALID_ARGUMENT,
                                 "The kernel refuses the device's descriptor (Operation not "
                                 "permitted): it must be open for writing");
        case ENODEV:
                return kern_fail(diag, r, KERN_ERROR_NO_SUCH_TARGET, "The device is gone");
        default:
                return kern_fail(diag, r, KERN_ERROR_FAILED,
                                 "The kernel doesn't take the program for the device: %s",
                                 strerror(-r));
        }
}

int kern_attach_lirc(int prog_fd, const KernHook *hook, KernAttachment *attachment, KernDiag *diag)
{
        (void)attachment;
        return bpf_prog_attach(prog_fd, hook->device_fd, BPF_LIRC_MODE2, 0) < 0
                       ? kern_lirc_explain(-errno, diag)
                       : 0;
}

int kern_lirc_has(uint32_t prog_id, const KernHook *hook)
{
        KernChain chain;
        int r = hook->device_fd < 0 ? -ENODEV : kern_lirc_query(hook->device_fd, &chain);

        if (r < 0)
                return r == -ENODEV ? 0 : r;
        return kern_chain_has(&chain, prog_id);
}

static int take_off(uint32_t prog_id, const KernHook *hook)
{
        KERN_AUTO_CLOSE int fd = -1;
        int r = kern_lirc_has(prog_id, hook);

        if (r <= 0)
                return r;
        fd = kern_program_open_id(prog_id);
        if (fd >= 0)
                r = bpf_prog_detach2(fd, hook->device_fd, BPF_LIRC_MODE2) < 0 ? -errno : 0;
        else
                r = fd;
        /* Somebody else was faster, or the device has gone. */
        return r == -ENOENT || r == -ENODEV ? 0 : r;
}

int kern_lirc_detach(uint32_t prog_id, const KernHook *hook, KernDiag *diag)
{
        int r = take_off(prog_id, hook);

        return r >= 0 ? 0
                      : kern_fail(diag, r, KERN_ERROR_FAILED,
                                  "Can't detach program %u from the device: %s", prog_id,
                                  strerror(-r));
}
