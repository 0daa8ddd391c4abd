/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stddef.h>
#include <stdint.h>

/*
 * The commands of bpf(2), its first argument, that functions here give: a process that calls only some
 * of these functions needs no others. The first two together are what kern_features_probe() gives.
 */
typedef struct KernCommands {
        const uint64_t *list;
        size_t n;
} KernCommands;

/* kern-object.h and kern_test_run(): nothing attaches, nothing is reached by its id or a pin. */
extern const KernCommands kern_load_commands;

/* kern-attach.h, for what isn't, or doesn't become, a member of libxdp's dispatcher */
extern const KernCommands kern_attach_commands;

/* kern-hook-list.h: nothing is made, and nothing but what is there got at */
extern const KernCommands kern_look_commands;

/* kern-attach.h, for what is or does: pins are made, and what somebody else loaded is got at. */
extern const KernCommands kern_xdp_commands;
