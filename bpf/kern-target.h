/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdint.h>

#include <gelf.h>

#include "kern-diag.h"

/* Files that probes of user space go into, as those who look for places in them share it. */

/* An ELF binary or library; to be ended with elf_end(). */
int kern_target_open(int fd, Elf **ret, KernDiag *diag);
void kern_target_endp(Elf **elf);

/*
 * Where in the file an address is, of a part that is mapped with these flags (PF_X); -ENOENT where it is
 * in none.
 */
int kern_target_file_offset(Elf *elf, uint64_t address, uint32_t flags, uint64_t *ret);
