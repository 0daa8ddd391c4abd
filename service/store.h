/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "registry.h"

/*
 * State on disk, which is memory too and ends with the boot, as the kernel's objects do:
 *
 *     /run/bpfkeeper/loads/ID      one file a Load(): who, what, which programs and maps
 *     /run/bpfkeeper/links/ID      one file a link: whose program, which hook
 *     /run/bpfkeeper/changes/ID    a link as it is to be, while it is being changed
 *     /run/bpfkeeper/logs/ID       the verifier's log of a load, mode 0600
 *     /run/bpfkeeper/next-id       ids below this one may have been given out
 *     /run/bpfkeeper/features      what the kernel can do, as probed
 *     /run/bpfkeeper/lock          held (flock) by the daemon
 *     /run/bpfkeeper/workers.lock  held by the daemon and all its workers
 *     /sys/fs/bpf/bpfkeeper/program/ID, map/ID, link/ID_N     the pins
 *     /sys/fs/bpf/xdp/dispatch-IFINDEX-ID/progN-prog, -link   libxdp's, some of them of our members
 *
 * The files are key files with a Version. A file is written under a temporary name and renamed: the
 * rename is what makes a load or a link exist. Pins come before it and go after it, so that a pin
 * without a file is a leftover that may be removed, and a file without its pin tells of something
 * that is gone. An XDP program's extension (see kern-xdp.h), pinned as a program beside it, belongs to
 * it, and is what libxdp pins for a link of it that shares its interface: that link has no pin of its
 * own, and ends when libxdp takes the extension out of the interface's dispatcher. Hooks without kernel
 * links (tc, xdp that shares) are written down before they are attached and
 * while they are detached (State), so that what was left half done can be found and undone.
 */

#define STORE_VERSION 1

typedef struct Store Store;

/* Makes what is missing; waits, at most @timeout_sec, for an earlier daemon to end, and then for its
 * workers. */
Store *store_new(const char *run_dir, const char *pin_dir, unsigned timeout_sec, GError **reterr);
void store_free(Store *store);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Store, store_free)

/* The lock for workers to inherit; not below 16; the store's. */
int store_workers_lock_fd(const Store *store);

/* An id for a load or a link, not given out before since the machine was booted. */
bool store_next_id(Store *store, uint32_t *ret, GError **reterr);

bool store_write_load(Store *store, const Load *load, GError **reterr);
void store_remove_load(Store *store, uint32_t id);
bool store_write_link(Store *store, const Link *link, GError **reterr);
void store_remove_link(Store *store, uint32_t id);

/*
 * What a link is to be, beside its file until it is so; then in its place. Whether it came to pass is
 * for recovery to find out.
 */
bool store_write_change(Store *store, const Link *link, GError **reterr);
void store_commit_change(Store *store, uint32_t id);
void store_drop_change(Store *store, uint32_t id);

/* Descriptors; -ENOENT where there is none. The log is a copy of what @fd has. */
int store_write_log(Store *store, uint32_t load_id, int fd);
int store_open_log(Store *store, uint32_t load_id);

/* Features as GKeyFile in the group "Features"; NULL where none were kept for this kernel. */
GKeyFile *store_read_features(Store *store);
void store_write_features(Store *store, GKeyFile *features);

/* Pins; @part counts a link's kernel links. 0 or a negative errno; opening returns a descriptor. */
int store_pin(Store *store, BusKind kind, uint32_t id, unsigned part, int fd);
int store_open_pin(Store *store, BusKind kind, uint32_t id, unsigned part);
/* Like store_open_pin(), for who must not take trouble for absence: -1 only where there is none. */
bool store_find_pin(Store *store, BusKind kind, uint32_t id, unsigned part, int *ret,
                    GError **reterr);
void store_unpin(Store *store, BusKind kind, uint32_t id, unsigned part);

/* Has one of a link's pins take the place of another, in one step. */
int store_move_pin(Store *store, uint32_t link_id, unsigned from, unsigned to);

/*
 * What recovery reads. The ids come in ascending order. For a file that can't be made sense of (of a
 * later version, or damaged) there is an error, and it is to be left where it is; an error in the
 * domain G_FILE_ERROR says nothing of the file but that it can't be read now.
 */
GArray *store_load_ids(Store *store, GError **reterr);
GArray *store_link_ids(Store *store, GError **reterr);
GArray *store_change_ids(Store *store, GError **reterr);

/* Parts as the file has them; whether the kernel still does is the caller's to find out. */
typedef struct StoredProgram {
        uint32_t id;
        uint64_t load_time; /* 0: the file doesn't say */
        char *name, *section;
        const KernType *type;
        uint32_t target_id;
        char *target_function;
        uint32_t extension_id, xdp_priority, xdp_proceed_on;
} StoredProgram;

typedef struct StoredMap {
        uint32_t id;
        char *name;
        bool shared;
} StoredMap;

typedef struct StoredLoad {
        Load *load;       /* without programs and maps */
        GArray *programs; /* StoredProgram */
        GArray *maps;     /* StoredMap */
} StoredLoad;

StoredLoad *store_read_load(Store *store, uint32_t id, GError **reterr);
void stored_load_free(StoredLoad *stored);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(StoredLoad, stored_load_free)

/* The link; program_id is filled, whether that program is there is the caller's to find out. */
Link *store_read_link(Store *store, uint32_t id, GError **reterr);
Link *store_read_change(Store *store, uint32_t id, GError **reterr);

/* Calls @keep for every pin; those it returns false for are removed. */
typedef bool (*StoreKeepPin)(BusKind kind, uint32_t id, unsigned part, void *userdata);
void store_sweep_pins(Store *store, StoreKeepPin keep, void *userdata);
