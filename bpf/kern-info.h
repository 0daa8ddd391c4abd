/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <linux/bpf.h>

/*
 * What the kernel says of programs, maps and links, and the descriptors by which they are reached.
 * Thin over bpf(2); nothing here blocks or parses bytes that a caller chose, so the daemon calls it.
 * A call costs some microseconds; kern_memlock() is dearer and says so.
 */

#define KERN_MAPS_MAX 64

typedef struct KernProgramInfo {
        uint32_t id;
        enum bpf_prog_type prog_type;
        /* As the kernel cut it. The rest is in BTF of whoever loaded the program, which only a worker
         * may parse. */
        char name[BPF_OBJ_NAME_LEN];
        char tag[BPF_TAG_SIZE * 2 + 1];
        bool gpl_compatible;
        uint64_t load_time_usec; /* CLOCK_REALTIME */
        uint32_t created_by_uid;
        uint32_t bytes_xlated;
        uint32_t bytes_jited;
        uint32_t verified_insns;
        uint32_t btf_id;
        uint32_t attach_btf_id;
        uint32_t attach_btf_obj_id;
        uint32_t ifindex;     /* offloaded to, or 0 */
        uint64_t run_time_ns; /* these three only count with kernel.bpf_stats_enabled */
        uint64_t run_count;
        uint64_t recursion_misses;
        uint32_t map_ids[KERN_MAPS_MAX];
        size_t n_map_ids;
} KernProgramInfo;

typedef struct KernMapInfo {
        uint32_t id;
        enum bpf_map_type map_type;
        char name[BPF_OBJ_NAME_LEN];
        uint32_t key_size;
        uint32_t value_size;
        uint32_t max_entries;
        uint32_t flags; /* BPF_F_* as at creation */
        uint32_t btf_id;
        uint32_t btf_key_type_id;
        uint32_t btf_value_type_id;
        uint32_t ifindex;
} KernMapInfo;

typedef struct KernLinkInfo {
        uint32_t id;
        uint32_t prog_id;
        enum bpf_link_type link_type;
        uint32_t ifindex;     /* xdp, tcx; 0 once the interface is gone */
        uint64_t cgroup_id;   /* cgroup; 0 once the cgroup is gone */
        uint32_t map_id;      /* struct_ops, of which no program is told */
        uint32_t attach_type; /* of these: the kernel's number of the hook */
        uint32_t netns_inode; /* sk_lookup, flow_dissector; 0 once the namespace is gone */
        /* netfilter, as in linux/netfilter.h; the namespace isn't told */
        uint32_t family, hook;
        int32_t hook_priority;
} KernLinkInfo;

/*
 * All return 0 or a negative errno. The kernel describes whatever object it is given, without saying
 * of which kind it is: a program's descriptor given as a map's yields nonsense, not an error.
 */
int kern_program_info(int fd, KernProgramInfo *ret);
int kern_map_info(int fd, KernMapInfo *ret);
int kern_link_info(int fd, KernLinkInfo *ret);

/* Whether the map holds sockets. */
bool kern_is_sockmap(int fd);

/*
 * Whether the link still is on its hook: an interface or cgroup that went away leaves its links
 * behind, as does BPF_LINK_DETACH by somebody else.
 */
bool kern_link_is_alive(const KernLinkInfo *info);

/*
 * Bytes of kernel memory that a program, or a map, takes. Reads /proc/self/fdinfo, for hash maps the
 * kernel may count elements: ask when somebody wants to know, not for every object at start.
 */
int kern_memlock(int fd, uint64_t *ret);
int kern_map_frozen(int fd, bool *ret); /* likewise from fdinfo */

/*
 * Whether a descriptor from somewhere else is one of a program, a map or a link. The kernel answers
 * kern_*_info() for any of them, in the terms of what it is.
 */
bool kern_is_program(int fd);
bool kern_is_map(int fd);
bool kern_is_link(int fd);

/* New descriptor (CLOEXEC) of the kernel object with that id; -ENOENT. Needs CAP_SYS_ADMIN. */
int kern_program_open_id(uint32_t id);
int kern_btf_open_id(uint32_t id);
int kern_map_open_id(uint32_t id);
int kern_link_open_id(uint32_t id);

/* The next id after @id (0: the first); -ENOENT at the end. Needs CAP_SYS_ADMIN. */
int kern_program_next_id(uint32_t id, uint32_t *ret);
int kern_map_next_id(uint32_t id, uint32_t *ret);
int kern_link_next_id(uint32_t id, uint32_t *ret);

typedef enum KernAccess {
        KERN_ACCESS_READ_WRITE,
        KERN_ACCESS_READ,  /* BPF_F_RDONLY: the kernel refuses writes through it */
        KERN_ACCESS_WRITE, /* BPF_F_WRONLY */
} KernAccess;

int kern_map_open_id_access(uint32_t id, KernAccess access);

/* Pins: absolute paths in a bpffs (no dots in the names, the kernel reserves them). */
int kern_pin(int fd, const char *path);
int kern_open_pin(const char *path);

/*
 * Map elements. Sizes are checked by the caller with kern_map_value_size(): for per-CPU maps that
 * is the rounded size times the number of possible CPUs.
 */
int kern_map_value_size(const KernMapInfo *info, size_t *ret);
bool kern_map_is_per_cpu(enum bpf_map_type type);
bool kern_map_has_elements(enum bpf_map_type type); /* false for ring buffers and the like */

/*
 * Whether keys, and values that are written, are plain bytes. Where they aren't, the kernel takes
 * them for descriptors of the process that makes the call: another process must not make it for
 * somebody (it would give away its own). false for types that aren't known to be plain.
 */
bool kern_map_takes_plain_keys(enum bpf_map_type type);
bool kern_map_takes_plain_values(enum bpf_map_type type);

/* Whether that value is, of a kind whose values may have a descriptor beside plain bytes (devmaps). */
bool kern_map_value_is_plain(enum bpf_map_type type, const void *value, size_t size);

int kern_map_lookup(int fd, const void *key, void *ret_value); /* -ENOENT */
int kern_map_update(int fd, const void *key, const void *value, uint64_t flags);
int kern_map_delete(int fd, const void *key);                  /* -ENOENT */
int kern_map_next_key(int fd, const void *key, void *ret_key); /* key NULL: first; -ENOENT */

/* BPF_PROG_TEST_RUN */
typedef struct KernTestRun {
        const void *data_in;
        size_t data_in_size;
        void *data_out;       /* the caller's buffer, or NULL */
        size_t data_out_size; /* in: room; out: bytes written (may be more than the room: -ENOSPC) */
        const void *ctx_in;
        size_t ctx_in_size;
        void *ctx_out;
        size_t ctx_out_size;
        uint32_t repeat;
        uint32_t retval;      /* out */
        uint32_t duration_ns; /* out: mean of one run */
} KernTestRun;

int kern_test_run(int prog_fd, KernTestRun *run); /* may take long: in the worker */
