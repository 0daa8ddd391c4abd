/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <inttypes.h>

/* The options of the command line: one table, from which parsing, help and completion derive. */

typedef enum Option {
        /* every verb's */
        OPT_HELP,
        OPT_VERSION,
        OPT_JSON,
        OPT_JSON_AUTO,
        OPT_NO_PAGER,
        OPT_NO_LEGEND,
        OPT_NO_ASK_PASSWORD,
        OPT_QUIET,
        OPT_PRIVATE,

        /* load */
        OPT_GLOBAL,
        OPT_METADATA,
        OPT_MAP,
        OPT_BTF,
        OPT_LOG_LEVEL,
        OPT_LOG,

        /* where to attach; see hook.c */
        OPT_INTERFACE,
        OPT_DIRECTION,
        OPT_PRIORITY,
        OPT_MODE,
        OPT_TRACEPOINT,
        OPT_FUNCTION,
        OPT_OFFSET,
        OPT_TARGET,
        OPT_PID,
        OPT_CGROUP,
        OPT_EVENT,
        OPT_FREQUENCY,
        OPT_PERIOD,
        OPT_CPU,
        OPT_COOKIE,
        OPT_FUNCTIONS,
        OPT_COOKIES,
        OPT_TARGET_PROGRAM,
        OPT_PROCEED_ON,

        /* what to list */
        OPT_NAME,
        OPT_TYPE,
        OPT_APPLICATION,
        OPT_MINE,
        OPT_MANAGED,
        OPT_ALL,
        OPT_PROGRAM,

        /* show */
        OPT_PROPERTY,
        OPT_VALUE,

        /* grant, can */
        OPT_VERB,
        OPT_UNTIL,
        OPT_USER,

        /* test-run */
        OPT_DATA,
        OPT_REPEAT,
        OPT_CONTEXT,
        OPT_DATA_SIZE,
        OPT_OUTPUT,

        _OPT_MAX,
} Option;

#define OPT_BIT(o) (UINT64_C(1) << (o))

/* Those that every verb takes */
#define OPTIONS_GLOBAL                                                                           \
        (OPT_BIT(OPT_HELP) | OPT_BIT(OPT_VERSION) | OPT_BIT(OPT_JSON) | OPT_BIT(OPT_JSON_AUTO) | \
         OPT_BIT(OPT_NO_PAGER) | OPT_BIT(OPT_NO_LEGEND) | OPT_BIT(OPT_NO_ASK_PASSWORD) |         \
         OPT_BIT(OPT_QUIET) | OPT_BIT(OPT_PRIVATE))

/* The options that Attach() has; their names are the same here and there. */
#define OPTIONS_HOOK (OPT_BIT(OPT_PROCEED_ON + 1) - OPT_BIT(OPT_INTERFACE))

typedef struct Options {
        uint64_t given;
        GPtrArray *values[_OPT_MAX]; /* of char *, borrowed from argv */
} Options;

/*
 * Reads the options, wherever they stand; argv then has the other arguments at @ret_first and
 * behind. Says itself what was wrong and returns false.
 */
bool options_parse(Options *options, int argc, char **argv, int *ret_first);
void options_clear(Options *options);

bool options_given(const Options *options, Option option);

/* The value given last, or NULL */
const char *options_get(const Options *options, Option option);

/* All values: how many, and one of them */
size_t options_count(const Options *options, Option option);
const char *options_nth(const Options *options, Option option, size_t n);

/* "--priority" and "priority" */
const char *options_name(Option option);

/* The first option that is given and isn't among @allowed, or _OPT_MAX */
Option options_not_in(const Options *options, uint64_t allowed);

/* Help on the options in a set, a line each */
void options_append_help(GString *out, uint64_t set);
