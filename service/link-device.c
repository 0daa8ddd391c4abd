/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "link-device.h"

#include <errno.h>
#include <fcntl.h>

#include "descriptor.h"
#include "kern-lirc.h"

bool link_is_on_device(const Link *link)
{
        return kern_is_on_device(link->hook.type);
}

/* What is known of a device that isn't at hand: one that goes takes its programs along. */
static int missing(const Link *link)
{
        return descriptor_device_exists(link->pub.device_number, "lirc") ? -EXDEV : -ENOENT;
}

static int fd_of(const Link *link)
{
        return link->device ? device_fd(link->device) : -1;
}

int link_open_device(const Link *link)
{
        int fd = fd_of(link);

        if (fd < 0)
                return missing(link);
        fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
        return fd < 0 ? -errno : fd;
}

bool link_device_is_there(const Link *link)
{
        int fd = fd_of(link);

        return fd >= 0 ? !kern_lirc_is_gone(fd) : missing(link) == -EXDEV;
}
