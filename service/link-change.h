/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "daemon.h"

/*
 * Changing a link: another place among those that share its hook, other results to proceed on, or
 * another program. There is no instant in which neither the old nor the new is attached.
 *
 * What is to be is written down beside what is (see store_write_change()), then done, then the one file
 * takes the other's place. Who dies in between leaves both, and the next service sees by what the kernel
 * has which of them is true.
 */

/*
 * Pins beside a link's own, while it is changed: from the first one on those of the new kernel links, by
 * their places among the link's own, and that of what keeps its stand-in going.
 */
enum {
        LINK_PIN_NEXT = KERN_LINKS_MAX,
        LINK_PIN_TABLE = 2 * KERN_LINKS_MAX,
};

/* What there is to change of a link. */
typedef struct LinkValues {
        uint32_t program_id;
        char *program_name; /* owned */
        uint64_t given; /* with the bits for priority, before, after and proceed_on as they are */
        uint32_t priority, proceed_on;
        char before[sizeof(((KernHook *)0)->before)], after[sizeof(((KernHook *)0)->after)];
        uint32_t xdp_member;
        uint32_t tc_priority, tc_old_priority; /* of a filter of its own */
        uint32_t map_id;                       /* struct_ops: what is attached */
        LinkSpecs specs;                       /* usdt */
        size_t n_links;
        uint32_t kernel_link;
        bool stand_in;
} LinkValues;

/* As they are; to be released by link_values_done(). */
void link_values_get(const Link *link, LinkValues *ret);
void link_values_done(LinkValues *values);

typedef struct LinkChange {
        uid_t uid;          /* who wants it */
        LinkValues values;  /* as it is to be */
        bool moves;         /* somebody said where it is to be among others */
        uint32_t neighbour; /* the kernel link that before or after means, or 0 */
        /* Where another program goes beside the old one: the hook with its descriptors and with places in
         * place of names, borrowed until the end; else NULL. */
        const KernHook *probe;
        int netns_fd; /* the link's network namespace, borrowed likewise; -1: it is found by its path */
} LinkChange;

/*
 * Changes a link that is attached, and registered. Of @wanted it takes the values. The caller has its turn
 * on the hook (see sharing.h), so that nobody else changes, detaches or joins there. @done gets NULL, or an
 * error: then everything is as it was.
 */
typedef void (*LinkChanged)(GError *error, void *userdata);
void link_change(Daemon *daemon, Link *link, LinkChange *wanted, LinkChanged done, void *userdata);

/*
 * Whether another program can be where the link's is: NULL, or why not, and what to do instead.
 */
GError *link_check_replace(const Link *link);

/* At start: what was left to be done for a link whose change had come to pass. */
void link_change_resume(Daemon *daemon, Link *link);
