/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <bpf/libbpf.h>

#include "kern-libbpf.h"
#include "kern-object.h"
#include "kern-util.h"

/* Names end up in messages, on the bus and in file names: none that is longer is taken. */
#define KERN_SYMBOL_MAX 127

/* What the files kern-object*.c share about an object that is being loaded. */
typedef struct KernLoad {
        KernMapping file;
        KernMapping log; /* of the first program that is refused, and of BTF */
        struct bpf_object *object;
        struct {
                struct bpf_program *program;
                const KernType *type;
                uint32_t target_btf_id; /* freplace: the function, in the BTF of its program */
                KernMapping log;        /* where log_level asked for logs of what succeeds, too */
        } * programs;                   /* those that are to be loaded */
        size_t n_programs;
        const KernLoadOptions *options;
        int btf_fd; /* -1: the kernel's */
        KernCapture capture;
} KernLoad;

/* Opens the object in a file, as far as libbpf does before anything is loaded, and checks its names. */
int kern_object_open(int fd, const char *name, KernLoad *load, KernDiag *reterr_diag);
void kern_object_load_done(KernLoad *load);

/* A map's name as in the object: libbpf puts part of the object's name before ".rodata". */
const char *kern_object_map_name(const struct bpf_map *map);

/* Turns the failure @r of bpf_object__open_mem() or bpf_object__load() into a diagnosis. */
int kern_object_explain_open(const KernLoad *load, int r, KernDiag *reterr_diag);
int kern_object_explain_load(const KernLoad *load, int r, KernDiag *reterr_diag);

/* A global variable of an object, as long as that is open. */
typedef struct KernGlobal {
        const char *name;
        const char *map; /* ".data" and the like */
        uint32_t type;   /* in the object's BTF */
        void *value;     /* the initial one */
        size_t size;
} KernGlobal;

/* Calls @look with each of them; what it gets is good as long as it is in there. */
typedef void (*KernLookAtGlobal)(const struct btf *btf, const KernGlobal *global, void *userdata);
void kern_object_walk_globals(struct bpf_object *object, KernLookAtGlobal look, void *userdata);

/* Initial values of global variables. */
int kern_object_set_globals(struct bpf_object *object, const KernGlobalWish *globals, size_t n,
                            KernDiag *reterr_diag);

/* kern-object-maps.c */

/* Whether it is in options.maps. */
bool kern_object_map_was_given(const struct bpf_map *map, const KernLoadOptions *options);

/* What options.shared says of a map of that name, or NULL. */
const KernMapWish *kern_object_find_shared(const KernLoadOptions *options, const char *name);

/* Maps of other sizes than the object says. */
int kern_object_size_maps(struct bpf_object *object, const KernLoadOptions *options,
                          KernDiag *reterr_diag);

/*
 * Shared maps that there are, in place of new ones; no map is pinned by libbpf any more. 1: there are
 * some that options.shared doesn't have, which @object gets the names of.
 */
int kern_object_share_maps(struct bpf_object *bpf_object, const KernLoadOptions *options,
                           KernObject *object, KernDiag *reterr_diag);

/* Maps that exist already, in place of those that the object defines. */
int kern_object_reuse_maps(struct bpf_object *object, const KernMapWish *maps, size_t n,
                           KernDiag *reterr_diag);

/* kern-freplace.c */

/* Before an object is opened: how libbpf treats the sections of such programs. */
void kern_freplace_register(void);

/* What is being loaded on this thread, NULL afterwards. */
void kern_freplace_begin(const KernLoad *load);

/* The function that the program replaces; its id in the BTF of the target goes to @ret_btf_id. */
int kern_freplace_choose(const KernLoadOptions *options, struct bpf_program *program,
                         const KernType *type, uint32_t *ret_btf_id, KernDiag *reterr_diag);

/* kern-object-xdp.c */

/* How XDP programs want to run among others, as their .xdp_run_config says, or libxdp's defaults. */
int kern_object_read_run_configs(const KernLoad *load, KernObject *object, KernDiag *reterr_diag);

/*
 * Loads XDP programs, which are loaded already, once more as extensions: extension_fd of those that
 * can be. The others can't share an interface, which is all that is wrong with them.
 */
void kern_object_extend(const KernLoad *load, const char *object_name, KernObject *object);

/* kern-object-struct-ops.c */

/* Before the object is loaded: a struct_ops is attached by a link, or not at all. */
int kern_object_link_struct_ops(struct bpf_object *object, KernDiag *reterr_diag);

/* Afterwards: the kernel is told what each struct_ops is, so that a link can be made, and makes none. */
int kern_object_fill_struct_ops(struct bpf_object *object, KernDiag *reterr_diag);

/* kern-object-log.c */

/* A buffer for what is refused. */
int kern_object_make_log(KernLoad *load, KernDiag *reterr_diag);

/* A buffer for each program, so that the logs of those that succeed aren't overwritten. */
int kern_object_set_logs(KernLoad *load, uint32_t level, KernDiag *reterr_diag);

/*
 * A copy of the last KERN_LOG_MAX bytes, fit for D-Bus, which says that the beginning is missing where
 * it is, or where @cut says so. NULL: out of memory.
 */
char *kern_object_copy_log(const char *log, bool cut, size_t *ret_size);

/* The programs' logs, with a word on the one that had no room, if any. 0 or -ENOMEM. */
int kern_object_collect_logs(const KernLoad *load, const char *overflown, KernObject *object);
