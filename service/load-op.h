/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "ops.h"

/*
 * Load() in four files: op-load.c has the steps and asks polkit, load-object.c gets at the bytes and
 * at what is in them, load-run.c has a worker load them, load-commit.c takes what it loaded. This is
 * what they share; it is the op of the request.
 */

/* A map that the object wants to share by its name; see load-run.c */
typedef struct SharedMap {
        char *name;
        uint32_t id; /* 0: there is none yet */
        int fd;      /* owned */
} SharedMap;

typedef struct LoadOp {
        BusLoadArgs *args;
        int object_fd; /* sealed; owned */
        int btf_fd;    /* sealed; owned; or -1 */
        int *sealing;  /* which of the two is being copied */
        GChecksum *checksum;
        off_t hashed;
        guint hash_idle;
        char *digest;     /* "sha256:…" */
        GPtrArray *types; /* const KernType: those to ask for, each once */
        guint next_type;
        guint next_map;
        uint64_t load_start; /* CLOCK_REALTIME, µs: when the worker was asked to load */
        GArray *map_fds;     /* int; owned */
        GArray *shared;      /* SharedMap */
        unsigned n_rounds;
        int target_fds[2]; /* the target program and its BTF; owned */
        size_t n_target_fds;
        Quota *quota;
        uid_t uid;
        unsigned n_charged;             /* programs held against the limit while this is going on */
        void (*next)(Request *request); /* load-object.c: what comes after */
} LoadOp;

/* The wish for the program of that name, or NULL. */
BusProgramWish *load_find_wish(GArray *programs, const char *name);

/* load-object.c */

/*
 * Gets object_fd and btf_fd: the descriptors of the arguments if they are sealed, so that their
 * bytes can't change once they were looked at, else sealed copies. Then calls @next, or answers with
 * an error.
 */
void load_object_seal(Request *request, void (*next)(Request *request));

/* Whether the arguments name each program with its type. */
bool load_object_is_told(const LoadOp *op);

/*
 * Has a worker look which programs there are, and completes the wishes: all programs if none is
 * named, types by section names. Then calls @next, or answers with an error.
 */
void load_object_complete(Request *request, void (*next)(Request *request));

/* Answers Inspect(), and Describe(). */
void load_object_answer(Request *request);
void load_object_describe(Request *request);

/* load-run.c: has it loaded, and answers. Everything that it takes to be allowed is. */
void load_run(Request *request);
void load_clear_shared(void *shared_map);

/* load-commit.c */

/*
 * Takes what the worker's answer has into @load, which is empty but for its id and owner: checks it
 * against the kernel, pins it, writes the state file. Where that fails, nothing of it stays.
 */
bool load_commit(Request *request, sd_bus_message *reply, Load *load, GError **reterr);

/*
 * Keeps the log of an answer that is positioned before it: on the caller's connection, and with @load,
 * unless that is NULL.
 */
void load_keep_log(Request *request, sd_bus_message *reply, Load *load);
