/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "link-change.h"
#include "sharing.h"

/*
 * What the files of link_change() share: link-change.c decides what is to be done, and has it done where
 * there is no kernel link; link-change-replace.c is for what changes one, link-change-move.c for what another
 * one takes the place of.
 */

#define CHANGE_TIMEOUT_SEC 20

typedef struct Change {
        Daemon *daemon;
        uint32_t id; /* the link's */
        uid_t uid;
        LinkValues values; /* as it is to be; once it has come to pass, as it was */
        uint32_t neighbour;
        uint32_t old_member;
        unsigned attempts;
        GArray *followers, *fellows;
        const KernHook *probe; /* what is to be attached beside the old one, or NULL; borrowed */
        KernHook hook;         /* as it is to be, without descriptors */
        int cgroup_fd;         /* or -1 */
        int netns_fd;          /* or -1: it is in ours */
        int brought_netns;     /* the way to it that somebody brought, or -1; borrowed */
        int new_link;          /* or -1; of several the first */
        GArray *new_ids;     /* uint32_t: the kernel's of all of these, each of which has its pin */
        KernAttachment old;  /* descriptors of the kernel links that there are */
        SharingSpecs *specs; /* of a usdt program: what the old one reads until it ends */
        SharingTurn
                *turn; /* at the next start; else it is the request's, who asks for the change */
        LinkChanged done;
        void *userdata;
} Change;

/* What the link had is in @values then. */
void change_swap_values(Link *link, LinkValues *values);

/* Writes down what is to be. */
bool change_write_next(Change *c, Link *link, GError **reterr);

/* It has come to pass: the link is the new one, and its file says so. change_finish() ends the change, too. */
void change_adopt(Change *c, Link *link);
void change_finish(Change *c);

/* It is as it was: what was written down beside it goes, and pins that were made. */
void change_give_up(Change *c, GError *error);

/* After change_adopt() or change_give_up() */
void change_end(Change *c, GError *error);

void change_call(Change *c, const char *method, WorkerFill fill, WorkerDone done);

/* Whether to call once more for a worker that died: it may have done it, and doing it twice is no harm. */
bool change_try_again(Change *c, const sd_bus_message *reply, GError *error, const char *method,
                      WorkerFill fill, WorkerDone done);

/*
 * Whether the change ended, since the service does: a worker that was killed may yet have done it, and what
 * is written down is for the next service to look at.
 */
bool change_left_to_next(Change *c, const sd_bus_message *reply, GError *error);

int change_append_program(sd_bus_message *m, Daemon *daemon, uint32_t id);
void change_close_old(Change *c);

/*
 * Where what there is to be done for the link has to be done from within another network namespace: has
 * c->netns_fd opened. NULL, or why it can't be entered.
 */
GError *change_open_netns(Change *c, const Link *link);

/* The link's cgroup, where it is on one, for c->hook: NULL, or why it isn't found. */
GError *change_open_cgroup(Change *c, const Link *link);

/* The same for a tc filter of its own, which has no kernel link; at the next start what is left of it. */
void change_filter(Change *c, Link *link);

/* Attaches the program where it is to be, and then takes away what there was. */
void change_place(Change *c, Link *link);

/* Has the kernel put another program, or another struct_ops, where there is one. */
void change_in_place(Change *c, const Link *link);

/* Attaches another one as c->probe says, or next to where it goes, and then takes away what there was. */
void change_beside(Change *c, Link *link);

/* The second half of that, at the next start. */
void change_end_place(Change *c, Link *link);
