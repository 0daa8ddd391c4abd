/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "daemon.h"

/*
 * A method call on its way: who asks, what it was charged, what ends it. An operation runs in steps;
 * between two of them the main loop goes on, so every step looks objects up again by id.
 */
typedef struct Request {
        Daemon *daemon;
        sd_bus_message *m;
        uid_t uid;
        bool known;                /* the uid; not so where the caller left at once */
        GCancellable *cancellable; /* cancelled when the caller leaves the bus */
        void *op;                  /* the operation's own */
        /* private */
        GDestroyNotify op_free;
        void (*run)(struct Request *request);
        void (*allowed)(struct Request *request);
        void (*work)(void *op);
        void (*worked)(struct Request *request);
        Peer *peer;
        bool charged;
        char *action;
        /* For the journal */
        Caller *caller;      /* or NULL */
        const char *verdict; /* of polkit, or why it wasn't asked; NULL: it didn't come to that */
        GPtrArray *facts;    /* "BPFKEEPER_TYPE=xdp" and so on, or NULL */
} Request;

/*
 * Finds out who calls, charges it, and calls @run; or answers with an error. Takes @op, which is
 * freed by @op_free when the request ends (both may be NULL).
 */
void request_start(Daemon *daemon, sd_bus_message *m, void *op, GDestroyNotify op_free,
                   void (*run)(Request *request));

/*
 * Asks polkit for @action, with @details (ending with a NULL key), and calls @allowed, or answers with
 * the error that belongs to the verdict. Interactive if the message allows it.
 */
void request_authorize(Request *request, const char *action, const AuthzDetail *details,
                       void (*allowed)(Request *request));

/*
 * Runs @work with the operation in a thread, for what may block, and then @done in the main loop. In
 * between nothing else may touch the operation; @work touches nothing else.
 */
void request_in_thread(Request *request, void (*work)(void *op), void (*done)(Request *request));

/* An object that belongs to somebody, as polkit is told of it. */
typedef struct Belonging {
        uint32_t id;
        const char *name;
        const char *type;
        uid_t owner;
} Belonging;

/* request_authorize() with such an object's details: name, id, type, owner. */
void request_authorize_others(Request *request, const char *action, const Belonging *object,
                              void (*allowed)(Request *request));

/*
 * For what uses a program that may be somebody else's, or not of the service: calls @allowed where it is
 * the caller's own, or polkit allows use-others; else answers with an error.
 */
void request_authorize_use(Request *request, uint32_t program_id,
                           void (*allowed)(Request *request));

/* "There is no program with the id 42." */
GError *no_such_object(BusKind kind, uint32_t id);

/* Answers with an error, which it takes, and ends the request. */
void request_fail(Request *request, GError *error);

/*
 * Ends a request that was answered by a function that returned @r; where that failed, the caller gets
 * an error instead, so that it isn't left waiting.
 */
void request_finish(Request *request, int r);

/* Ends a request that was answered. */
void request_done(Request *request);

/* Whether the caller has left; then nobody waits for the answer and what was done is to be undone. */
bool request_is_cancelled(const Request *request);

/* The polkit action that was asked for last, or NULL. */
const char *request_action(const Request *request);

/* Keeps @fd (duplicated; or -1: none) as the verifier's log of the caller's last Load(). */
void request_keep_log(Request *request, int fd);
int request_last_log(const Request *request);
