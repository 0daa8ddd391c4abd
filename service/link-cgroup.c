/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "link-cgroup.h"

#include <errno.h>
#include <unistd.h>

#include "descriptor.h"
#include "kern-cgroup.h"

bool link_is_held(const Link *link)
{
        return kern_cgroup_holds(&link->hook);
}

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

int link_cgroup_has(const Link *link, uint32_t program_id)
{
        KernHook hook = link->hook;
        int r;

        hook.cgroup_fd = link_open_cgroup(link);
        if (hook.cgroup_fd < 0)
                return hook.cgroup_fd == -ENOENT ? 0 : hook.cgroup_fd;
        r = kern_cgroup_has(program_id, &hook);
        close(hook.cgroup_fd);
        return r;
}
