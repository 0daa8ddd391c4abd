/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdint.h>

/*
 * Tells when network interfaces go, by rtnetlink(7): what is attached to them goes with them, and
 * the kernel says so nowhere else. And when something about one changes, what XDP program it has for one.
 * Of interfaces in other network namespaces it takes CAP_NET_BROADCAST to be told; but when such a
 * namespace ends, its id (see netns.h) goes, which is told.
 */

typedef struct Netwatch Netwatch;

typedef struct NetwatchCalls {
        void (*gone)(uint32_t ifindex, void *userdata);
        void (*changed)(uint32_t ifindex, void *userdata);
        void (*netns_gone)(int32_t netns, void *userdata);
        void (*overrun)(void *userdata); /* messages were lost: any may be gone */
} NetwatchCalls;

/* The calls come from the main loop. NULL where the kernel gives no socket. */
Netwatch *netwatch_new(const NetwatchCalls *calls, void *userdata);
void netwatch_free(Netwatch *watch);
