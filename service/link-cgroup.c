/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "link-cgroup.h"

#include <errno.h>
#include <unistd.h>

#include "descriptor.h"

int link_open_cgroup(const Link *link)
{
        uint64_t id = 0;
        int fd;

        if (!kern_type_takes(link->hook.type, KERN_PARAM_BIT(KERN_PARAM_CGROUP)))
                return -ENOENT;
        fd = descriptor_open_cgroup(link->texts[KERN_PARAM_CGROUP] ?: "");
        if (fd == -ENOTDIR || fd == -ELOOP)
                return -ENOENT;
        if (fd < 0)
                return fd;
        if (!descriptor_is_cgroup(fd, &id) || id != link->pub.cgroup_id) {
                close(fd);
                return -ENOENT;
        }
        return fd;
}
