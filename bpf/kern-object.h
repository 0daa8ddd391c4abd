/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kern-diag.h"
#include "kern-types.h"

/*
 * A BPF object file: what is in it, and loading it. This is the only place where bytes that a
 * caller chose are parsed; it runs in bpfkeeper-worker, never in the daemon.
 */

#define KERN_OBJECT_SIZE_MAX (16U * 1024 * 1024)

typedef struct KernProgramWish {
        const char *name;            /* function name in the object */
        const KernType *type;        /* NULL: as its section says */
} KernProgramWish;

typedef struct KernGlobalWish {
        const char *name;            /* variable in .data*, .rodata* or .bss* */
        const void *data;
        size_t size;                 /* must be the variable's size */
} KernGlobalWish;

typedef struct KernMapWish {
        const char *name;            /* map in the object */
        int fd;                      /* map to be used instead of a new one; stays the caller's */
} KernMapWish;

typedef struct KernLoadOptions {
        const KernProgramWish *programs; /* none: all programs of the object */
        size_t n_programs;
        const KernGlobalWish *globals;
        size_t n_globals;
        const KernMapWish *maps;
        size_t n_maps;
        int btf_fd;                  /* BTF file (raw or ELF) that CO-RE resolves against, or -1: the kernel's */
        uint32_t log_level;          /* 0, 1, 2, 4 or a sum: the verifier's log levels */
} KernLoadOptions;

typedef struct KernLoadedProgram {
        char *name;
        char *section;
        const KernType *type;
        int fd;                      /* owned */
} KernLoadedProgram;

typedef struct KernLoadedMap {
        char *name;                  /* as in the object, not shortened to the kernel's 15 characters */
        int fd;                      /* owned */
        bool reused;                 /* from KernLoadOptions.maps */
} KernLoadedMap;

typedef struct KernObject {
        KernLoadedProgram *programs;
        size_t n_programs;
        KernLoadedMap *maps;
        size_t n_maps;
        char *log;                   /* the verifier's log where log_level asked for one, or NULL */
        size_t log_size;
} KernObject;

/*
 * Lists the programs of an object (fd -1, nothing is loaded; type NULL where the section tells
 * none). @fd is a readable file of at most KERN_OBJECT_SIZE_MAX bytes; its offset is not used.
 * Needs no privilege.
 */
int kern_object_inspect(int fd, KernObject **ret, KernDiag *reterr_diag);

/* Loads programs of an object, with their maps. Either all that was asked for, or nothing. */
int kern_object_load(int fd, const KernLoadOptions *options, KernObject **ret, KernDiag *reterr_diag);

/* Closes the descriptors that were not taken (set to -1) and frees. NULL is fine. */
void kern_object_free(KernObject *object);
