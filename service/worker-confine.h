/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "worker-protocol.h"

/*
 * At start-up: dies with the daemon, no core dumps, no new privileges, no capability but those that
 * some role needs. 0 or a negative errno.
 */
int worker_confine_start(void);

/*
 * Gives up, for good, all that @role doesn't need: capabilities, files (Landlock, where the kernel
 * has it) and system calls (seccomp). Once a role was taken, only the same can be taken again:
 * -EPERM.
 */
int worker_confine_enter(WorkerRole role);
