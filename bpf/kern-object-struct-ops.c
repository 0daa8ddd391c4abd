/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <string.h>
#include <sys/resource.h>

#include <bpf/bpf.h>

#include "kern-compat.h"
#include "kern-info.h"
#include "kern-object-internal.h"

/*
 * A struct_ops is a map whose value is a struct of the kernel's with programs in place of its functions.
 * Loading fills it; whoever may attach it makes a link.
 */

static bool is_struct_ops(const struct bpf_map *map)
{
        return bpf_map__type(map) == BPF_MAP_TYPE_STRUCT_OPS && bpf_map__autocreate(map);
}

int kern_object_link_struct_ops(struct bpf_object *object, KernDiag *reterr_diag)
{
        struct bpf_map *map;

        bpf_object__for_each_map(map, object)
        {
                int r;

                if (!is_struct_ops(map))
                        continue;
                /* Without links the kernel would have it registered as soon as it is filled. */
                r = bpf_map__set_map_flags(map, bpf_map__map_flags(map) | KERN_F_STRUCT_OPS_LINK);
                if (r < 0)
                        return kern_fail(reterr_diag, r, KERN_ERROR_FAILED,
                                         "Can't have struct_ops %s attached by a link: %s",
                                         bpf_map__name(map), strerror(-r));
        }
        return 0;
}

/* Whether the kernel has it all. */
static bool is_filled(int fd)
{
        const uint32_t ready = 3; /* BPF_STRUCT_OPS_STATE_READY */
        KERN_AUTO_FREE uint32_t *value = NULL;
        const uint32_t key = 0;
        KernMapInfo info;

        if (kern_map_info(fd, &info) < 0 || info.value_size < 2 * sizeof(*value))
                return false;
        value = calloc(1, info.value_size);
        return value && bpf_map_lookup_elem(fd, &key, value) == 0 && value[1] == ready;
}

/*
 * libbpf knows what goes into the map and keeps it to itself: it fills the map on the way to making a
 * link. No link can be made while no descriptor can be; a confined process isn't let anyway.
 */
static int fill(const struct bpf_map *map, KernDiag *diag)
{
        struct rlimit before = {0}, none;
        struct bpf_link *link;
        bool limited;
        int r;

        limited = getrlimit(RLIMIT_NOFILE, &before) == 0;
        none = before;
        none.rlim_cur = 0;
        limited = limited && setrlimit(RLIMIT_NOFILE, &none) == 0;
        link = bpf_map__attach_struct_ops(map);
        r = -errno;
        if (limited)
                setrlimit(RLIMIT_NOFILE, &before);

        if (link) {
                bpf_link__destroy(link);
                return kern_fail(diag, -EPERM, KERN_ERROR_FAILED,
                                 "struct_ops %s can't be loaded without being attached",
                                 bpf_map__name(map));
        }
        if (is_filled(bpf_map__fd(map)))
                return 0;
        return kern_fail(diag, r, KERN_ERROR_INVALID_ARGUMENT,
                         "The kernel refuses struct_ops %s (%s): a value that its struct can't "
                         "have, or no name",
                         bpf_map__name(map), strerror(-r));
}

int kern_object_fill_struct_ops(struct bpf_object *object, KernDiag *reterr_diag)
{
        struct bpf_map *map;

        bpf_object__for_each_map(map, object)
        {
                int r = is_struct_ops(map) ? fill(map, reterr_diag) : 0;

                if (r < 0)
                        return r;
        }
        return 0;
}
