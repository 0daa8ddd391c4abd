/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/*
 * Several XDP programs on one interface, by libxdp's protocol: a dispatcher is on the interface, and
 * programs are its members. The kernel takes for a member only what was loaded as an extension
 * (freplace), and an extension has no place on an interface of its own and no BPF_PROG_TEST_RUN. So
 * every XDP program is loaded a second time, from the same bytes and with the same maps, where the
 * kernel can: the extension, which is the member. It can be a member on any number of interfaces, but
 * once on each, since libxdp tells members by their ids.
 *
 * What is here doesn't run libxdp, whose lock may be held by anybody for any time: the daemon may
 * call it. Members come and go by kern_attach() and kern_detach().
 */

/* The most that a dispatcher has. */
#define KERN_XDP_MEMBERS_MAX 10

/* XDP_ABORTED … XDP_REDIRECT as bits; where a program returns one of them the next one runs. */
#define KERN_XDP_ACTIONS_ALL 0x1fU

/*
 * An extension is kept by, and keeps, what it was loaded against until it is attached for the first
 * time. This attaches it to that, where nothing runs, and detaches it: what it was loaded against is
 * gone. Two quick calls of bpf(2).
 */
int kern_xdp_extension_settle(int extension_fd);

/*
 * Whether the program with the id @extension is a member of the dispatcher that is on the interface
 * now: 1, 0 or a negative errno. Reads the pins that libxdp makes before a dispatcher gets on an
 * interface, and looks again should the dispatcher have changed meanwhile.
 */
int kern_xdp_is_member(uint32_t ifindex, uint32_t extension);
