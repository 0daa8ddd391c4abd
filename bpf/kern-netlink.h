/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include <netlink/attr.h>
#include <netlink/msg.h>

/* The kernel's answers by netlink (libnl), of the network namespace that the process is in. */

/* Is given a message of an answer; anything but 0 ends that, and is returned. */
typedef int (*KernNetlinkFound)(struct nlmsghdr *message, void *userdata);

/*
 * Sends @request, which has its type and flags, and calls @found (or NULL) for each message of the answer. 0,
 * what @found returned, or a negative errno of the kernel's.
 */
int kern_netlink_talk(int protocol, struct nl_msg *request, KernNetlinkFound found, void *userdata);

/* The same where nothing is asked for. Where the kernel refuses it, its reason, or "", is text for people. */
int kern_netlink_tell(int protocol, struct nl_msg *request, char *ret_reason, size_t size);

/* The same for a list (NLM_F_DUMP), once all of it has come. One that changed meanwhile is asked for again. */
int kern_netlink_dump(int protocol, struct nl_msg *request, KernNetlinkFound found, void *userdata);

/*
 * The same for a list that may be too long to be kept: @found is called as messages come, and the kernel is told to
 * leave out what the request's header and attributes don't fit. -EINTR where it changed meanwhile, so that what was
 * found says nothing.
 */
int kern_netlink_walk(int protocol, struct nl_msg *request, KernNetlinkFound found, void *userdata);

static inline void kern_netlink_freep(struct nl_msg **message)
{
        nlmsg_free(*message);
}

#define KERN_AUTO_NETLINK __attribute__((cleanup(kern_netlink_freep)))

/*
 * A request with its header's @size bytes behind netlink's own, all 0: these are at @ret. NULL where there is
 * no memory.
 */
struct nl_msg *kern_netlink_new(int type, int flags, size_t size, void *ret);

/* An attribute's text, cut to what there is room for; "" where there is none. */
void kern_netlink_text(const struct nlattr *attribute, char *ret, size_t size);

/* Its number, as it is in the message; 0 where there is none, or it isn't one. */
uint32_t kern_netlink_u32(const struct nlattr *attribute);
