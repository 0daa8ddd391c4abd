/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "link-holder.h"

#include <errno.h>
#include <unistd.h>

#include "kern-holder.h"
#include "kern-info.h"
#include "link-cgroup.h"
#include "link-device.h"

bool link_is_held(const Link *link)
{
        return kern_holder(&link->hook) != KERN_HOLDER_NONE;
}

bool link_has_holder_fd(const Link *link)
{
        KernHook hook = link->hook;

        return kern_holder_fd(&hook) != NULL;
}

bool link_asks_worker(const Link *link)
{
        return link_is_held(link) && !link_has_holder_fd(link);
}

int link_open_holder(const Link *link)
{
        switch (kern_holder(&link->hook)) {
        case KERN_HOLDER_CGROUP:
                return link_open_cgroup(link);
        case KERN_HOLDER_DEVICE:
                return link_open_device(link);
        case KERN_HOLDER_MAP_ENTRY:
                return kern_map_open_id(link->hook.map_id);
        default:
                return -ENOENT;
        }
}

int link_holder_has(const Link *link, uint32_t program_id)
{
        KernHook hook = link->hook;
        int fd = link_open_holder(link), r;

        if (fd < 0)
                return fd == -ENOENT ? 0 : fd;
        *kern_holder_fd(&hook) = fd;
        r = kern_holder_has(program_id, &hook);
        close(fd);
        return r;
}
