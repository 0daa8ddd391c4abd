/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

/*
 * The process that asks for something, for the journal. Nothing is decided by it: a process can be
 * another one by the time that it is looked at, and calls itself what it likes.
 */
typedef struct Caller {
        pid_t pid; /* 0: not known */
        /* From caller_look() on, where they are known, else NULL */
        char *comm;
        char *unit;
        char *user_unit;
        char *session;
        /* private */
        int pidfd;
        uid_t uid;
        bool looked;
} Caller;

/*
 * @pidfd is of that process, and duplicated; where it is -1, a process of that number and uid is taken
 * for it as long as there is one.
 */
Caller *caller_new(pid_t pid, int pidfd, uid_t uid);
Caller *caller_ref(Caller *caller);
void caller_unref(Caller *caller); /* NULL is fine */

/* Finds out what it is, the first time. What it says is of this process and not of a later one. */
void caller_look(Caller *caller);

/* Whether it is still there. */
bool caller_is_alive(const Caller *caller);
