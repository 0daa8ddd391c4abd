/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <netinet/in.h>

#include <linux/netfilter.h>

#include "kern-compat.h"
#include "kern-types.h"

#define BIT(p) KERN_PARAM_BIT(KERN_PARAM_##p)
/* The kernel keeps the hook's programs in order, see kern-order.h. */
#define ORDER (BIT(PRIORITY) | BIT(BEFORE) | BIT(AFTER))
#define SECTIONS(...) ((const char *const[]){__VA_ARGS__, NULL})

#define LWT(type_name, type, is, kernel)                                                    \
        {                                                                                   \
                .name = (type_name), .summary = (is), .sections = SECTIONS(type_name),      \
                .prog_type = BPF_PROG_TYPE_##type, .required = BIT(INTERFACE) | BIT(ROUTE), \
                .optional = BIT(TABLE) | BIT(METRIC) | BIT(NETNS),                          \
                .sharing = KERN_SHARING_EXCLUSIVE,                                          \
                .sentence = " to the route $(route) on the network interface $(interface)", \
                .needs = (kernel),                                                          \
        }

/*
 * What some types are loaded for, one of several hooks, as the kernel's numbers for expected attach
 * types. A section's last part is the hook's name, but for "cgroup/sock", which is sock_create.
 */
static const KernHookName cgroup_sock_hooks[] = {
        {"sock_create", BPF_CGROUP_INET_SOCK_CREATE},
        {"sock_release", BPF_CGROUP_INET_SOCK_RELEASE},
        {"post_bind4", BPF_CGROUP_INET4_POST_BIND},
        {"post_bind6", BPF_CGROUP_INET6_POST_BIND},
        {0},
};

static const KernHookName cgroup_sock_addr_hooks[] = {
        {"bind4", BPF_CGROUP_INET4_BIND},
        {"bind6", BPF_CGROUP_INET6_BIND},
        {"connect4", BPF_CGROUP_INET4_CONNECT},
        {"connect6", BPF_CGROUP_INET6_CONNECT},
        {"connect_unix", KERN_BPF_CGROUP_UNIX_CONNECT},
        {"sendmsg4", BPF_CGROUP_UDP4_SENDMSG},
        {"sendmsg6", BPF_CGROUP_UDP6_SENDMSG},
        {"sendmsg_unix", KERN_BPF_CGROUP_UNIX_SENDMSG},
        {"recvmsg4", BPF_CGROUP_UDP4_RECVMSG},
        {"recvmsg6", BPF_CGROUP_UDP6_RECVMSG},
        {"recvmsg_unix", KERN_BPF_CGROUP_UNIX_RECVMSG},
        {"getpeername4", BPF_CGROUP_INET4_GETPEERNAME},
        {"getpeername6", BPF_CGROUP_INET6_GETPEERNAME},
        {"getpeername_unix", KERN_BPF_CGROUP_UNIX_GETPEERNAME},
        {"getsockname4", BPF_CGROUP_INET4_GETSOCKNAME},
        {"getsockname6", BPF_CGROUP_INET6_GETSOCKNAME},
        {"getsockname_unix", KERN_BPF_CGROUP_UNIX_GETSOCKNAME},
        {0},
};

static const KernHookName sk_skb_hooks[] = {
        {"stream_parser", BPF_SK_SKB_STREAM_PARSER},
        {"stream_verdict", BPF_SK_SKB_STREAM_VERDICT},
        {"verdict", BPF_SK_SKB_VERDICT},
        {0},
};

/* of the device's two ends: what that one sends */
static const KernHookName netkit_hooks[] = {
        {"primary", KERN_BPF_NETKIT_PRIMARY},
        {"peer", KERN_BPF_NETKIT_PEER},
        {0},
};

/* as nft(8) calls them */
static const KernHookName netfilter_hooks[] = {
        {"prerouting", NF_INET_PRE_ROUTING},   {"input", NF_INET_LOCAL_IN},
        {"forward", NF_INET_FORWARD},          {"output", NF_INET_LOCAL_OUT},
        {"postrouting", NF_INET_POST_ROUTING}, {0},
};

