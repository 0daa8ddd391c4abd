/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Static probes as <sys/sdt.h> of SystemTap makes them: an instruction that does nothing, and a note with
 * its address. Here it is written down once more to have operands of each kind, and no package more.
 *
 * ARGS is text like "-4@%[a]", with the operands of __asm__ that it names behind it; SEMAPHORE is an
 * address, or 0.
 */
#define STATIC_PROBE(PROVIDER, NAME, SEMAPHORE, ARGS, ...)                      \
        __asm__ volatile("990: nop\n"                                           \
                         ".pushsection .note.stapsdt, \"\", \"note\"\n"         \
                         ".balign 4\n"                                          \
                         ".4byte 992f - 991f, 994f - 993f, 3\n"                 \
                         "991: .asciz \"stapsdt\"\n"                            \
                         "992: .balign 4\n"                                     \
                         "993: .8byte 990b, static_probe_base, " SEMAPHORE "\n" \
                         ".asciz \"" PROVIDER "\"\n"                            \
                         ".asciz \"" NAME "\"\n"                                \
                         ".asciz \"" ARGS "\"\n"                                \
                         "994: .balign 4\n"                                     \
                         ".popsection\n"                                        \
                         :                                                      \
                         : __VA_ARGS__)

/* Once in a file that has any: an address that moves with the others. */
#define STATIC_PROBE_BASE()                                         \
        __asm__(".pushsection .stapsdt.base, \"a\", \"progbits\"\n" \
                "static_probe_base: .space 1\n"                     \
                ".popsection\n")

/* What is not 0 while somebody is interested in a probe. */
#define STATIC_PROBE_SEMAPHORE(NAME) \
        __attribute__((section(".probes"), used)) volatile unsigned short NAME
