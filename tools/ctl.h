/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <inttypes.h>
#include <stdbool.h>

#include "agent.h"
#include "bus-client.h"
#include "options.h"
#include "pager.h"
#include "table.h"

/* What every verb of bpfctl works with. */

/* Exit statuses: documented in bpfctl(1), so that scripts can rely on them. */
typedef enum CtlExit {
        CTL_OK = 0,
        CTL_FAILED = 1,
        CTL_USAGE = 2,
        CTL_REFUSED = 3,   /* by polkit, or by the bus's policy */
        CTL_NOT_FOUND = 4, /* no such program, map, link or grant */
} CtlExit;

typedef enum CtlJson {
        CTL_JSON_OFF,
        CTL_JSON_SHORT,
        CTL_JSON_PRETTY,
} CtlJson;

typedef struct Ctl {
        Options options;
        CtlJson json;
        bool quiet;
        bool legend;
        bool pager_wanted;
        bool ask_password;
        bool colour;
        bool bus_first; /* the service may come and go meanwhile */
        sd_bus *bus;
        Agent agent;
        Pager pager;
} Ctl;

typedef struct Verb {
        const char *name;      /* "map get" is two words */
        const char *arguments; /* as in help: "PROGRAM [IFACE]" */
        int min, max;          /* how many arguments; max -1: any number */
        const Option *options; /* beside those that every verb takes; NULL: none */
        const char *summary;   /* a line for the list of verbs */
        const char *help;      /* what more there is to say, or NULL */
        CtlExit (*run)(Ctl *ctl, int argc, char **argv);
} Verb;

/* Sets up @ctl from its options; false where they are wrong, which is said. */
bool ctl_init(Ctl *ctl);

/* Ends the pager, the agent and the connection. */
void ctl_done(Ctl *ctl);

/* "bpfctl: …" on stderr, escaped, with a newline. Returns CTL_FAILED and CTL_USAGE. */
CtlExit ctl_fail(const char *format, ...) G_GNUC_PRINTF(1, 2);
CtlExit ctl_usage(const char *format, ...) G_GNUC_PRINTF(1, 2);

/* "bpfctl: WHAT: the service's message"; returns the exit status that the error has. */
CtlExit ctl_bus_error(const sd_bus_error *error, const char *format, ...) G_GNUC_PRINTF(2, 3);

/*
 * bus_client_call() on the connection, which is made at the first call. Where a password would do and
 * nobody is there to ask for it, starts an agent on the terminal and calls once more.
 */
int ctl_call(Ctl *ctl, const char *path, const char *interface, const char *member, GVariant *args,
             sd_bus_error *reterr, GVariant **ret);
int ctl_call_fd(Ctl *ctl, const char *path, const char *interface, const char *member,
                sd_bus_error *reterr, int *ret);
int ctl_get_all(Ctl *ctl, const char *path, const char *interface, sd_bus_error *reterr,
                GVariant **ret);
int ctl_get(Ctl *ctl, const char *path, const char *interface, const char *property,
            sd_bus_error *reterr, GVariant **ret);

/* Manager.ListPrograms() and its like, as a(oa{sv}); @filter is a{sv}, floating, or NULL for none. */
int ctl_list(Ctl *ctl, BusKind kind, GVariant *filter, sd_bus_error *reterr, GVariant **ret);

/* Writes to stdout, through a pager where that is wanted. */
void ctl_write(Ctl *ctl, GString *text);

/* Writes a value as JSON and a newline. A floating reference is taken. */
void ctl_write_json(Ctl *ctl, GVariant *value);

/* Writes a table with its titles and "\n2 programs listed." */
void ctl_write_table(Ctl *ctl, const Table *table, const char *one, const char *many);

/* Says what was done, unless --quiet or --json. */
void ctl_say(Ctl *ctl, const char *format, ...) G_GNUC_PRINTF(2, 3);
