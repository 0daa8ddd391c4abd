/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <xdp/libxdp.h>

#include "kern-attach.h"
#include "kern-util.h"
#include "kern-xdp.h"

/* What the files kern-xdp*.c and kern-attach-net.c share. */

/* Where libxdp has its pins, as its protocol says; nobody tells it another place in our processes. */
#define KERN_XDP_DIR "/sys/fs/bpf/xdp"

/* The id of the program that is on the interface, in native or skb mode; 0: none. */
int kern_xdp_current(uint32_t ifindex, uint32_t *ret);

/*
 * What a dispatcher, as libxdp of our version makes them, was configured to do. -EOPNOTSUPP where it
 * is of another version, -EBUSY where it is none.
 */
struct xdp_dispatcher_config;
int kern_xdp_config(int dispatcher_fd, struct xdp_dispatcher_config *ret);

/* The id of the program that is pinned there; 0: none is. */
uint32_t kern_xdp_pinned_id(const char *path);

/* Interface @name has an XDP program that others can't join; says which, and what to do. Returns @r. */
int kern_xdp_busy(int r, const KernHook *hook, const char *name, KernDiag *diag);

/*
 * kern-xdp-member.c, which is where libxdp runs: makes hook->extension_fd a member on the interface
 * @name. 1, or a negative errno with a diagnosis, or 0 where nothing is on the interface and libxdp
 * can't have this program there.
 */
int kern_xdp_join(const KernHook *hook, const char *name, KernAttachment *attachment,
                  KernDiag *diag);

/* Takes the member off the interface; it is no failure if it isn't there. The others stay. */
int kern_xdp_leave(uint32_t ifindex, uint32_t extension, KernDiag *diag);

/*
 * What is on the interface, NULL where nothing is. A dispatcher that is replaced between libxdp's
 * two looks, at the interface and at the pins, is "legacy" to libxdp for a moment.
 */
struct xdp_multiprog;
int kern_xdp_look(uint32_t ifindex, struct xdp_multiprog **ret);

static inline void kern_xdp_close(struct xdp_multiprog **mp)
{
        xdp_multiprog__close(*mp);
}

#define KERN_AUTO_MULTIPROG KERN_CLEANUP(kern_xdp_close)

/* libxdp itself tries eleven times within some milliseconds; others may take longer than that. */
#define KERN_XDP_ATTEMPTS 20
void kern_xdp_pause(void);

/* libxdp's lock, as it takes it; the descriptor's close is its end. */
int kern_xdp_lock(void);

typedef struct KernXdpMember {
        uint32_t id; /* the kernel's, of the program that runs: of ours, the extension */
        uint32_t priority;
        uint32_t proceed_on; /* bits 1 << XDP_ABORTED … XDP_REDIRECT */
        bool frags;
        char name[128];
} KernXdpMember;

typedef struct KernXdpMembers {
        uint32_t dispatcher; /* its id; 0: none is there */
        KernXdpMode mode;
        size_t n;
        KernXdpMember list[KERN_XDP_MEMBERS_MAX]; /* in the order in which they run */
} KernXdpMembers;

/*
 * Who is in the dispatcher on the interface, by its configuration and the pins of its members; names
 * are cut as the kernel has them. -EBUSY where a program that is no dispatcher is on the interface.
 */
int kern_xdp_members(uint32_t ifindex, KernXdpMembers *ret);

/* libxdp's view of a program of an object; to be asked by libxdp_get_error(). */
struct bpf_object;
struct xdp_program *kern_xdp_program_of(struct bpf_object *object, const char *name);

/* libxdp prints warnings; nobody reads them here. */
void kern_xdp_be_quiet(void);

/* What a program that is loaded as an extension is loaded against: @ret_fd is the caller's. */
int kern_xdp_target(int *ret_fd, uint32_t *ret_btf_id);
