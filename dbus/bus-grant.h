/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <glib.h>
#include <systemd/sd-bus.h>

/* What the methods of the Manager that are about permissions take and answer. */

/* AddGrant(); what wasn't told is NULL. */
typedef struct BusGrantArgs {
        char *user;
        char *group;
        char **types;
        char **verbs;
        char *interface;
        char *cgroup;
        char *signed_by;
        uint64_t until;
        bool has_until;
} BusGrantArgs;

void bus_grant_args_free(BusGrantArgs *args);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(BusGrantArgs, bus_grant_args_free)

/* One of ListGrants(): strings are "" and times 0 where there is nothing to say. Borrowed. */
typedef struct BusGrant {
        const char *id;
        const char *user;
        const char *group;
        const char *const *types; /* or "all" by itself */
        const char *const *verbs;
        const char *interface;
        const char *cgroup;
        const char *signed_by;
        uint64_t until;
        uint64_t created;
        const char *created_by;
        const char *state; /* "active", "expired" or "broken" */
        const char *error;
} BusGrant;

/* CheckAuthorization() */
typedef struct BusCheckArgs {
        char *verb;
        char *type;
        GPtrArray *details; /* char *: key, value, key, value, … */
} BusCheckArgs;

void bus_check_args_free(BusCheckArgs *args);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(BusCheckArgs, bus_check_args_free)

typedef struct BusCheck {
        const char *verdict; /* "yes", "challenge" or "no" */
        const char *action;
        const char *user;
        const char *const *grants;     /* ids of those that cover it */
        const char *const *elsewhere;  /* of those that would on another interface or cgroup */
        const char *const *not_signed; /* of those that would if another one had signed it */
        const char *const *expired;    /* of those that did */
} BusCheck;

/* Answers, as in bus-ops.h */
int bus_reply_grant(sd_bus_message *m, const char *id);
int bus_reply_grants(sd_bus_message *m, const BusGrant *grants, size_t n);
int bus_reply_check(sd_bus_message *m, const BusCheck *check);
