/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>

#include "kern-types.h"

/*
 * What this kernel can do, probed by doing it (loading a tiny program, creating a link), never
 * guessed from a version. Runs in the worker; takes some milliseconds, half of them for the kernel's
 * BTF. A thread ends what the probes attached, since that waits for the kernel; in a process that may
 * have no threads (clone) the call takes as long as the wait, some tenths of a second where the
 * kernel has trampolines.
 *
 * Opens /sys/kernel/btf/vmlinux, /sys/bus/event_source/devices/{kprobe,uprobe}/type and
 * /sys/kernel/security/lsm, and looks whether /sys/kernel{,/debug}/tracing/events are there.
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
