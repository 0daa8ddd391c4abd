/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Numbers of the kernel's interface that Debian 12's headers (Linux 6.1) don't have yet. They are
 * under names of their own, since newer headers have them as enumerators.
 */
enum {
        KERN_BPF_TCX_INGRESS = 46,
        KERN_BPF_TCX_EGRESS = 47,
        KERN_BPF_LINK_TYPE_TCX = 11,
        KERN_BPF_MAP_TYPE_ARENA = 33,
};
