/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "bus-objects.h"
#include "kern-attach.h"

/*
 * What the table of parameters (bpf/kern-params.h) is on the bus and for polkit. @texts, indexed by
 * KernParam, is what an interface and files are called, which a hook has as a number and as descriptors:
 * NULL where they weren't given.
 */

/* The options of Attach(), by KernParam; the last has a NULL name. */
const BusHookParam *hook_params(void);

/* A parameter of @hook as the property of a link: a program by its id (u), interface and files as texts. */
void hook_param_value(const KernHook *hook, char *const *texts, KernParam param, BusValue *ret);

/* The words that a KERN_KIND_WORDS says. */
char **hook_param_words(const KernHook *hook, KernParam param);

/* As polkit's detail: "drop,pass", "vfs_read vfs_write"; NULL where none is made of it. */
char *hook_param_text(const KernHook *hook, char *const *texts, KernParam param);
