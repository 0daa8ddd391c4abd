/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kern-diag.h"
#include "kern-prefix.h"
#include "kern-types.h"

/*
 * Attaching and detaching. Both may wait for an RCU grace period: they run in the worker.
 *
 * What the kernel is asked for, so that the worker can be confined to it. System calls beyond memory,
 * read, pread, close, fstat: bpf (kern_attach_commands), perf_event_open, ioctl
 * (PERF_EVENT_IOC_ENABLE; SIOCGIFNAME), lsm_list_modules, and for sockets, all AF_NETLINK and
 * NETLINK_ROUTE, socket, setsockopt, bind, getsockname, sendto, sendmsg, recvmsg. For sockets that are
 * given getsockopt and setsockopt, which may wait for whoever is using the socket. Files opened, all
 * for reading:
 *   /sys/kernel/tracing/events/GROUP/NAME/id or below /sys/kernel/debug/tracing: tracepoint;
 *   /sys/kernel/tracing/available_filter_functions, likewise: kprobe_multi, where a pattern is
 *     given or a function is missing;
 *   /sys/bus/event_source/devices/{kprobe,uprobe}/{type,format/retprobe}: kprobes and uprobes;
 *   /sys/devices/system/cpu/online: perf_event;
 *   /sys/kernel/btf/vmlinux: tp_btf, fentry, fexit, fmod_ret, lsm, where a module has the target;
 *   /sys/kernel/security/lsm: lsm, on kernels before 6.8.
 * By O_PATH, the directories above a cgroup's, and readlink of what /proc/self/fd calls these, where the
 * kernel refuses a program there.
 * The kernel resolves, but does not open for us, /proc/self/fd/N of a uprobe's target: /proc must be
 * there. Interfaces are those of the network namespace that the process is in.
 *
 * An XDP program with an extension takes other commands (kern_xdp_commands), libxdp's dispatcher
 * (xdp-dispatcher.o) to read, and /sys/fs/bpf/xdp, where libxdp makes and removes directories and pins
 * and has its lock: mkdir, rmdir, unlink, getdents64, flock. The same goes for detaching one.
 *
 * Needs CAP_NET_ADMIN, CAP_PERFMON, CAP_BPF and, for libxdp, names of programs that are in the way and for
 * hardware events of other users' processes, CAP_SYS_ADMIN.
 */

typedef enum KernDirection {
        KERN_DIRECTION_NONE,
        KERN_DIRECTION_INGRESS,
        KERN_DIRECTION_EGRESS,
} KernDirection;

typedef enum KernFamily {
        KERN_FAMILY_NONE,
        KERN_FAMILY_IPV4,
        KERN_FAMILY_IPV6,
} KernFamily;

typedef enum KernXdpMode {
        KERN_XDP_MODE_AUTO, /* native, or skb where the driver can't */
        KERN_XDP_MODE_NATIVE,
        KERN_XDP_MODE_SKB,
        KERN_XDP_MODE_HW,
} KernXdpMode;

/* Who else may be on a cgroup and those below it: see kern-cgroup.h. */
typedef enum KernAttachFlags {
        KERN_ATTACH_FLAGS_MULTI,
        KERN_ATTACH_FLAGS_OVERRIDE,
        KERN_ATTACH_FLAGS_EXCLUSIVE,
        KERN_ATTACH_FLAGS_UNKNOWN, /* nobody can ask for */
} KernAttachFlags;

/* NFPROTO_IPV4 or NFPROTO_IPV6 */
uint8_t kern_family_number(KernFamily family);

/* "ingress", "skb"; "" for what is none. */
const char *kern_direction_to_string(KernDirection direction);
const char *kern_xdp_mode_to_string(KernXdpMode mode);
const char *kern_attach_flags_to_string(KernAttachFlags flags);

#define KERN_PRIORITY_DEFAULT 50
#define KERN_PRIORITY_MAX 65535

/* Bytes of a function's name, with the one behind its end. */
#define KERN_FUNCTION_MAX 128

/* What may be asked for at a time: bytes of all names and patterns, and functions that match these. */
#define KERN_FUNCTIONS_TEXT_MAX 65535
#define KERN_FUNCTIONS_MATCHED_MAX 16384

/*
 * Where a program goes: what a caller asked for, completed by what its section name says. Parameters
 * have their rows in kern_params[]; the rest is what it takes beside them.
 */
