/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>

#include "options.h"

/* Where a program is attached: what the command line says of it, and how it is told to people. */

/*
 * A row of the options' table, OPTION(id, name, form, summary, kind): OPT_id is --name=form; kind is how
 * Attach() wants the value:
 *     u t i   a number          s   text as it is           o   a program's path
 *     S       a list of texts   T   a list of numbers       W   a list of words, or "none"
 *     n       an interface, by name or index
 *     h       a descriptor, which is opened from a path; a socket's is there already
 *     p       a descriptor of a process, which is opened from its number
 */
#define HOOK_INDEX(option) ((option)-OPT_INTERFACE)

typedef struct Hook {
        char *values[HOOK_VALUES]; /* as written; NULL: not given */
        int fds[HOOK_VALUES];      /* opened by hook_open(); -1: none */
} Hook;

void hook_init(Hook *hook);
void hook_clear(Hook *hook);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Hook, hook_clear)

/* What the options say. */
void hook_take_options(Hook *hook, const Options *options);

/*
 * What the arguments behind the program's name say. What they mean hangs on what the type takes:
 * @row is the type's row of Manager.ProgramTypes. False and @reterr where they don't fit.
 */
bool hook_take_arguments(Hook *hook, const char *type, GVariant *row, int argc, char *const *argv,
                         char **reterr);

/* "IFACE ingress|egress": the arguments that a type takes, for help. */
char *hook_arguments(GVariant *row);

/* The target in a uprobe's section name, where it is an absolute path, unless one was given. */
void hook_take_section(Hook *hook, GVariant *row, const char *section);

/* The path that such an option's value means, without links in it where there is something. */
char *hook_path(Option option, const char *value);

/* Opens files, since paths mean nothing to the service; devices for writing, too, if something @is_changed. */
bool hook_open(Hook *hook, bool is_changed, char **reterr);

/* The options for Program.Attach(), as a floating a{sv}; NULL and @reterr for what is no number. */
GVariant *hook_options(const Hook *hook, char **reterr);

/* From a link's properties: "veth0, ingress, priority 50" */
char *hook_describe(GVariant *properties);
