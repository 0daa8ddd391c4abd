/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "kern-attach.h"

/*
 * Programs in entries of a map (xdp_devmap, xdp_cpumap): what XDP redirects to the entry's interface or CPU
 * goes through the entry's program first. The entry holds it, until it is written anew or the map or the
 * interface goes; so the entry must be there, and stays when the program is taken out.
 *
 * An entry is written as a whole, and the kernel can't be told what must still be in it: what somebody else
 * writes between our look and our write is lost, as it is with any two who write to one entry. Of a devmap's
 * it is written with the interface's index as the network namespace has it that the process is in.
 */

/* Whether programs of that type go into an entry of a map. */
static inline bool kern_is_in_map_entry(const KernType *type)
{
        return kern_type_takes(type, KERN_PARAM_BIT(KERN_PARAM_KEY));
}

/* For what kern_attach() and its like say of such a program. */
int kern_map_entry_has(uint32_t prog_id, const KernHook *hook);
int kern_map_entry_detach(uint32_t prog_id, const KernHook *hook, KernDiag *diag);
int kern_map_entry_replace(int new_fd, uint32_t old_id, const KernHook *hook, KernDiag *diag);