typedef struct KernHook {
        const KernType *type;
        uint64_t given; /* bits of KernParam: which of the fields below were given */
        uint32_t ifindex;
        int netns_fd; /* -1: none; kern_attach()'s caller has entered it; borrowed */
        KernDirection direction;
        uint32_t priority;
        KernXdpMode mode;
        char tracepoint[128]; /* "group:name" or "name" */
        char function[KERN_FUNCTION_MAX];
        char name[32]; /* one of the type's hooks */
        /* names and patterns, with commas between; borrowed, or NULL */
        const char *functions;
        uint64_t offset;
        KernNumbers offsets; /* in the target: functions that were found, or as they were given */
        int target_fd;       /* -1: none; open for reading; borrowed */
        int32_t pid;
        int pid_fd; /* -1: none; a pidfd of that process, which must live on meanwhile; borrowed */
        int cgroup_fd; /* -1: none; borrowed */
        uint32_t target_program_id;
        int target_program_fd; /* -1: none; borrowed */
        uint32_t map_id;
        int map_fd; /* -1: none; borrowed */
        KernFamily family;
        int32_t hook_priority;
        uint32_t defragment; /* 0 or 1 */
        char event[64];
        uint64_t frequency;
        uint64_t period;
        int32_t cpu;
        uint64_t cookie;
        KernNumbers cookies;          /* of functions, in their order */
        char before[32], after[32];   /* a neighbour, see kern-order.h */
        KernAttachFlags attach_flags; /* cgroups */
        int device_fd;                /* -1: none; open for writing; borrowed */
        int socket_fd;                /* -1: none; borrowed */
        uint32_t key;                 /* of an entry of the map */
        uint32_t index;               /* of an action of tc; 0: none yet */
        /* "10.2.0.0/16" */
        char route[KERN_PREFIX_TEXT_MAX];
        uint32_t table, metric; /* of the route */
        /* kernel links of ours on the hook that are to run later, the first one first */
        KernNumbers followers;
        /* xdp: extensions of ours on the interface, this one among them, see kern-xdp-arrange.h; of a route
         * (kern-route.h) the programs of ours besides this one */
        KernNumbers fellows;
        uint32_t proceed_on; /* xdp: bits 1 << XDP_ABORTED … XDP_REDIRECT, see kern-xdp.h */
        int extension_fd;    /* xdp: the program as an extension, -1: it can't share; borrowed */
        bool xdp_frags;      /* xdp: the program takes packets in fragments */
        bool xdp_shares;     /* xdp: the kernel can have several on an interface */
        /* usdt: places and specs (kern-usdt.h), where they were looked up; borrowed. map_fd is the map
         * of specs, in which those from the first one on are free. */
        KernNumbers usdt_sites, usdt_specs;
        uint32_t usdt_first;
        /* tc: the handle that the filter gets, 0: any that is free. Who has chosen it can find the
         * filter again without having been told that it was made. -EEXIST where it is taken.
         * tc_action: what the action is marked with. */
        uint32_t tc_handle;
} KernHook;

#define KERN_HOOK_INIT                       \
        ((KernHook){.target_fd = -1,         \
                    .cgroup_fd = -1,         \
                    .device_fd = -1,         \
                    .socket_fd = -1,         \
                    .netns_fd = -1,          \
                    .pid_fd = -1,            \
                    .target_program_fd = -1, \
                    .map_fd = -1,            \
                    .extension_fd = -1,      \
                    .cpu = -1,               \
                    .priority = KERN_PRIORITY_DEFAULT})

/* Where @hook has the parameter: as its kind says. */
static inline void *kern_hook_member(KernHook *hook, KernParam param)
{
        return (char *)hook + kern_params[param].offset;
}

/*
 * Parameters of any kind that has a number (an I32's sign goes through all 64 bits; the others have 0);
 * false where it is of another kind, or the number doesn't fit.
 */
uint64_t kern_hook_number(const KernHook *hook, KernParam param);
bool kern_hook_set_number(KernHook *hook, KernParam param, uint64_t number);

/* A copy of @text as a KERN_KIND_TEXT; false where it is too long for it. */
bool kern_hook_set_text(KernHook *hook, KernParam param, const char *text);

/* Makes the hook borrow nothing: no lists, no descriptors. */
void kern_hook_drop_borrowed(KernHook *hook);

/*
 * Completes @hook from the section name, for what was not given: direction, tracepoint, function,
 * offset; a uprobe's target path goes to ret_target_path (may be "", never opened here; size
 * PATH_MAX). -EINVAL with a diagnosis where the section is malformed. Parses no bytes but @section, and
 * of a route its text, which gets the form that all texts of that route have; its table is main, where none
 * was given.
 */
int kern_hook_complete(KernHook *hook, const char *section, char *ret_target_path, size_t size,
                       KernDiag *reterr_diag);

/*
 * Cheap checks that need no kernel: parameters that the type doesn't take, that are missing, that
 * contradict each other or are out of range.
 */
int kern_hook_check(const KernHook *hook, KernDiag *reterr_diag);

/* Of these those about values, for a hook that is attached already and has another place now. */
int kern_hook_check_change(const KernHook *hook, KernDiag *reterr_diag);

