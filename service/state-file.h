/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <limits.h>
#include <stdint.h>
#include <stdio.h>

#include "kern-attach.h"

/*
 * The state files of service/store.h as far as detaching takes them, read without GLib: for
 * bpfkeeper-unload-all, which has to work where no library is left.
 */

/* Of the text of a state file, whatever its version: the value of @key in @group as it is written,
 * with GKeyFile's escapes. False where there is none, or it has no room in @ret. */
bool state_value(const char *text, const char *group, const char *key, char *ret, size_t size);

typedef struct StateLink {
        uint32_t program_id;
        char program_name[128];
        char place[256]; /* what it is attached to, for people; "" where the file doesn't say */
        char netns[256]; /* the network namespace that the interface is in: a path, or "" */
        uint64_t netns_inode;
        char cgroup[PATH_MAX]; /* its directory, or "" */
        uint64_t cgroup_id;
        char device[256]; /* that it is on: a path, or "" */
        uint64_t device_number;
        KernHook hook; /* without descriptors */
        KernAttachment
                attachment; /* without descriptors: link_fds is NULL, n_links counts the pins */
} StateLink;

/* 0; -EPROTO: it has another version of the format; -EBADMSG: it makes no sense. */
int state_parse_link(const char *text, StateLink *ret);
