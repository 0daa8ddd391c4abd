/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * The table of parameters: what an attachment can be told. Everything that carries one from the
 * caller to the kernel and back walks this table: the options of Attach(), polkit's details and its
 * message, what the worker is told, the state file, the properties of a link, bpfctl's options.
 */

/* State files and workers have the numbers: new ones go to the end. */
typedef enum KernParam {
        KERN_PARAM_INTERFACE,
        KERN_PARAM_DIRECTION,
        KERN_PARAM_PRIORITY,
        KERN_PARAM_MODE,
        KERN_PARAM_TRACEPOINT,
        KERN_PARAM_FUNCTION,
        KERN_PARAM_OFFSET,
        KERN_PARAM_TARGET,
        KERN_PARAM_PID,
        KERN_PARAM_CGROUP,
        KERN_PARAM_EVENT,
        KERN_PARAM_FREQUENCY,
        KERN_PARAM_PERIOD,
        KERN_PARAM_CPU,
        KERN_PARAM_COOKIE,
        KERN_PARAM_FUNCTIONS,
        KERN_PARAM_COOKIES,
        KERN_PARAM_TARGET_PROGRAM,
        KERN_PARAM_PROCEED_ON,
        KERN_PARAM_HOOK,
        KERN_PARAM_OFFSETS,
        KERN_PARAM_NETNS,
        KERN_PARAM_TARGET_MAP,
        KERN_PARAM_FAMILY,
        KERN_PARAM_HOOK_PRIORITY,
        KERN_PARAM_DEFRAGMENT,
        KERN_PARAM_BEFORE,
        KERN_PARAM_AFTER,
        KERN_PARAM_ATTACH_FLAGS,
        KERN_PARAM_DEVICE,
        KERN_PARAM_SOCKET,
        KERN_PARAM_KEY,
        KERN_PARAM_INDEX,
        KERN_PARAM_ROUTE,
        KERN_PARAM_TABLE,
        KERN_PARAM_METRIC,
        _KERN_PARAM_MAX,
} KernParam;

#define KERN_PARAM_BIT(p) (UINT64_C(1) << (p))

/* What a parameter is in KernHook, and with that on the bus, in the state file and for people. */
typedef enum KernKind {
        KERN_KIND_U32,       /* uint32_t */
        KERN_KIND_U64,       /* uint64_t */
        KERN_KIND_I32,       /* int32_t */
        KERN_KIND_TEXT,      /* char[] */
        KERN_KIND_WORD,      /* an enum: the place among the row's words */
        KERN_KIND_WORDS,     /* uint32_t: a bit for each of the row's words */
        KERN_KIND_TEXTS,     /* const char *: a list with commas between, or NULL; borrowed */
        KERN_KIND_NUMBERS,   /* KernNumbers */
        KERN_KIND_INTERFACE, /* uint32_t: index of a network interface; 0: none */
        KERN_KIND_FILE,      /* int: descriptor of what a path would name; -1: none; borrowed */
        KERN_KIND_PROGRAM,   /* uint32_t: the kernel's id of a program; 0: none */
        KERN_KIND_MAP,       /* uint32_t: the kernel's id of a map; 0: none */
        KERN_KIND_PROCESS,   /* int32_t: number of a process; which one, a pidfd may say */
} KernKind;

typedef struct KernNumbers {
        const uint64_t *list; /* borrowed */
        size_t n;
} KernNumbers;

typedef struct KernParamInfo {
        const char *name; /* as in options on the bus and, with hyphens, of bpfctl: "interface" */
        const char *form; /* what stands for its value in help: "IFACE" */
        const char *summary; /* one line for help and man page */
        KernKind kind;
        size_t offset, size;      /* where it is in KernHook */
        const char *const *words; /* NULL-terminated; "" is none that can be given */
        int64_t min, max;         /* of numbers, where they are given; both 0: any */
        bool has_default;         /* it means something where it wasn't given, too */
        /*
         * Where the program goes, in polkit's message, as if after "attach the program": only of
         * types that require it. What is in brackets follows all the others.
         */
        const char *sentence, *brackets;
        const char *key; /* in the state file's group Hook */
} KernParamInfo;

/* Indexed by KernParam. */
extern const KernParamInfo kern_params[_KERN_PARAM_MAX];

/* The place of @word among @words, or -1 where it is none that can be given. */
int kern_word_find(const char *const *words, const char *word);

/* The word at that place, "" where there is none. */
const char *kern_word(const char *const *words, unsigned place);

/* "ingress or egress", with @quote around each. */
void kern_words_list(const char *const *words, const char *quote, char *ret, size_t size);

/* KERN_PARAM_PROCEED_ON's, by their numbers: XDP's actions, and those of tc that are verdicts. */
extern const char *const kern_xdp_actions[];
extern const char *const kern_tc_actions[];