static const KernHookName cgroup_sockopt_hooks[] = {
        {"getsockopt", BPF_CGROUP_GETSOCKOPT},
        {"setsockopt", BPF_CGROUP_SETSOCKOPT},
        {0},
};

/*
 * Sections are libbpf 1.4's. Where a type takes a function, a target or a tracepoint, "/…" may follow
 * the prefix; the others match whole ("xdp/devmap" is no "xdp": it cannot go on an interface).
 *
 * kprobes and tracepoints take no pid: the kernel runs a program attached to their perf event for
 * every process, whatever process the event was opened for.
 */
const KernType kern_types[] = {
        /* network */
        {
                .name = "xdp",
                .summary = "Packet filter in the network driver, before the network stack",
                .sections = SECTIONS("xdp", "xdp.frags"),
                .prog_type = BPF_PROG_TYPE_XDP,
                .attach_type = BPF_XDP,
                .required = BIT(INTERFACE),
                .optional = BIT(PRIORITY) | BIT(MODE) | BIT(PROCEED_ON) | BIT(NETNS),
                .sharing = KERN_SHARING_LIBXDP,
        },
        {
                .name = "xdp_devmap",
                .summary = "Filter of packets that XDP redirects to an interface of a map",
                .sections = SECTIONS("xdp/devmap", "xdp.frags/devmap"),
                .prog_type = BPF_PROG_TYPE_XDP,
                .attach_type = BPF_XDP_DEVMAP,
                .required = BIT(TARGET_MAP) | BIT(KEY) | BIT(INTERFACE),
                .optional = BIT(NETNS),
                .sharing = KERN_SHARING_EXCLUSIVE,
                .sentence = " to what is redirected to the interface $(interface) by the map "
                            "$(target_map)",
        },
        {
                .name = "xdp_cpumap",
                .summary = "Filter of packets that XDP redirects to a CPU of a map",
                .sections = SECTIONS("xdp/cpumap", "xdp.frags/cpumap"),
                .prog_type = BPF_PROG_TYPE_XDP,
                .attach_type = BPF_XDP_CPUMAP,
                .required = BIT(TARGET_MAP) | BIT(KEY),
                .sharing = KERN_SHARING_EXCLUSIVE,
        },
        {
                .name = "tc",
                .summary = "Packet classifier on an interface's clsact queueing discipline",
                .sections = SECTIONS("tc", "classifier"),
                .prog_type = BPF_PROG_TYPE_SCHED_CLS,
                .required = BIT(INTERFACE) | BIT(DIRECTION),
                .optional = BIT(PRIORITY) | BIT(PROCEED_ON) | BIT(NETNS),
                .sharing = KERN_SHARING_DISPATCHER,
                .needs = "CONFIG_NET_CLS_BPF, CONFIG_NET_SCH_INGRESS",
        },
        {
                .name = "tcx",
                .summary = "Packet classifier on an interface, without a queueing discipline",
                .sections = SECTIONS("tcx/ingress", "tcx/egress", "tc/ingress", "tc/egress"),
                .prog_type = BPF_PROG_TYPE_SCHED_CLS,
                .required = BIT(INTERFACE) | BIT(DIRECTION),
                .optional = ORDER | BIT(NETNS),
                .needs = "Linux 6.6",
        },
        {
                .name = "netkit",
                .summary = "Packet filter and router between the two ends of a netkit device",
                .sections = SECTIONS("netkit/primary", "netkit/peer"),
                .prog_type = BPF_PROG_TYPE_SCHED_CLS,
                .hooks = netkit_hooks,
                .required = BIT(INTERFACE) | BIT(HOOK),
                .optional = ORDER | BIT(NETNS),
                .needs = "Linux 6.7, CONFIG_NETKIT",
        },
        {
                .name = "cgroup_skb",
                .summary = "Packet filter for the processes in a cgroup",
                .sections = SECTIONS("cgroup_skb/ingress", "cgroup_skb/egress", "cgroup/skb"),
                .prog_type = BPF_PROG_TYPE_CGROUP_SKB,
                .required = BIT(CGROUP) | BIT(DIRECTION),
                .optional = ORDER | BIT(ATTACH_FLAGS),
                .needs = "CONFIG_CGROUP_BPF",
        },
        {
                .name = "cgroup_sock",
                .summary = "Decision about sockets that a cgroup's processes make, bind or close",
                .sections = SECTIONS("cgroup/sock_create", "cgroup/sock_release", "cgroup/sock",
                                     "cgroup/post_bind4", "cgroup/post_bind6"),
                .prog_type = BPF_PROG_TYPE_CGROUP_SOCK,
                .hooks = cgroup_sock_hooks,
                .hook_at_load = true,
                .required = BIT(CGROUP) | BIT(HOOK),
                .optional = ORDER | BIT(ATTACH_FLAGS),
                .needs = "CONFIG_CGROUP_BPF",
        },
        {
                .name = "cgroup_sock_addr",
                .summary = "Decision about addresses that a cgroup's processes bind or talk to",
                .sections = SECTIONS("cgroup/bind4", "cgroup/bind6", "cgroup/connect4",
                                     "cgroup/connect6", "cgroup/connect_unix", "cgroup/sendmsg4",
                                     "cgroup/sendmsg6", "cgroup/sendmsg_unix", "cgroup/recvmsg4",
                                     "cgroup/recvmsg6", "cgroup/recvmsg_unix",
                                     "cgroup/getpeername4", "cgroup/getpeername6",
                                     "cgroup/getpeername_unix", "cgroup/getsockname4",
                                     "cgroup/getsockname6", "cgroup/getsockname_unix"),
                .prog_type = BPF_PROG_TYPE_CGROUP_SOCK_ADDR,
                .hooks = cgroup_sock_addr_hooks,
                .hook_at_load = true,
                .required = BIT(CGROUP) | BIT(HOOK),
                .optional = ORDER | BIT(ATTACH_FLAGS),
                .needs = "CONFIG_CGROUP_BPF; hooks of Unix sockets: Linux 6.7",
        },
        {
                .name = "cgroup_sockopt",
                .summary = "Filter of socket options that a cgroup's processes read or set",
                .sections = SECTIONS("cgroup/getsockopt", "cgroup/setsockopt"),
                .prog_type = BPF_PROG_TYPE_CGROUP_SOCKOPT,
                .hooks = cgroup_sockopt_hooks,
                .hook_at_load = true,
                .required = BIT(CGROUP) | BIT(HOOK),
                .optional = ORDER | BIT(ATTACH_FLAGS),
                .needs = "CONFIG_CGROUP_BPF",
        },
        {
                .name = "cgroup_sysctl",
                .summary = "Filter of kernel settings that a cgroup's processes read or write",
                .sections = SECTIONS("cgroup/sysctl"),
                .prog_type = BPF_PROG_TYPE_CGROUP_SYSCTL,
                .attach_type = BPF_CGROUP_SYSCTL,
                .required = BIT(CGROUP),
                .optional = ORDER | BIT(ATTACH_FLAGS),
                .needs = "CONFIG_CGROUP_BPF",
        },
        {
                .name = "cgroup_device",
                .summary = "Filter of device files that a cgroup's processes open or make",
                .sections = SECTIONS("cgroup/dev"),
                .prog_type = BPF_PROG_TYPE_CGROUP_DEVICE,
                .attach_type = BPF_CGROUP_DEVICE,
                .required = BIT(CGROUP),
                .optional = ORDER | BIT(ATTACH_FLAGS),
                .needs = "CONFIG_CGROUP_BPF",
        },
        {
                .name = "sock_ops",
                .summary = "Observer and tuner of TCP connections of a cgroup's processes",
                .sections = SECTIONS("sockops"),
                .prog_type = BPF_PROG_TYPE_SOCK_OPS,
                .attach_type = BPF_CGROUP_SOCK_OPS,
                .required = BIT(CGROUP),
                .optional = ORDER | BIT(ATTACH_FLAGS),
                .needs = "CONFIG_CGROUP_BPF",
        },
        {
                .name = "sk_msg",
                .summary = "Redirector of what sockets of a map send",
                .sections = SECTIONS("sk_msg"),
                .prog_type = BPF_PROG_TYPE_SK_MSG,
                .attach_type = BPF_SK_MSG_VERDICT,
                .required = BIT(TARGET_MAP),
                .sharing = KERN_SHARING_EXCLUSIVE,
                .needs = "Linux 6.10, CONFIG_BPF_STREAM_PARSER",
        },
        {
                .name = "sk_skb",
                .summary = "Redirector of what sockets of a map receive",
                .sections = SECTIONS("sk_skb", "sk_skb/stream_parser", "sk_skb/stream_verdict"),
                .prog_type = BPF_PROG_TYPE_SK_SKB,
                .hooks = sk_skb_hooks,
                .required = BIT(TARGET_MAP) | BIT(HOOK),
                .sharing = KERN_SHARING_EXCLUSIVE,
                .needs = "Linux 6.10, CONFIG_BPF_STREAM_PARSER",
        },
        {
                .name = "netfilter",
                .summary = "Packet filter on a hook of netfilter's",
                .sections = SECTIONS("netfilter"),
                .prog_type = (enum bpf_prog_type)KERN_BPF_PROG_TYPE_NETFILTER,
                .attach_type = KERN_BPF_NETFILTER,
                .hooks = netfilter_hooks,
                .required = BIT(HOOK) | BIT(FAMILY),
                .optional = BIT(HOOK_PRIORITY) | BIT(DEFRAGMENT) | BIT(NETNS),
                .needs = "Linux 6.4, CONFIG_NETFILTER_BPF_LINK",
        },
        {
                .name = "struct_ops",
                .summary = "Implementation of a kernel's interface, such as TCP congestion control",
                .sections = SECTIONS("struct_ops", "struct_ops.s"),
                .prog_type = BPF_PROG_TYPE_STRUCT_OPS,
                .required = BIT(TARGET_MAP),
                .sharing = KERN_SHARING_EXCLUSIVE,
                .sentence = ", with the others of $(target_map), as part of the kernel",
                .needs = "Linux 6.4, CONFIG_BPF_JIT, CONFIG_DEBUG_INFO_BTF, CONFIG_MODULES",
        },
        {
                .name = "tc_action",
                .summary = "Action that filters of tc take on the packets that they pick",
                .sections = SECTIONS("action"),
                .prog_type = BPF_PROG_TYPE_SCHED_ACT,
                .optional = BIT(INDEX) | BIT(NETNS),
                .sharing = KERN_SHARING_EXCLUSIVE,
                .sentence = " as an action that filters of tc can name",
                .needs = "CONFIG_NET_ACT_BPF",
        },
        {
                .name = "sk_lookup",
                .summary = "Choice of the socket that gets a connection or datagram",
                .sections = SECTIONS("sk_lookup"),
                .prog_type = BPF_PROG_TYPE_SK_LOOKUP,
                .attach_type = BPF_SK_LOOKUP,
                .optional = BIT(NETNS),
        },
        {
                .name = "flow_dissector",
                .summary = "Parser of packets, by which flows are told apart",
                .sections = SECTIONS("flow_dissector"),
                .prog_type = BPF_PROG_TYPE_FLOW_DISSECTOR,
                .attach_type = BPF_FLOW_DISSECTOR,
                .optional = BIT(NETNS),
                .sharing = KERN_SHARING_EXCLUSIVE,
        },

        /* devices */
        {
                .name = "lirc_mode2",
                .summary = "Decoder of what an infrared receiver gets",
                .sections = SECTIONS("lirc_mode2"),
                .prog_type = BPF_PROG_TYPE_LIRC_MODE2,
                .attach_type = BPF_LIRC_MODE2,
                .required = BIT(DEVICE),
                .needs = "CONFIG_BPF_LIRC_MODE2",
        },

        /* routes */
        LWT("lwt_in", LWT_IN, "Filter of packets received on a route", "CONFIG_LWTUNNEL_BPF"),
        LWT("lwt_out", LWT_OUT, "Filter of packets sent on a route", "CONFIG_LWTUNNEL_BPF"),
        LWT("lwt_xmit", LWT_XMIT, "Filter and redirector of packets transmitted on a route",
            "CONFIG_LWTUNNEL_BPF"),
        LWT("lwt_seg6local", LWT_SEG6LOCAL, "Endpoint of the IPv6 segment that a route leads to",
            "CONFIG_IPV6_SEG6_LWTUNNEL, CONFIG_LWTUNNEL_BPF"),

        /* sockets of applications, which hold the program themselves */
        {
                .name = "socket_filter",
                .summary = "Filter of what a socket receives",
                .sections = SECTIONS("socket"),
                .prog_type = BPF_PROG_TYPE_SOCKET_FILTER,
                .required = BIT(SOCKET),
                .sharing = KERN_SHARING_EXCLUSIVE,
        },
        {
                .name = "sk_reuseport",
                .summary = "Choice of the socket, of several on a port, that gets a packet",
                .sections = SECTIONS("sk_reuseport", "sk_reuseport/migrate"),
                .prog_type = BPF_PROG_TYPE_SK_REUSEPORT,
                .attach_type = BPF_SK_REUSEPORT_SELECT,
                .required = BIT(SOCKET),
                .sharing = KERN_SHARING_EXCLUSIVE,
        },

        /* what is on no hook */
        {
                .name = "syscall",
                .summary = "Program that runs when it is told to, and may make BPF system calls",
                .sections = SECTIONS("syscall"),
                .prog_type = BPF_PROG_TYPE_SYSCALL,
                .prog_flags = BPF_F_SLEEPABLE,
                .instead = "it runs by TestRun(), or by who has its descriptor",
                .sentence = ", which may load and attach others",
        },

        /* tracing */
        {
                .name = "tracepoint",
                .summary = "Handler of a kernel tracepoint, with the tracepoint's record",
                .sections = SECTIONS("tracepoint", "tp"),
                .prog_type = BPF_PROG_TYPE_TRACEPOINT,
                .required = BIT(TRACEPOINT),
                .optional = BIT(COOKIE),
                .needs = "tracefs",
        },
        {
                .name = "raw_tracepoint",
                .summary = "Handler of a kernel tracepoint, with the tracepoint's raw arguments",
                .sections = SECTIONS("raw_tracepoint", "raw_tp"),
                .prog_type = BPF_PROG_TYPE_RAW_TRACEPOINT,
                .required = BIT(TRACEPOINT),
                .optional = BIT(COOKIE),
        },
        {
                .name = "raw_tracepoint_writable",
                .summary = "Handler of a kernel tracepoint that lets its arguments be changed",
                .sections = SECTIONS("raw_tracepoint.w", "raw_tp.w"),
                .prog_type = BPF_PROG_TYPE_RAW_TRACEPOINT_WRITABLE,
                .required = BIT(TRACEPOINT),
                .optional = BIT(COOKIE),
        },
        {
                .name = "tp_btf",
                .summary = "Handler of a kernel tracepoint, with typed arguments",
                .sections = SECTIONS("tp_btf"),
                .prog_type = BPF_PROG_TYPE_TRACING,
                .attach_type = BPF_TRACE_RAW_TP,
                .required = BIT(TRACEPOINT),
                .optional = BIT(COOKIE),
                .needs_btf = true,
                .needs = "CONFIG_DEBUG_INFO_BTF",
        },
        {
                .name = "kprobe",
                .summary = "Probe at a kernel function's entry or at an offset in it",
                .sections = SECTIONS("kprobe"),
                .prog_type = BPF_PROG_TYPE_KPROBE,
                .required = BIT(FUNCTION),
                .optional = BIT(OFFSET) | BIT(COOKIE),
                .needs = "CONFIG_KPROBES",
        },
        {
                .name = "kretprobe",
                .summary = "Probe at a kernel function's return",
                .sections = SECTIONS("kretprobe"),
                .prog_type = BPF_PROG_TYPE_KPROBE,
                .required = BIT(FUNCTION),
                .optional = BIT(COOKIE),
                .needs = "CONFIG_KPROBES",
        },
        {
                .name = "ksyscall",
                .summary = "Probe at a system call's entry",
                .sections = SECTIONS("ksyscall"),
                .prog_type = BPF_PROG_TYPE_KPROBE,
                .required = BIT(FUNCTION),
                .optional = BIT(COOKIE),
                .needs = "CONFIG_KPROBES",
                .sentence = " to the system call $(function)",
        },
        {
                .name = "kretsyscall",
                .summary = "Probe at a system call's return",
                .sections = SECTIONS("kretsyscall"),
                .prog_type = BPF_PROG_TYPE_KPROBE,
                .required = BIT(FUNCTION),
                .optional = BIT(COOKIE),
                .needs = "CONFIG_KPROBES",
                .sentence = " to the system call $(function)",
        },
        {
                .name = "kprobe_multi",
                .summary = "Probe at the entry of many kernel functions at once",
                .sections = SECTIONS("kprobe.multi"),
                .prog_type = BPF_PROG_TYPE_KPROBE,
                .attach_type = BPF_TRACE_KPROBE_MULTI,
                .required = BIT(FUNCTIONS),
                .optional = BIT(COOKIE) | BIT(COOKIES),
                .needs = "Linux 5.18, CONFIG_FPROBE",
        },
        {
                .name = "kretprobe_multi",
                .summary = "Probe at the return of many kernel functions at once",
                .sections = SECTIONS("kretprobe.multi"),
                .prog_type = BPF_PROG_TYPE_KPROBE,
                .attach_type = BPF_TRACE_KPROBE_MULTI,
                .required = BIT(FUNCTIONS),
                .optional = BIT(COOKIE) | BIT(COOKIES),
                .needs = "Linux 5.18, CONFIG_FPROBE",
        },
        {
                .name = "uprobe",
                .summary = "Probe at a function's entry, or at an offset, in a program or library",
                .sections = SECTIONS("uprobe", "uprobe.s"),
                .prog_type = BPF_PROG_TYPE_KPROBE,
                .required = BIT(TARGET),
                .optional = BIT(FUNCTION) | BIT(OFFSET) | BIT(PID) | BIT(COOKIE),
                .needs = "CONFIG_UPROBES",
        },
        {
                .name = "uretprobe",
                .summary = "Probe at a function's return in a program or library",
                .sections = SECTIONS("uretprobe", "uretprobe.s"),
                .prog_type = BPF_PROG_TYPE_KPROBE,
                .required = BIT(TARGET),
                .optional = BIT(FUNCTION) | BIT(OFFSET) | BIT(PID) | BIT(COOKIE),
                .needs = "CONFIG_UPROBES",
        },
        {
                .name = "uprobe_multi",
                .summary = "Probe at many places of a program or library at once",
                .sections = SECTIONS("uprobe.multi", "uprobe.multi.s"),
                .prog_type = BPF_PROG_TYPE_KPROBE,
                .attach_type = KERN_BPF_TRACE_UPROBE_MULTI,
                .required = BIT(TARGET),
                .optional = BIT(FUNCTIONS) | BIT(OFFSETS) | BIT(PID) | BIT(COOKIE) | BIT(COOKIES),
                .needs = "Linux 6.6, CONFIG_UPROBES",
        },
        {
                .name = "uretprobe_multi",
                .summary = "Probe at the return of many functions of a program or library at once",
                .sections = SECTIONS("uretprobe.multi", "uretprobe.multi.s"),
                .prog_type = BPF_PROG_TYPE_KPROBE,
                .attach_type = KERN_BPF_TRACE_UPROBE_MULTI,
                .required = BIT(TARGET),
                .optional = BIT(FUNCTIONS) | BIT(OFFSETS) | BIT(PID) | BIT(COOKIE) | BIT(COOKIES),
                .needs = "Linux 6.6, CONFIG_UPROBES",
        },
        {
                .name = "usdt",
                .summary = "Probe where a program or library was marked for it by its author",
                .sections = SECTIONS("usdt", "usdt.s"),
                .prog_type = BPF_PROG_TYPE_KPROBE,
                .required = BIT(TARGET) | BIT(TRACEPOINT),
                .optional = BIT(PID) | BIT(COOKIE),
                .needs = "CONFIG_UPROBES",
                .sentence = " to the static probe $(tracepoint) of the program or library "
                            "$(target)",
        },
        {
                .name = "fentry",
                .summary = "Probe at a kernel function's entry, with typed arguments",
                .sections = SECTIONS("fentry", "fentry.s"),
                .prog_type = BPF_PROG_TYPE_TRACING,
                .attach_type = BPF_TRACE_FENTRY,
                .required = BIT(FUNCTION),
                .optional = BIT(COOKIE),
                .needs_btf = true,
                .needs = "CONFIG_DEBUG_INFO_BTF, BPF trampolines",
        },
        {
                .name = "fexit",
                .summary = "Probe at a kernel function's return, with typed arguments and result",
                .sections = SECTIONS("fexit", "fexit.s"),
                .prog_type = BPF_PROG_TYPE_TRACING,
                .attach_type = BPF_TRACE_FEXIT,
                .required = BIT(FUNCTION),
                .optional = BIT(COOKIE),
                .needs_btf = true,
                .needs = "CONFIG_DEBUG_INFO_BTF, BPF trampolines",
        },
        {
                .name = "fmod_ret",
                .summary = "Decision whether a kernel function runs, and what it returns if not",
                .sections = SECTIONS("fmod_ret", "fmod_ret.s"),
                .prog_type = BPF_PROG_TYPE_TRACING,
                .attach_type = BPF_MODIFY_RETURN,
                .required = BIT(FUNCTION),
                .optional = BIT(COOKIE),
                .needs_btf = true,
                .needs = "CONFIG_DEBUG_INFO_BTF, BPF trampolines",
        },
        {
                .name = "iter",
                .summary = "Writer of a line for each kernel object of a kind, when it is read",
                .sections = SECTIONS("iter", "iter.s"),
                .prog_type = BPF_PROG_TYPE_TRACING,
                .attach_type = BPF_TRACE_ITER,
                .required = BIT(FUNCTION),
                .optional = BIT(PID) | BIT(CGROUP) | BIT(TARGET_MAP),
                .needs_btf = true,
                .needs = "CONFIG_DEBUG_INFO_BTF",
                .sentence = " to go over every $(function)",
        },
        {
                .name = "freplace",
                .summary = "Replacement of a function in another program",
                .sections = SECTIONS("freplace"),
                .prog_type = BPF_PROG_TYPE_EXT,
                .required = BIT(TARGET_PROGRAM) | BIT(FUNCTION),
                .sentence = ", in place of the function $(function) of the program"
                            " $(target_program)",
                .sharing = KERN_SHARING_EXCLUSIVE,
                .needs = "BPF trampolines, CONFIG_BPF_JIT",
        },
        {
                .name = "perf_event",
                .summary = "Sampler on a software or hardware performance event",
                .sections = SECTIONS("perf_event"),
                .prog_type = BPF_PROG_TYPE_PERF_EVENT,
                .required = BIT(EVENT),
                .optional = BIT(FREQUENCY) | BIT(PERIOD) | BIT(PID) | BIT(CPU) | BIT(COOKIE),
                .needs = "CONFIG_PERF_EVENTS",
        },

        /* security */
        {
                .name = "lsm",
                .summary = "Access decision in a hook of the Linux Security Module framework",
                .sections = SECTIONS("lsm", "lsm.s"),
                .prog_type = BPF_PROG_TYPE_LSM,
                .attach_type = BPF_LSM_MAC,
                .required = BIT(FUNCTION),
                .optional = BIT(COOKIE),
                .sentence = " to the security hook $(function)",
                .needs_btf = true,
                .needs = "CONFIG_BPF_LSM and \"bpf\" among the active LSMs (lsm= at boot)",
        },
        {
                .name = "lsm_cgroup",
                .summary = "Access decision in an LSM hook, for the processes in a cgroup",
                .sections = SECTIONS("lsm_cgroup"),
                .prog_type = BPF_PROG_TYPE_LSM,
                .attach_type = BPF_LSM_CGROUP,
                .required = BIT(CGROUP) | BIT(FUNCTION),
                .needs_btf = true,
                .needs = "CONFIG_CGROUP_BPF, CONFIG_BPF_LSM, BPF trampolines and \"bpf\" among the "
                         "active LSMs (lsm= at boot)",
                .sentence = " to the security hook $(function) of the control group $(cgroup)",
        },
        {0},
};
