/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kern-diag.h"
#include "kern-types.h"
#include "kern-value.h"

/*
 * A BPF object file: what is in it, and loading it. This is the only place where bytes that a
 * caller chose are parsed; it runs in bpfkeeper-worker, never in the daemon.
 *
 * What the kernel is asked for, so that the worker can be confined to it. System calls beyond
 * memory, close, fstat, fcntl (F_GET_SEALS, F_DUPFD_CLOEXEC), pread, faccessat, newfstatat, uname:
 *   bpf: kern_load_commands (of BTF, the next id and descriptors: functions in modules).
 * Files opened, all for reading:
 *   /sys/kernel/btf/vmlinux (or, on kernels without it, vmlinux files in /boot and /lib/modules):
 *     for CO-RE relocations and for tp_btf, fentry, fexit, fmod_ret, lsm;
 *   /proc/self/fd/N: the BTF file that was given, opened again;
 *   /proc/config.gz or /boot/config-RELEASE, /proc/version_signature, /proc/kallsyms: only for
 *     objects with extern variables (__kconfig, __ksym);
 *   /proc/self/fdinfo/N: of maps to be used, on kernels that give no map information;
 *   /sys/devices/system/cpu/possible: for perf event arrays and per-CPU maps.
 * kern_object_warm_up() also does memfd_create and write.
 * Needs CAP_BPF, CAP_PERFMON and CAP_NET_ADMIN by program type; CAP_SYS_ADMIN for BTF ids.
 */

#define KERN_OBJECT_SIZE_MAX (16U * 1024 * 1024)

/*
 * Programs and maps that are loaded at a time. They and a log come in one message, and that has at
 * most 253 descriptors (SCM_MAX_FD).
 */
#define KERN_LOADED_MAX 249

/* What is kept of a log: its end, below a line that says so. */
#define KERN_LOG_MAX (1024U * 1024)

typedef struct KernProgramWish {
        const char *name;     /* function name in the object */
        const KernType *type; /* NULL: as its section says */
} KernProgramWish;

typedef struct KernGlobalWish {
        const char *name; /* variable in .data*, .rodata* or .bss* */
        KernValue value;
} KernGlobalWish;

typedef struct KernMapWish {
        const char *name; /* map in the object */
        int fd;           /* map to be used instead of a new one; stays the caller's */
        bool optional; /* a new one, where the definition isn't the same or it is of global data */
} KernMapWish;

typedef struct KernMapSize {
        const char *name;
        uint32_t max_entries;
} KernMapSize;

typedef struct KernLoadOptions {
        const KernProgramWish *programs; /* none: all programs of the object */
        size_t n_programs;
        const KernGlobalWish *globals;
        size_t n_globals;
        const KernMapWish *maps;
        size_t n_maps;
        const KernMapSize *map_sizes;
        size_t n_map_sizes;
        bool share;                /* maps that the object wants pinned by name are shared: */
        const KernMapWish *shared; /* those that there are, fd -1: is to be made, and shared then */
        size_t n_shared;
        const char *name; /* the object's; its maps of globals are named after it. NULL: "object" */
        int target_fd;    /* the program that freplace programs go into, or -1; */
        int target_btf_fd; /* its BTF in the kernel, or -1; */
        const char
                *target_function; /* and its function, where the section is not to say. Or NULL */
        int btf_fd; /* BTF file (raw or ELF) that CO-RE resolves against, or -1: the kernel's */
        uint32_t log_level; /* 0, 1, 2, 4 or a sum: the verifier's log levels; no program is refused
                             * for having a long log */
        bool uprobe_multi;  /* usdt programs for one link a probe: the kernel has such */
        bool extend; /* XDP programs also as extensions, see kern-xdp.h: the kernel has freplace */
} KernLoadOptions;

#define KERN_LOAD_OPTIONS_INIT \
        ((KernLoadOptions){.btf_fd = -1, .target_fd = -1, .target_btf_fd = -1})

typedef struct KernLoadedProgram {
        char *name;
        char *section;
        const KernType *type;
        int fd;                  /* owned */
        int extension_fd;        /* xdp: the program as an extension, or -1; owned */
        uint32_t xdp_priority;   /* xdp: what .xdp_run_config says, or libxdp's default */
        uint32_t xdp_proceed_on; /* xdp: likewise; bits 1 << XDP_ABORTED … XDP_REDIRECT */
} KernLoadedProgram;

typedef struct KernLoadedMap {
        char *name;  /* as in the object, not shortened to the kernel's 15 characters;
                                      * ".rodata", ".data", ".bss" and the like for global variables */
        int fd;      /* owned */
        bool reused; /* from KernLoadOptions.maps or .shared */
        bool shared; /* new, and to be shared from now on */
} KernLoadedMap;

typedef struct KernObject {
        KernLoadedProgram *programs;
        size_t n_programs;
        KernLoadedMap *maps;
        size_t n_maps;
        char **unknown; /* nothing was loaded: .shared says nothing of these */
        size_t n_unknown;
        char *log; /* the verifier's log where log_level asked for one, or NULL */
        size_t log_size;
} KernObject;

/* What is in an object, without loading it. */
typedef struct KernOutline {
        struct {
                char *name;
                char *section;
                const KernType *type; /* NULL where the section tells none */
                bool optional; /* its section is marked ("?xdp"): loaded only if it is named */
        } * programs;
        size_t n_programs;
        struct {
                char *name;
                const char *type;
                uint32_t key_size, value_size, max_entries, flags;
                bool shared; /* it is to be pinned by name */
        } * maps;            /* without those of global variables */
        size_t n_maps;
        struct {
                char *name;
                char *map; /* ".data" and the like */
                char *type;
                char *value; /* the initial one, as Load() takes it */
                uint64_t size;
        } * globals;
        size_t n_globals;
        char *license; /* "" where it says none */
} KernOutline;

/* What an outline has at most; a section of variables may have more. */
#define KERN_OUTLINE_GLOBALS_MAX 1024

/*
 * Looks what is in an object. @fd is a readable file of at most KERN_OBJECT_SIZE_MAX bytes; its offset
 * is not used. Needs no privilege.
 */
int kern_object_outline(int fd, KernOutline **ret, KernDiag *reterr_diag);
void kern_outline_free(KernOutline *outline);

/*
 * Loads programs of an object, with their maps. Either all that was asked for, or nothing. Without
 * wishes these are all programs but those whose section is marked optional ("?xdp"). A type given in
 * a wish wins where libbpf doesn't know the section and between types that are one to the kernel (tc
 * and tcx, kprobe and uprobe); otherwise it must be the section's.
 *
 * Pins that the object asks for (LIBBPF_PIN_BY_NAME) are not made: such maps are shared by
 * options.shared. Which these are only the object says, so that it may have to be asked for twice.
 */
int kern_object_load(int fd, const KernLoadOptions *options, KernObject **ret,
                     KernDiag *reterr_diag);

/*
 * Loads an object of our own and unloads it: libbpf then knows what the kernel can do, and the first
 * load for somebody takes a third of the time. For a worker that waits; 0 or a negative errno, that
 * nobody needs to care about.
 */
int kern_object_warm_up(void);

/* Closes the descriptors that were not taken (set to -1) and frees. NULL is fine. */
void kern_object_free(KernObject *object);
