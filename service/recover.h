/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "daemon.h"

/*
 * At start-up: makes the registry from the state files and the kernel, and the two agree. What was
 * being done when an earlier daemon died is undone; what the kernel has no longer is forgotten; pins
 * that belong to nothing are removed.
 */
void recover(Daemon *daemon);
