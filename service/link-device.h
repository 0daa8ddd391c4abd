/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "registry.h"

/* Links on devices, for which the kernel has none: the device itself has the program (kern-lirc.h). */
bool link_is_on_device(const Link *link);

/*
 * A descriptor of the link's device, to be closed by the caller; -ENOENT where the device is gone, -EXDEV
 * where it is there, or another one with its number, and the service has no descriptor of it.
 */
int link_open_device(const Link *link);

/* Whether the device has @program_id: 1, 0 or a negative errno; 1 where it isn't at hand, but there. */
int link_device_has(const Link *link, uint32_t program_id);
