/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>

#include "kern-types.h"

/*
 * What this kernel can do, probed by doing it (loading a tiny program, creating a link), never
 * guessed from a version. Runs in the worker; takes some milliseconds.
 */

typedef struct KernFeature {
        const char *name; /* "load.xdp", "attach.fentry", "btf", "freplace", "link.tcx" … */
        bool available;
} KernFeature;

/*
 * Calls @found once for every feature: "load.TYPE" for each row of the table, "attach.TYPE" where
 * attaching can be told without a hook (fentry, kprobe: trampolines and perf events), and the
 * general ones. Returns 0, or what @found returned if that was not 0.
 */
int kern_features_probe(int (*found)(const KernFeature *feature, void *userdata), void *userdata);
