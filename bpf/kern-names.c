/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <bpf/libbpf.h>

#include "kern-types.h"

/* Apart from the table, so that what uses only that doesn't need libbpf. */

const char *kern_prog_type_name(enum bpf_prog_type type)
{
        const char *name = libbpf_bpf_prog_type_str(type);

        return name ? name : "unknown";
}

const char *kern_map_type_name(enum bpf_map_type type)
{
        const char *name = libbpf_bpf_map_type_str(type);

        return name ? name : "unknown";
}

const char *kern_link_type_name(enum bpf_link_type type)
{
        const char *name = libbpf_bpf_link_type_str(type);

        return name ? name : "unknown";
}
