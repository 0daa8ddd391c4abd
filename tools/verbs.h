/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "ctl.h"

/* The table of verbs; the row after the last one has a NULL name. */
extern const Verb verbs[];

/* The verb that the arguments begin with; @ret_words is how many words its name has. Or NULL. */
const Verb *verbs_find(int argc, char **argv, int *ret_words);

/* Help on everything, or on the verbs that begin with @name; false where there are none. */
void verbs_append_help(GString *out);
bool verbs_append_verb_help(GString *out, int argc, char **argv);

CtlExit verb_attach(Ctl *ctl, int argc, char **argv);
CtlExit verb_can(Ctl *ctl, int argc, char **argv);
CtlExit verb_detach(Ctl *ctl, int argc, char **argv);
CtlExit verb_grant(Ctl *ctl, int argc, char **argv);
CtlExit verb_grants(Ctl *ctl, int argc, char **argv);
CtlExit verb_help(Ctl *ctl, int argc, char **argv);
CtlExit verb_hook(Ctl *ctl, int argc, char **argv);
CtlExit verb_inspect(Ctl *ctl, int argc, char **argv);
CtlExit verb_links(Ctl *ctl, int argc, char **argv);
CtlExit verb_load(Ctl *ctl, int argc, char **argv);
CtlExit verb_read(Ctl *ctl, int argc, char **argv);
CtlExit verb_log(Ctl *ctl, int argc, char **argv);
CtlExit verb_map_delete(Ctl *ctl, int argc, char **argv);
CtlExit verb_map_get(Ctl *ctl, int argc, char **argv);
CtlExit verb_map_set(Ctl *ctl, int argc, char **argv);
CtlExit verb_maps(Ctl *ctl, int argc, char **argv);
CtlExit verb_monitor(Ctl *ctl, int argc, char **argv);
CtlExit verb_programs(Ctl *ctl, int argc, char **argv);
CtlExit verb_replace(Ctl *ctl, int argc, char **argv);
CtlExit verb_revoke(Ctl *ctl, int argc, char **argv);
CtlExit verb_show(Ctl *ctl, int argc, char **argv);
CtlExit verb_status(Ctl *ctl, int argc, char **argv);
CtlExit verb_test_run(Ctl *ctl, int argc, char **argv);
CtlExit verb_types(Ctl *ctl, int argc, char **argv);
CtlExit verb_update(Ctl *ctl, int argc, char **argv);
CtlExit verb_unload(Ctl *ctl, int argc, char **argv);
