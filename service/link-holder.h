/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "registry.h"

/* Links of which the kernel has none: what they are on holds their programs itself (kern-holder.h). */
bool link_is_held(const Link *link);

/* Whether that is asked by a descriptor, and not from within a network namespace. */
bool link_has_holder_fd(const Link *link);

/* Whether nobody but a worker can ask what is there. */
bool link_asks_worker(const Link *link);

/*
 * A descriptor of what holds the link's program, to be closed by the caller. -ENOENT where that is gone, or
 * link_has_holder_fd() isn't so; -EXDEV where it is there, and the service has no way to it; or another negative errno where that can't be told.
 */
int link_open_holder(const Link *link);

/* Whether what that descriptor is of has @program_id there: 1, 0 or a negative errno. */
int link_holder_has(const Link *link, uint32_t program_id);
