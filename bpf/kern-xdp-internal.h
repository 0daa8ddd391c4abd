/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "kern-attach.h"
#include "kern-xdp.h"

/* What the files kern-xdp*.c and kern-attach-net.c share. */

/* Where libxdp has its pins, as its protocol says; nobody tells it another place in our processes. */
#define KERN_XDP_DIR "/sys/fs/bpf/xdp"

/* The id of the program that is on the interface, in native or skb mode; 0: none. */
int kern_xdp_current(uint32_t ifindex, uint32_t *ret);

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

/* libxdp's view of a program of an object; to be asked by libxdp_get_error(). */
struct bpf_object;
struct xdp_program *kern_xdp_program_of(struct bpf_object *object, const char *name);

/* libxdp prints warnings; nobody reads them here. */
void kern_xdp_be_quiet(void);

/* What a program that is loaded as an extension is loaded against: @ret_fd is the caller's. */
int kern_xdp_target(int *ret_fd, uint32_t *ret_btf_id);
