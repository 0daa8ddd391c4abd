/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "kern-holder.h"

#include <errno.h>

#include "kern-cgroup.h"
#include "kern-lirc.h"
#include "kern-map-entry.h"
#include "kern-route.h"

KernHolder kern_holder(const KernHook *hook)
{
        if (kern_cgroup_holds(hook))
                return KERN_HOLDER_CGROUP;
        if (kern_is_on_device(hook->type))
                return KERN_HOLDER_DEVICE;
        if (kern_is_in_map_entry(hook->type))
                return KERN_HOLDER_MAP_ENTRY;
        if (kern_is_on_route(hook->type))
                return KERN_HOLDER_ROUTE;
        return KERN_HOLDER_NONE;
}

int *kern_holder_fd(KernHook *hook)
{
        switch (kern_holder(hook)) {
        case KERN_HOLDER_CGROUP:
                return &hook->cgroup_fd;
        case KERN_HOLDER_DEVICE:
                return &hook->device_fd;
        case KERN_HOLDER_MAP_ENTRY:
                return &hook->map_fd;
        default:
                return NULL;
        }
}

int kern_holder_has(uint32_t prog_id, const KernHook *hook)
{
        switch (kern_holder(hook)) {
        case KERN_HOLDER_CGROUP:
                return kern_cgroup_has(prog_id, hook);
        case KERN_HOLDER_DEVICE:
                return kern_lirc_has(prog_id, hook);
        case KERN_HOLDER_MAP_ENTRY:
                return kern_map_entry_has(prog_id, hook);
        default:
                return -EOPNOTSUPP;
        }
}
