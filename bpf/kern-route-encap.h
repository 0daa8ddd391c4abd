/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <netlink/msg.h>

#include "kern-types.h"

/*
 * What a route has beside its next hop (RTA_ENCAP): a tunnel or the like, or programs, of which the kernel tells
 * no more than the names that whoever made the route gave them. Ours are "bpfkeeper:" and the program's id.
 */

/* Where a program can be on a route: the first three side by side, the last one alone. */
typedef enum KernSlot {
        KERN_SLOT_IN,
        KERN_SLOT_OUT,
        KERN_SLOT_XMIT,
        KERN_SLOT_SEGMENT,
        _KERN_SLOT_MAX,
} KernSlot;

/* That of a type's programs. */
KernSlot kern_slot_of(const KernType *type);

/* The type whose programs are there: "lwt_in". */
const char *kern_slot_type(KernSlot slot);

/* With the byte behind its end; the kernel's MAX_PROG_NAME. */
#define KERN_ENCAP_NAME_MAX 257

typedef struct KernEncap {
        uint16_t type;   /* LWTUNNEL_ENCAP_NONE, or another number of the kernel's */
        uint32_t action; /* of LWTUNNEL_ENCAP_SEG6_LOCAL */
        bool programs;   /* nothing but programs, whose names are these; "" where there is none */
        uint32_t
                program_id; /* of the last one of them, of which alone the kernel tells it; 0: it doesn't */
        char names[_KERN_SLOT_MAX][KERN_ENCAP_NAME_MAX];
} KernEncap;

/* From a route's RTA_ENCAP_TYPE and RTA_ENCAP, either of which may be NULL. */
void kern_encap_read(const struct nlattr *type, const struct nlattr *encap, KernEncap *ret);

/* The id that the name in a slot says, if it is of our kind; else 0. Anybody can give such a name. */
uint32_t kern_encap_id(const KernEncap *encap, KernSlot slot);

/* "an encapsulation of kind mpls", "a lwt_in program (drop.o:[in])": what is there that isn't ours, if anything is. */
const char *kern_encap_describe(const KernEncap *encap, char *ret, size_t size);

/* Programs for a route: their ids, 0 where there is none, and their descriptors. */
typedef struct KernSlots {
        uint32_t ids[_KERN_SLOT_MAX];
        int fds[_KERN_SLOT_MAX];
} KernSlots;

/* Appends both attributes, or none if there is no program. */
int kern_encap_put(struct nl_msg *message, const KernSlots *slots);