/*
 * The file offset of a function in an ELF binary or library: @symbol is looked for in .symtab and
 * .dynsym, "NAME@VERSION" and "NAME@@VERSION" among the versions of that name. Parses the file, needs no
 * privilege: better done where there is none, and kern_attach() given the offset.
 */
int kern_symbol_resolve(int fd, const char *symbol, uint64_t *ret_offset, KernDiag *reterr_diag);

/* Where functions begin in a file, by offset, each once, and which of the wishes meant it first. */
typedef struct KernPlace {
        uint64_t offset;
        uint32_t wish;
} KernPlace;

typedef struct KernPlaces {
        KernPlace *list;
        size_t n;
} KernPlaces;

void kern_places_done(KernPlaces *places);

/*
 * As kern_symbol_resolve(), for names and patterns with commas between; there is a function for each, or
 * it fails.
 */
int kern_symbols_resolve(int fd, const char *functions, KernPlaces *ret, KernDiag *reterr_diag);

/*
 * Refuses offsets in the file at which nothing is executed. The kernel would put a breakpoint there in
 * each process that has the file mapped, into its data: in the ELF's header or symbols, for one, that
 * is the end of whatever is linked with the library. Of what is no ELF nobody can tell. Reads the
 * target, as those two do: never in a process that has more than its caller.
 */
int kern_offsets_check(int fd, const uint64_t *offsets, size_t n, KernDiag *diag);

/* The links of an attachment come in one message, and that has at most 253 descriptors (SCM_MAX_FD). */
#define KERN_LINKS_MAX 250

/*
 * What holds an attachment: kernel links (perf_event on all CPUs has one per CPU), or, where the
 * kernel has no link for the hook, what finds it again.
 */
typedef struct KernAttachment {
        int *link_fds; /* owned */
        size_t n_links;
        uint32_t tc_handle; /* tc (clsact): the filter's handle and priority; an action's mark */
        uint32_t tc_priority;
        /* where the filter was before it moved, and one with the same handle may be still; 0: nowhere */
        uint32_t tc_old_priority;
        uint32_t
                tc_slot; /* tc: the place in a chain (kern-tc.h), whose filter that is; 0: in none */
        uint32_t tc_dispatcher; /* and the id of the program that is the filter's */
        KernXdpMode xdp_mode;   /* xdp: the mode it ended up with */
        uint32_t xdp_member; /* xdp: the id of the extension in libxdp's dispatcher; 0: in none */
} KernAttachment;

#define KERN_ATTACHMENT_INIT ((KernAttachment){0})

/*
 * Attaches. Where this fails nothing stays attached.
 *
 * tp_btf, fentry, fexit, fmod_ret and lsm programs go where they were loaded for. The hook must say the same, and
 * what the kernel says is what counts: KERN_ERROR_INVALID_ARGUMENT otherwise.
 *
 * tc goes through a clsact filter, and xdp, where it shares the interface, through libxdp's
 * dispatcher: n_links is 0 and the attachment lives until kern_detach() or the interface's end. So it is
 * with what is held (kern-holder.h), until the holder's end. What a socket was given is the socket's alone from
 * then on, and is neither detached nor asked for here. All others live as long as their links' descriptors or
 * pins.
 */
int kern_attach(int prog_fd, const KernHook *hook, KernAttachment *ret, KernDiag *reterr_diag);

/*
 * Detaches, and returns when the program no longer runs on the hook. Kernel links are detached
 * (BPF_LINK_DETACH where the kind of link can) and their descriptors closed; the caller has
 * removed their pins before, and closed its own descriptors of them: links of perf events and
 * trampolines end with the last one. tc is found by @hook, the filter's handle and the program's
 * kernel id @prog_id, so that @attachment may come from a state file and the program's descriptor
 * may be gone (@prog_fd -1). The same goes for what is held (kern-holder.h), whose holder's descriptor @hook
 * has, or -1 where it is gone. An attachment that is already gone is success; somebody else's program
 * that took the place stays.
 */
int kern_detach(int prog_fd, uint32_t prog_id, const KernHook *hook, KernAttachment *attachment,
                KernDiag *reterr_diag);

/*
 * Whether the hook still has the program: 1, 0 or a negative errno. Cheap (tc: one netlink round
 * trip, the others: one bpf(2) call), may be called in the daemon. @hook is as for kern_detach().
 */
int kern_is_attached(uint32_t prog_id, const KernHook *hook, const KernAttachment *attachment);

/*
 * A descriptor of which each read runs the program of an iterator's link, for more objects. From its
 * begin again: another descriptor. A negative errno, -EINVAL where it is no link of an iterator.
 */
int kern_iterator_open(int link_fd);

/* Closes what is left of the descriptors (which detaches what isn't pinned), frees the array. */
void kern_attachment_done(KernAttachment *attachment);
