/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "kern-attach.h"
#include "kern-order.h"

/*
 * Programs on infrared receivers (/dev/lircN). The kernel has no link for them: the device itself holds a
 * program, by BPF_PROG_ATTACH, until it is detached or the device goes. There may be several, each once,
 * which run in the order of their attachment; no other order can be asked for, and none is replaced.
 *
 * All of this takes the device's descriptor, which for attaching and detaching must be open for writing.
 */

/* Whether programs of that type are on a device, and not on a kernel link. */
static inline bool kern_is_on_device(const KernType *type)
{
        return kern_type_takes(type, KERN_PARAM_BIT(KERN_PARAM_DEVICE));
}

/* Whether the device that @fd, a receiver's descriptor, was opened of is there no more. */
bool kern_lirc_is_gone(int fd);

/*
 * What is on the device, without links: 0, -ENODEV where it is gone, -EINVAL where it is none that takes
 * programs.
 */
int kern_lirc_query(int fd, KernChain *ret);

/* Why the kernel refused the device with @r: fills @diag and returns the error. */
int kern_lirc_explain(int r, KernDiag *diag);

/* For what kern_attach() and its like say of such a program. */
int kern_lirc_has(uint32_t prog_id, const KernHook *hook);
int kern_lirc_detach(uint32_t prog_id, const KernHook *hook, KernDiag *diag);
