/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdio.h>
#include <string.h>

#include "kern-types.h"

#define BIT(p) KERN_PARAM_BIT(KERN_PARAM_##p)
#define SECTIONS(...) ((const char *const[]){__VA_ARGS__, NULL})

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
                .optional = BIT(PRIORITY) | BIT(MODE) | BIT(PROCEED_ON),
                .sharing = KERN_SHARING_LIBXDP,
        },
        {
                .name = "tc",
                .summary = "Packet classifier on an interface's clsact queueing discipline",
                .sections = SECTIONS("tc", "classifier"),
                .prog_type = BPF_PROG_TYPE_SCHED_CLS,
                .attach_type = -1,
                .required = BIT(INTERFACE) | BIT(DIRECTION),
                .optional = BIT(PRIORITY) | BIT(PROCEED_ON),
                .sharing = KERN_SHARING_DISPATCHER,
                .needs = "CONFIG_NET_CLS_BPF, CONFIG_NET_SCH_INGRESS",
        },
        {
                .name = "tcx",
                .summary = "Packet classifier on an interface, without a queueing discipline",
                .sections = SECTIONS("tcx/ingress", "tcx/egress", "tc/ingress", "tc/egress"),
                .prog_type = BPF_PROG_TYPE_SCHED_CLS,
                .attach_type = -1,
                .required = BIT(INTERFACE) | BIT(DIRECTION),
                .sharing = KERN_SHARING_KERNEL,
                .needs = "Linux 6.6",
        },
        {
                .name = "cgroup_skb",
                .summary = "Packet filter for the processes in a cgroup",
                .sections = SECTIONS("cgroup_skb/ingress", "cgroup_skb/egress", "cgroup/skb"),
                .prog_type = BPF_PROG_TYPE_CGROUP_SKB,
                .attach_type = -1,
                .required = BIT(CGROUP) | BIT(DIRECTION),
                .sharing = KERN_SHARING_KERNEL,
                .needs = "CONFIG_CGROUP_BPF",
        },

        /* tracing */
        {
                .name = "tracepoint",
                .summary = "Handler of a kernel tracepoint, with the tracepoint's record",
                .sections = SECTIONS("tracepoint", "tp"),
                .prog_type = BPF_PROG_TYPE_TRACEPOINT,
                .attach_type = -1,
                .required = BIT(TRACEPOINT),
                .optional = BIT(COOKIE),
                .sharing = KERN_SHARING_KERNEL,
                .needs = "tracefs",
        },
        {
                .name = "raw_tracepoint",
                .summary = "Handler of a kernel tracepoint, with the tracepoint's raw arguments",
                .sections = SECTIONS("raw_tracepoint", "raw_tp"),
                .prog_type = BPF_PROG_TYPE_RAW_TRACEPOINT,
                .attach_type = -1,
                .required = BIT(TRACEPOINT),
                .optional = BIT(COOKIE),
                .sharing = KERN_SHARING_KERNEL,
        },
        {
                .name = "tp_btf",
                .summary = "Handler of a kernel tracepoint, with typed arguments",
                .sections = SECTIONS("tp_btf"),
                .prog_type = BPF_PROG_TYPE_TRACING,
                .attach_type = BPF_TRACE_RAW_TP,
                .required = BIT(TRACEPOINT),
                .optional = BIT(COOKIE),
                .sharing = KERN_SHARING_KERNEL,
                .needs_btf = true,
                .needs = "CONFIG_DEBUG_INFO_BTF",
        },
        {
                .name = "kprobe",
                .summary = "Probe at a kernel function's entry or at an offset in it",
                .sections = SECTIONS("kprobe"),
                .prog_type = BPF_PROG_TYPE_KPROBE,
                .attach_type = -1,
                .required = BIT(FUNCTION),
                .optional = BIT(OFFSET) | BIT(COOKIE),
                .sharing = KERN_SHARING_KERNEL,
                .needs = "CONFIG_KPROBES",
        },
        {
                .name = "kretprobe",
                .summary = "Probe at a kernel function's return",
                .sections = SECTIONS("kretprobe"),
                .prog_type = BPF_PROG_TYPE_KPROBE,
                .attach_type = -1,
                .required = BIT(FUNCTION),
                .optional = BIT(COOKIE),
                .sharing = KERN_SHARING_KERNEL,
                .needs = "CONFIG_KPROBES",
        },
        {
                .name = "kprobe_multi",
                .summary = "Probe at the entry of many kernel functions at once",
                .sections = SECTIONS("kprobe.multi"),
                .prog_type = BPF_PROG_TYPE_KPROBE,
                .attach_type = BPF_TRACE_KPROBE_MULTI,
                .required = BIT(FUNCTIONS),
                .optional = BIT(COOKIE) | BIT(COOKIES),
                .sharing = KERN_SHARING_KERNEL,
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
                .sharing = KERN_SHARING_KERNEL,
                .needs = "Linux 5.18, CONFIG_FPROBE",
        },
        {
                .name = "uprobe",
                .summary = "Probe at a function's entry, or at an offset, in a program or library",
                .sections = SECTIONS("uprobe", "uprobe.s"),
                .prog_type = BPF_PROG_TYPE_KPROBE,
                .attach_type = -1,
                .required = BIT(TARGET),
                .optional = BIT(FUNCTION) | BIT(OFFSET) | BIT(PID) | BIT(COOKIE),
                .sharing = KERN_SHARING_KERNEL,
                .needs = "CONFIG_UPROBES",
        },
        {
                .name = "uretprobe",
                .summary = "Probe at a function's return in a program or library",
                .sections = SECTIONS("uretprobe", "uretprobe.s"),
                .prog_type = BPF_PROG_TYPE_KPROBE,
                .attach_type = -1,
                .required = BIT(TARGET),
                .optional = BIT(FUNCTION) | BIT(OFFSET) | BIT(PID) | BIT(COOKIE),
                .sharing = KERN_SHARING_KERNEL,
                .needs = "CONFIG_UPROBES",
        },
        {
                .name = "fentry",
                .summary = "Probe at a kernel function's entry, with typed arguments",
                .sections = SECTIONS("fentry", "fentry.s"),
                .prog_type = BPF_PROG_TYPE_TRACING,
                .attach_type = BPF_TRACE_FENTRY,
                .required = BIT(FUNCTION),
                .optional = BIT(COOKIE),
                .sharing = KERN_SHARING_KERNEL,
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
                .sharing = KERN_SHARING_KERNEL,
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
                .sharing = KERN_SHARING_KERNEL,
                .needs_btf = true,
                .needs = "CONFIG_DEBUG_INFO_BTF, BPF trampolines",
        },
        {
                .name = "freplace",
                .summary = "Replacement of a function in another program",
                .sections = SECTIONS("freplace"),
                .prog_type = BPF_PROG_TYPE_EXT,
                .attach_type = -1,
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
                .attach_type = -1,
                .required = BIT(EVENT),
                .optional = BIT(FREQUENCY) | BIT(PERIOD) | BIT(PID) | BIT(CPU) | BIT(COOKIE),
                .sharing = KERN_SHARING_KERNEL,
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
                .sharing = KERN_SHARING_KERNEL,
                .needs_btf = true,
                .needs = "CONFIG_BPF_LSM and \"bpf\" among the active LSMs (lsm= at boot)",
        },
        {0},
};

