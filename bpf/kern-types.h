/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <linux/bpf.h>

#include "kern-params.h"

/*
 * The table of program types: one row per type that bpfkeeper takes. Everything that depends on the
 * type of a program derives from it: option checks, the polkit policy, help, completion, the man
 * page and the tests' matrix. To add a type is to add a row and a test program.
 */

/* Whether several programs can use one hook at a time, and who puts them in order. */
typedef enum KernSharing {
        KERN_SHARING_KERNEL, /* the kernel runs all of them, in order of attachment or priority */
        KERN_SHARING_LIBXDP, /* libxdp's dispatcher, where the kernel can do freplace; else alone */
        KERN_SHARING_EXCLUSIVE,  /* one at a time */
        KERN_SHARING_DISPATCHER, /* ours (kern-tc.h), where the kernel takes it; else the kernel */
} KernSharing;

/* "kernel", "libxdp", "exclusive" or "dispatcher" */
const char *kern_sharing_to_string(KernSharing sharing);

/* One of the hooks that programs of a type can be on. */
typedef struct KernHookName {
        const char *name; /* as users write it: "connect4" */
        int number;       /* the kernel's */
} KernHookName;

typedef struct KernType {
        const char *name;            /* as users write it: "raw_tracepoint" */
        const char *summary;         /* one line: "Packet filter in the network driver" */
        const char *const *sections; /* NULL-terminated libbpf section prefixes: "xdp", "tp";
                                        * sleepable ones (".s") have an entry of their own */
        enum bpf_prog_type prog_type;
        uint32_t prog_flags;  /* at load, where every program of the type has them */
        int attach_type;      /* the kernel's expected attach type at load (enum
                                        * bpf_attach_type), or 0: by hook or direction, or none */
        uint64_t required;    /* bits of KernParam without which there is no attachment
                                        * (unless the section name says it, see kern_hook_complete()) */
        uint64_t optional;    /* further bits of KernParam */
        const char *sentence; /* where it goes, in polkit's message, in place of its parameters'
                                        * sentences; or NULL */
        const KernHookName *hooks; /* NULL, or what parameter "hook" can be; the last has no name */
        bool hook_at_load;         /* a program is loaded for one of them, as its section says */
        KernSharing sharing;
        bool needs_btf;      /* only loads with BTF of the running kernel */
        const char *instead; /* NULL, or who attaches programs of this type, which Attach() can't */
        const char *needs;   /* what the kernel must have: "Linux 6.6", "CONFIG_KPROBES";
                                        * NULL: any kernel that bpfkeeper runs on has it */
} KernType;

/* The table; the row after the last one has a NULL name. */
extern const KernType kern_types[];

/* Whether programs of that type take one of these parameters (KERN_PARAM_BIT). */
static inline bool kern_type_takes(const KernType *type, uint64_t params)
{
        return (type->required | type->optional) & params;
}

/* XDP on an interface, and not what is in entries of its maps. */
static inline bool kern_type_is_xdp(const KernType *type)
{
        return type->sharing == KERN_SHARING_LIBXDP;
}

/* The row called @name, or NULL. */
const KernType *kern_type_find(const char *name);

/*
 * The row that a libbpf section name belongs to ("tracepoint/sched/sched_switch" → tracepoint), or
 * NULL. Sleepable (".s") and optional ("?") marks are understood; the longest prefix wins.
 */
const KernType *kern_type_from_section(const char *section);

/* The hook of that name, or NULL. */
const KernHookName *kern_type_find_hook(const KernType *type, const char *name);

/*
 * The hook that a section names a program of the type is for ("cgroup/connect4"), or NULL. The type
 * must be the section's.
 */
const KernHookName *kern_type_section_hook(const KernType *type, const char *section);

/* The names of the type's hooks, with commas between. */
void kern_type_list_hooks(const KernType *type, char *ret, size_t size);

/* What stands behind the prefix in a section name ("sched/sched_switch"), or "" */
const char *kern_type_section_rest(const KernType *type, const char *section);

/*
 * The kernel's (libbpf's) name of a program or map type ("sched_cls", "percpu_array"), for objects
 * that were not loaded by us. Never NULL.
 */
const char *kern_prog_type_name(enum bpf_prog_type type);
const char *kern_map_type_name(enum bpf_map_type type);
const char *kern_link_type_name(enum bpf_link_type type);

/* The words of a parameter that has any, as programs of the type take them. */
const char *const *kern_type_words(const KernType *type, KernParam param);

/* "raw_tracepoint" → "raw-tracepoint" in ret (size at least 32): polkit ids have no underscore. */
void kern_type_action_suffix(const KernType *type, char *ret, size_t size);
