/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "daemon.h"

/* What the running kernel can do, found out by a worker that tries, and kept until the next boot. */

/* Calls @then when daemon->features are known: at once where they were kept. Where trying fails, none
 * are known. */
void probe_start(Daemon *daemon, void (*then)(Daemon *daemon));
void probe_stop(Daemon *daemon);

/* Tries anew; where that fails, what was known stays. */
void probe_again(Daemon *daemon, void (*then)(Daemon *daemon));
