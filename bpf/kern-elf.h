/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stddef.h>

#include "kern-diag.h"

#define KERN_PROGRAMS_MAX 256

/*
 * Whether these bytes are an object file that libbpf may be given: an ELF for BPF, of this machine's
 * endianness, relocatable, and sound: all tables within the file, all indices within their tables,
 * strings ended, no more programs than KERN_PROGRAMS_MAX. libelf and libbpf trust much of that.
 */
int kern_elf_check(const void *data, size_t size, KernDiag *reterr_diag);

/*
 * What the section "license" of a checked file says, "" where there is none, cut off where @ret_size
 * bytes are too few.
 */
void kern_elf_license(const void *data, size_t size, char *ret, size_t ret_size);
