/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <inttypes.h>

#include "hook-options.h"

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
        OPT_MAP_SIZE,
        OPT_REPLACES,
        OPT_BTF,
        OPT_LOG_LEVEL,
        OPT_LOG,

/* where to attach: what Attach() takes, from the table of parameters; see hook.h */
#define OPTION(id, ...) OPT_##id,
        HOOK_OPTIONS(OPTION)
#undef OPTION

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
        OPT_SIGNED_BY,
        OPT_UNTIL,
        OPT_USER,

        /* test-run */
        OPT_DATA,
        OPT_REPEAT,
        OPT_CONTEXT,
        OPT_DATA_SIZE,
        OPT_OUTPUT,

        _OPT_MAX,

        /* In a list of options: all that say where to attach */
        OPTIONS_HOOK,
} Option;

/* A list of options, for a verb that takes these beside those that every verb takes */
#define OPTIONS(...) ((const Option[]){__VA_ARGS__, _OPT_MAX})

typedef struct Options {
        bool given[_OPT_MAX];
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

/* The first option that is given, isn't in the list and isn't every verb's; or _OPT_MAX */
Option options_not_in(const Options *options, const Option *allowed);

/* Help on the options in a list, or on every verb's where there is none, a line each */
void options_append_help(GString *out, const Option *list);
