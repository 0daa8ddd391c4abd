/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kern-diag.h"

/*
 * Userland statically defined tracing: places that a program's author has marked with a provider and a
 * name, which notes in the file (.note.stapsdt) list together with where the arguments are at each.
 *
 * A BPF program reads its arguments by libbpf's <bpf/usdt.bpf.h>: the cookie of the probe that it runs
 * for is a number in the array __bpf_usdt_specs of its object, and what is there says where they are.
 * libbpf itself fills the array while the process that has loaded the program also attaches it, and
 * parses the file as that. Here the file is parsed by who has no privilege, and who attaches fills the
 * array from a place on that no other link has: so the layout is told here once more.
 */

#define KERN_USDT_SPECS_MAP "__bpf_usdt_specs"
#define KERN_USDT_ARGS_MAX 12

/* Places of one probe, and kinds of these: more than any binary has, or one link takes. */
#define KERN_USDT_SITES_MAX 8192
#define KERN_USDT_SPECS_MAX 1024

typedef enum KernUsdtKind {
        KERN_USDT_CONST, /* the value itself */
        KERN_USDT_REG,   /* what a register has */
        KERN_USDT_DEREF, /* what is in memory, at the value from a register */
} KernUsdtKind;

/* struct __bpf_usdt_arg_spec */
typedef struct KernUsdtArg {
        uint64_t value;
        uint32_t kind;     /* KernUsdtKind */
        int16_t reg;       /* where in struct pt_regs */
        uint8_t is_signed; /* and where it is shorter than 8 bytes the bits that it lacks */
        int8_t shift;
} KernUsdtArg;

/* struct __bpf_usdt_spec */
typedef struct KernUsdtSpec {
        KernUsdtArg args[KERN_USDT_ARGS_MAX];
        uint64_t cookie; /* what bpf_usdt_cookie() returns */
        int16_t n_args;
        uint16_t unused[3];
} KernUsdtSpec;

typedef struct KernUsdtSite {
        uint64_t offset;    /* in the file */
        uint64_t semaphore; /* in the file, of what counts who is interested; 0: there is none */
        uint64_t spec;      /* which of the specs */
} KernUsdtSite;

/* Both travel between processes as lists of numbers of 64 bits. */
#define KERN_USDT_SITE_NUMBERS (sizeof(KernUsdtSite) / sizeof(uint64_t))
#define KERN_USDT_SPEC_NUMBERS (sizeof(KernUsdtSpec) / sizeof(uint64_t))
_Static_assert(sizeof(KernUsdtArg) == 16 && sizeof(KernUsdtSpec) == 208, "libbpf's layout");

typedef struct KernUsdtProbe {
        KernUsdtSite *sites;
        size_t n_sites;
        KernUsdtSpec *specs; /* each once */
        size_t n_specs;
} KernUsdtProbe;

void kern_usdt_probe_done(KernUsdtProbe *probe);

/*
 * Finds all places of a probe, "PROVIDER:NAME", in an ELF binary or library. Parses the file, needs no
 * privilege: better done where there is none.
 */
int kern_usdt_resolve(int fd, const char *probe, KernUsdtProbe *ret, KernDiag *reterr_diag);

/*
 * What a note says of the arguments, "-4@%edi 8@-16(%rbp)", as a file for that machine (EM_X86_64,
 * EM_AARCH64) has it. *@ret_bad is where it stops making sense.
 */
int kern_usdt_parse_args(const char *text, unsigned machine, KernUsdtSpec *ret,
                         const char **ret_bad);

/* Whether a spec is one that kern_usdt_parse_args() makes here: it tells a program what to read. */
bool kern_usdt_spec_is_valid(const KernUsdtSpec *spec);

/* Whether a map can be __bpf_usdt_specs, and of how many. */
bool kern_usdt_map_fits(int map_fd, uint32_t *ret_entries);
