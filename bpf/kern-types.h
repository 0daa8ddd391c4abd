/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include <linux/bpf.h>

/*
 * The table of program types: one row per type that bpfkeeper takes. Everything that depends on the
 * type of a program derives from it: option checks, the polkit policy, help, completion, the man
 * page and the tests' matrix. To add a type is to add a row and a test program.
 */

/*
 * What an attachment can be told. The names that users write are in kern_params[]. State files have
 * the numbers: new ones go to the end.
 */
typedef enum KernParam {
        KERN_PARAM_INTERFACE,      /* network interface, by name or index */
        KERN_PARAM_DIRECTION,      /* "ingress" or "egress" */
        KERN_PARAM_PRIORITY,       /* lower runs first */
        KERN_PARAM_MODE,           /* XDP: "native", "skb" or "hw" */
        KERN_PARAM_TRACEPOINT,     /* "group:name", or "name" for raw tracepoints and tp_btf */
        KERN_PARAM_FUNCTION,       /* kernel function, LSM hook, or symbol in the target binary */
        KERN_PARAM_OFFSET,         /* bytes from the function (or from the file's start) */
        KERN_PARAM_TARGET,         /* uprobes: the binary or library */
        KERN_PARAM_PID,            /* one process; absent: all */
        KERN_PARAM_CGROUP,         /* cgroup v2 directory */
        KERN_PARAM_EVENT,          /* perf_event: name of a software or hardware event */
        KERN_PARAM_FREQUENCY,      /* perf_event: samples per second */
        KERN_PARAM_PERIOD,         /* perf_event: events between two samples */
        KERN_PARAM_CPU,            /* perf_event: one CPU; absent: all */
        KERN_PARAM_COOKIE,         /* bpf_get_attach_cookie() */
        KERN_PARAM_FUNCTIONS,      /* kernel functions, by names and patterns */
        KERN_PARAM_COOKIES,        /* one for each of these */
        KERN_PARAM_TARGET_PROGRAM, /* freplace: the program that the function is of */
        KERN_PARAM_PROCEED_ON,     /* XDP: results after which the next program runs */
        _KERN_PARAM_MAX,
} KernParam;

#define KERN_PARAM_BIT(p) (1U << (p))

typedef struct KernParamInfo {
        const char *name;    /* as in options on the bus and on the command line: "interface" */
        const char *summary; /* one line for help and man page */
} KernParamInfo;

/* Indexed by KernParam. */
extern const KernParamInfo kern_params[_KERN_PARAM_MAX];

/* Whether several programs can use one hook at a time, and who puts them in order. */
typedef enum KernSharing {
        KERN_SHARING_KERNEL, /* the kernel runs all of them, in order of attachment or priority */
        KERN_SHARING_LIBXDP, /* libxdp's dispatcher, where the kernel can do freplace; else alone */
        KERN_SHARING_EXCLUSIVE, /* one at a time */
} KernSharing;

/* "kernel", "libxdp" or "exclusive" */
const char *kern_sharing_to_string(KernSharing sharing);

typedef struct KernType {
        const char *name;            /* as users write it: "raw_tracepoint" */
        const char *summary;         /* one line: "Packet filter in the network driver" */
        const char *const *sections; /* NULL-terminated libbpf section prefixes: "xdp", "tp";
                                        * sleepable ones (".s") have an entry of their own */
        enum bpf_prog_type prog_type;
        int attach_type;   /* the kernel's expected attach type at load (enum
                                        * bpf_attach_type), or -1: by direction, or none */
        unsigned required; /* bits of KernParam without which there is no attachment
                                        * (unless the section name says it, see kern_type_hook()) */
        unsigned optional; /* further bits of KernParam */
        KernSharing sharing;
        bool needs_btf;    /* only loads with BTF of the running kernel */
        const char *needs; /* what the kernel must have: "Linux 6.6", "CONFIG_KPROBES";
                                        * NULL: any kernel that bpfkeeper runs on has it */
} KernType;

/* The table; the row after the last one has a NULL name. */
extern const KernType kern_types[];

/* The row called @name, or NULL. */
const KernType *kern_type_find(const char *name);

/*
 * The row that a libbpf section name belongs to ("tracepoint/sched/sched_switch" → tracepoint), or
 * NULL. Sleepable (".s") and optional ("?") marks are understood; the longest prefix wins.
 */
const KernType *kern_type_from_section(const char *section);

/* What stands behind the prefix in a section name ("sched/sched_switch"), or "" */
const char *kern_type_section_rest(const KernType *type, const char *section);

/*
 * The kernel's (libbpf's) name of a program or map type ("sched_cls", "percpu_array"), for objects
 * that were not loaded by us. Never NULL.
 */
const char *kern_prog_type_name(enum bpf_prog_type type);
const char *kern_map_type_name(enum bpf_map_type type);
const char *kern_link_type_name(enum bpf_link_type type);

/* "raw_tracepoint" → "raw-tracepoint" in ret (size at least 32): polkit ids have no underscore. */
void kern_type_action_suffix(const KernType *type, char *ret, size_t size);
