/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <systemd/sd-bus.h>

#include "kern-value.h"

/* Values that come as D-Bus variants of any shape. */

/*
 * Reads what is at the message's position; texts and bytes borrow from @m. The lists are owned: free
 * them by worker_value_clear(), which takes one that was zeroed, too.
 */
int worker_value_read(sd_bus_message *m, KernValue *ret);
void worker_value_clear(KernValue *value);