const char *kern_sharing_to_string(KernSharing sharing)
{
        static const char *const names[] = {
                [KERN_SHARING_KERNEL] = "kernel",
                [KERN_SHARING_LIBXDP] = "libxdp",
                [KERN_SHARING_EXCLUSIVE] = "exclusive",
                [KERN_SHARING_DISPATCHER] = "dispatcher",
        };

        return names[sharing];
}

const KernType *kern_type_find(const char *name)
{
        if (!name)
                return NULL;
        for (const KernType *t = kern_types; t->name; t++)
                if (strcmp(t->name, name) == 0)
                        return t;
        return NULL;
}

static bool takes_rest(const KernType *type)
{
        return kern_type_takes(type,
                               BIT(TRACEPOINT) | BIT(FUNCTION) | BIT(FUNCTIONS) | BIT(TARGET));
}

/* The length of the type's longest prefix that @section has, or 0. */
static size_t match_section(const KernType *type, const char *section)
{
        size_t longest = 0;

        for (const char *const *p = type->sections; *p; p++) {
                size_t n = strlen(*p);

                if (n <= longest || strncmp(section, *p, n) != 0)
                        continue;
                if (section[n] == '\0' || (section[n] == '/' && takes_rest(type)))
                        longest = n;
        }
        return longest;
}

static const char *skip_optional_mark(const char *section)
{
        return section[0] == '?' ? section + 1 : section;
}

const KernType *kern_type_from_section(const char *section)
{
        const KernType *best = NULL;
        size_t longest = 0;

        if (!section)
                return NULL;
        section = skip_optional_mark(section);

        for (const KernType *t = kern_types; t->name; t++) {
                size_t n = match_section(t, section);

                if (n > longest) {
                        longest = n;
                        best = t;
                }
        }
        return best;
}

const char *kern_type_section_rest(const KernType *type, const char *section)
{
        size_t n;

        if (!type || !section)
                return "";
        section = skip_optional_mark(section);
        n = match_section(type, section);
        return n > 0 && section[n] == '/' ? section + n + 1 : "";
}

const char *const *kern_type_words(const KernType *type, KernParam param)
{
        if (param == KERN_PARAM_PROCEED_ON && type->prog_type == BPF_PROG_TYPE_SCHED_CLS)
                return kern_tc_actions;
        return kern_params[param].words;
}

void kern_type_action_suffix(const KernType *type, char *ret, size_t size)
{
        snprintf(ret, size, "%s", type->name);
        for (char *p = ret; *p; p++)
                if (*p == '_')
                        *p = '-';
}
