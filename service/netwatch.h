/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdint.h>

/*
 * Tells when network interfaces go, by rtnetlink(7): what is attached to them goes with them, and
 * the kernel says so nowhere else. And when something about one changes, what XDP program it has for one.
 */
typedef struct Netwatch Netwatch;

/* @gone and @changed are called from the main loop with an interface's index; @overrun where messages
 * were lost, so that any may be. NULL where the kernel gives no socket. */
Netwatch *netwatch_new(void (*gone)(uint32_t ifindex, void *userdata),
                       void (*changed)(uint32_t ifindex, void *userdata),
                       void (*overrun)(void *userdata), void *userdata);
void netwatch_free(Netwatch *watch);
