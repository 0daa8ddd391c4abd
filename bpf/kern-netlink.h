/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdint.h>

#include <linux/netlink.h>

/* Lists that the kernel gives by netlink, of the network namespace that the process is in. */

/* A message of the list. Anything but 0 ends it. */
typedef int (*KernNetlinkFunc)(const struct nlmsghdr *message, void *userdata);

/*
 * Sends @request, which has the flags for a dump, and calls @found for each message of type @type that
 * comes. 0, a negative errno of the kernel's, or what @found returned (-ECANCELED where that was more).
 */
int kern_netlink_dump(int protocol, const struct nlmsghdr *request, uint16_t type,
                      KernNetlinkFunc found, void *userdata);
