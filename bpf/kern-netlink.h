/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include <libmnl/libmnl.h>

/* Lists that the kernel gives by netlink, of the network namespace that the process is in. */

/* What a request is written to. */
#define KERN_NETLINK_REQUEST_SIZE 128

/*
 * Sends @request, of whose header the type is given, and once all has come calls @found for each message of
 * the list, until it returns MNL_CB_STOP. A list that changed meanwhile is asked for again. 0, or a negative
 * errno of the kernel's.
 */
int kern_netlink_dump(int protocol, struct nlmsghdr *request, mnl_cb_t found, void *userdata);

/* An attribute's text, cut to what there is room for. */
void kern_netlink_text(const struct nlattr *attribute, char *ret, size_t size);

/* Its number, as it is in the message; 0 if that isn't one. */
uint32_t kern_netlink_u32(const struct nlattr *attribute);
