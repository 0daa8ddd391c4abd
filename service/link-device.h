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

/*
 * Whether the link's device is there. What is on it isn't asked: the kernel has one lock for all receivers,
 * below which it runs their programs, and so whoever attached one could have the daemon wait.
 */
bool link_device_is_there(const Link *link);
