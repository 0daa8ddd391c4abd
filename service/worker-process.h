/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <sys/types.h>

#include <systemd/sd-bus.h>

/*
 * Starts a bpfkeeper-worker, with a connection to it on which @connected is called once both ends
 * have agreed on passing descriptors. @lock_fd: inherited; borrowed, and not below 16. 0 or a
 * negative errno; the caller reaps it.
 */
int worker_process_start(const char *executable, int lock_fd, sd_bus_message_handler_t connected,
                         void *userdata, pid_t *ret_pid, sd_bus **ret_bus);
