/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdint.h>

#include "kern-embedded-stamp.h"

/*
 * Takes the file @path in as it is, as NAME_object, of NAME_size bytes: a BPF object that
 * bpf/meson.build compiled.
 */
#define KERN_EMBED(name, path)                   \
        __asm__(".section .rodata\n"             \
                ".balign 8\n" #name "_object:\n" \
                ".incbin \"" path "\"\n"         \
                "1:\n"                           \
                ".balign 8\n" #name "_size:\n"   \
                ".8byte 1b - " #name "_object\n" \
                ".previous\n");                  \
        extern const char name##_object[];       \
        extern const uint64_t name##_size
