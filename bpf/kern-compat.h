/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Numbers of the kernel's interface that Debian 12's headers (Linux 6.1) don't have yet. They are
 * under names of their own, since newer headers have them as enumerators.
 */
enum {
        KERN_BPF_STRUCT_OPS = 44,
        KERN_BPF_NETFILTER = 45,
        KERN_BPF_TCX_INGRESS = 46,
        KERN_BPF_TCX_EGRESS = 47,
        KERN_BPF_TRACE_UPROBE_MULTI = 48,
        KERN_BPF_CGROUP_UNIX_CONNECT = 49,
        KERN_BPF_CGROUP_UNIX_SENDMSG = 50,
        KERN_BPF_CGROUP_UNIX_RECVMSG = 51,
        KERN_BPF_CGROUP_UNIX_GETPEERNAME = 52,
        KERN_BPF_CGROUP_UNIX_GETSOCKNAME = 53,
        KERN_F_NETFILTER_IP_DEFRAG = 1,
        KERN_F_STRUCT_OPS_LINK = 1 << 13,
        KERN_F_UPROBE_MULTI_RETURN = 1,
        KERN_BPF_PROG_TYPE_NETFILTER = 32,
        KERN_BPF_NETKIT_PRIMARY = 54,
        KERN_BPF_NETKIT_PEER = 55,
        KERN_BPF_LINK_TYPE_NETFILTER = 10,
        KERN_BPF_LINK_TYPE_TCX = 11,
        KERN_BPF_LINK_TYPE_NETKIT = 13,
        KERN_BPF_F_BEFORE = 1U << 3,
        KERN_BPF_F_AFTER = 1U << 4,
        KERN_BPF_F_ID = 1U << 5,
        KERN_BPF_F_LINK = 1U << 13,
        KERN_BPF_MAP_TYPE_ARENA = 33,
        KERN_NFNL_HOOK_TYPE_BPF = 2,
        KERN_NFNLA_HOOK_BPF_ID = 1,
};
