/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "ops.h"
#include "sharing.h"

/*
 * Attach() in several files: op-attach.c has the steps (attach-socket.c those where no link comes of it),
 * attach-hook.c makes the hook (attach-change.c that of a link that is changed, attach-device.c looks at devices,
 * attach-netns.c at interfaces and where they are), attach-authorize.c asks polkit, attach-resolve.c has functions
 * of a target looked up, attach-place.c finds its place among others. This is what they share; it is the op of
 * the request.
 */

typedef struct AttachOp {
        BusAttachArgs *args;
        uint32_t program_id;
        uint64_t said;  /* Update() and the like: which parameters were given, bits of KernParam */
        KernHook hook;  /* as asked for; polkit, the state file and the link have this one */
        KernHook probe; /* as the worker gets it: a symbol of the target is an offset in it */
        /* What the hook borrows, by KernParam; numbers are of args. */
        int files[_KERN_PARAM_MAX];     /* owned; -1: none */
        char *lists[_KERN_PARAM_MAX];   /* owned */
        char *texts[_KERN_PARAM_MAX];   /* owned; see hook-param.h */
        int program_fd, map_fd, pid_fd; /* owned */
        /* What the probe borrows where functions of a target were looked up; owned, uint64_t */
        GArray *offsets, *cookies;
        GArray *usdt_sites, *usdt_specs;
        uint32_t specs_map;  /* usdt: the kernel's id of the program's map of specs */
        SharingSpecs *specs; /* usdt: the part of it that is to be the link's, or NULL */
        uint64_t cgroup_id, device_number;
        Netns netns;                 /* that the interface is in */
        Link *link;                  /* being attached; owned until it is registered */
        bool is_with_worker;         /* sockets, of which there is no link: one may have begun */
        SharingTurn *turn;           /* on its hook, or NULL */
        GArray *followers, *fellows; /* what the probe borrows as such; or NULL */
        void (*next)(
                Request *request); /* of attach-resolve.c and attach-place.c: what comes after */
} AttachOp;

/* Of the options that a method was called with; released by attach_op_done(). */
AttachOp *attach_op_new(BusAttachArgs *args);
void attach_op_init(AttachOp *op, BusAttachArgs *args);
void attach_op_done(AttachOp *op);

/*
 * For Update(): the hook of @link with what the options say of its place. NULL, or what is wrong. They may
 * bring its network namespace, which is in op->files then.
 * ReplaceProgram() takes in addition, where the new program goes beside the old one, what no link keeps:
 * the file that it is in and the process that it is for, and they must be the same.
 */
GError *attach_hook_change(AttachOp *op, uid_t uid, const Link *link);
GError *attach_hook_replace(AttachOp *op, Daemon *daemon, uid_t uid, const Link *link,
                            const Program *program);

/*
 * What of a hook is the program's: the map that is attached with a struct_ops program, and that by which
 * a usdt program finds arguments. NULL, or what is wrong.
 */
GError *attach_hook_set_struct_ops(AttachOp *op, const Program *program);
GError *attach_hook_set_specs(AttachOp *op, Daemon *daemon, const Program *program);

/* Has a part of that map found for the probe, which is the op's from then on. */
void attach_hook_take_specs(AttachOp *op, Daemon *daemon, LinkSpecs *ret);

/* Opens the map of the hook, of whichever kind: false where it is gone. */
bool attach_hook_open_map(AttachOp *op, Daemon *daemon);

/* For DetachWithOptions(), which takes nothing but that, and the device that the link is on. */
GError *attach_hook_reach(AttachOp *op, uid_t uid, const Link *link);

/* One option, of its right D-Bus type, checked and looked up as @uid may. */
GError *attach_hook_set(AttachOp *op, uid_t uid, KernParam param, const BusValue *value);

/* Of these the interface, and the network namespace, which comes before it. */
GError *attach_hook_set_interface(AttachOp *op, uid_t uid, KernParam param, const BusValue *value);
GError *attach_hook_set_netns(AttachOp *op, uid_t uid, KernParam param, const BusValue *value);

/* What the kernel has no link of is found again from within its namespace: NULL, or why it isn't. */
GError *attach_hook_check_netns(const AttachOp *op);

/* And the device: a descriptor, open for writing where a program is to be attached. */
GError *attach_hook_set_device(AttachOp *op, uid_t uid, KernParam param, const BusValue *value);

/* And the socket, which is a descriptor, too. */
GError *attach_hook_set_socket(AttachOp *op, uid_t uid, KernParam param, const BusValue *value);

/* What a worker is told of every Attach(): the program, the hook, and its files. */
int attach_append_hook(sd_bus_message *m, const Request *request, const Program *program);

/* Has a worker set the program, and answers: there is no link, and nothing to be undone. */
void attach_to_socket(Request *request);

/* The device of a link, given again: it must be that one. */
GError *attach_hook_bring_device(AttachOp *op, uid_t uid, const Link *link, const BusValue *value);

/* Notes that the parameter is there. */
void attach_hook_set_given(AttachOp *op, KernParam param);

/* Takes @fd, which has been looked at, and what it is called. */
void attach_hook_use_file(AttachOp *op, KernParam param, int fd, char *text);

/*
 * On the link's turn: has a worker look at the hook, where what is there matters, and calls @next or answers with
 * an error.
 */
void attach_look(Request *request, void (*next)(Request *request));

/*
 * Completes the probe with who is beside it. What is on the hook now is there until this turn ends, but for
 * what somebody takes off it. NULL, or why there is no room.
 */
GError *attach_find_place(AttachOp *op, Daemon *daemon);

/* Asks polkit whether @program may be attached so, with all that there is to say of it. */
void attach_authorize(Request *request, const Program *program, void (*allowed)(Request *request));

/* Asks whether the map that it is attached to, or goes over, may be used so, where it is somebody else's. */
void attach_authorize_map(Request *request, void (*allowed)(Request *request));

/*
 * For GetHook(): sets the interface, the cgroup, or family and hook of netfilter's, one of which must be all
 * that the options say, with or as a network namespace. NULL, or what is wrong.
 */
GError *attach_hook_set_place(AttachOp *op, uid_t uid);

/*
 * The hook that the options and the section name of @program describe, checked as far as can be
 * told without attaching. NULL, or what is wrong.
 */
GError *attach_hook_make(AttachOp *op, Daemon *daemon, uid_t uid, const Program *program);

/*
 * Has a worker that can do nothing else look up functions in the target, which is a file of the
 * caller's choice, and calls @next with op->probe filled, or answers with an error. Hooks without a
 * target need no worker.
 */
void attach_hook_resolve(Request *request, void (*next)(Request *request));
