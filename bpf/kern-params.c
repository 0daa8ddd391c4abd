/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "kern-params.h"

#include <stdio.h>
#include <string.h>

#include <linux/bpf.h>
#include <linux/pkt_cls.h>

#include "kern-attach.h"

#define WORDS(...) ((const char *const[]){__VA_ARGS__, NULL})
#define IN_HOOK(member) \
        .offset = offsetof(KernHook, member), .size = sizeof(((KernHook *)0)->member)

const char *const kern_xdp_actions[] = {
        [XDP_ABORTED] = "aborted", [XDP_DROP] = "drop",         [XDP_PASS] = "pass",
        [XDP_TX] = "tx",           [XDP_REDIRECT] = "redirect", NULL,
};

/* The others end nothing: tc goes on after them by itself. */
const char *const kern_tc_actions[] = {
        [TC_ACT_OK] = "ok",         [TC_ACT_RECLASSIFY] = "",
        [TC_ACT_SHOT] = "shot",     [TC_ACT_PIPE] = "",
        [TC_ACT_STOLEN] = "stolen", [TC_ACT_QUEUED] = "",
        [TC_ACT_REPEAT] = "",       [TC_ACT_REDIRECT] = "redirect",
        [TC_ACT_TRAP] = "trap",     NULL,
};

const KernParamInfo kern_params[_KERN_PARAM_MAX] = {
        [KERN_PARAM_INTERFACE] =
                {
                        .name = "interface",
                        .form = "IFACE",
                        .summary = "Network interface, by name or index",
                        .kind = KERN_KIND_INTERFACE,
                        IN_HOOK(ifindex),
                        .sentence = " to the network interface $(interface)",
                        .key = "Interface",
                },
        [KERN_PARAM_DIRECTION] =
                {
                        .name = "direction",
                        .form = "DIRECTION",
                        .summary = "Which packets: ingress or egress",
                        .kind = KERN_KIND_WORD,
                        IN_HOOK(direction),
                        .words = WORDS("", "ingress", "egress"),
                        .brackets = "$(direction)",
                        .key = "Direction",
                },
        [KERN_PARAM_PRIORITY] =
                {
                        .name = "priority",
                        .form = "N",
                        .summary = "Place among others on the hook, 1 to 65535; lower runs first",
                        .kind = KERN_KIND_U32,
                        IN_HOOK(priority),
                        .min = 1,
                        .max = KERN_PRIORITY_MAX,
                        .has_default = true,
                        .key = "Priority",
                },
        [KERN_PARAM_MODE] =
                {
                        .name = "mode",
                        .form = "MODE",
                        .summary = "Where XDP runs: native, skb or hw",
                        .kind = KERN_KIND_WORD,
                        IN_HOOK(mode),
                        .words = WORDS("auto", "native", "skb", "hw"),
                        .has_default = true,
                        .key = "Mode",
                },
        [KERN_PARAM_TRACEPOINT] =
                {
                        .name = "tracepoint",
                        .form = "NAME",
                        .summary = "GROUP:NAME, NAME of raw tracepoints, PROVIDER:NAME in a target",
                        .kind = KERN_KIND_TEXT,
                        IN_HOOK(tracepoint),
                        .sentence = " to the kernel tracepoint $(tracepoint)",
                        .key = "Tracepoint",
                },
        [KERN_PARAM_FUNCTION] =
                {
                        .name = "function",
                        .form = "NAME",
                        .summary = "Function of the kernel or in the target, LSM hook, or\nwhat an "
                                   "iterator goes over",
                        .kind = KERN_KIND_TEXT,
                        IN_HOOK(function),
                        .sentence = " to the kernel function $(function)",
                        .key = "Function",
                },
        [KERN_PARAM_OFFSET] =
                {
                        .name = "offset",
                        .form = "BYTES",
                        .summary = "Bytes from the function, or from the file's start",
                        .kind = KERN_KIND_U64,
                        IN_HOOK(offset),
                        .key = "Offset",
                },
        [KERN_PARAM_TARGET] =
                {
                        .name = "target",
                        .form = "FILE",
                        .summary = "Binary or library that a probe goes into",
                        .kind = KERN_KIND_FILE,
                        IN_HOOK(target_fd),
                        .sentence = " to the program or library $(target)",
                        .key = "Target",
                },
        [KERN_PARAM_PID] =
                {
                        .name = "pid",
                        .form = "PID",
                        .summary = "Only this process",
                        .kind = KERN_KIND_PROCESS,
                        IN_HOOK(pid),
                        .min = 1,
                        .max = INT32_MAX,
                        .key = "Pid",
                },
        [KERN_PARAM_CGROUP] =
                {
                        .name = "cgroup",
                        .form = "DIR",
                        .summary = "Directory of a cgroup (version 2)",
                        .kind = KERN_KIND_FILE,
                        IN_HOOK(cgroup_fd),
                        .sentence = " to the control group $(cgroup)",
                        .key = "Cgroup",
                },
        [KERN_PARAM_EVENT] =
                {
                        .name = "event",
                        .form = "NAME",
                        .summary = "Perf event: cpu-clock, cache-misses and the like",
                        .kind = KERN_KIND_TEXT,
                        IN_HOOK(event),
                        .sentence = " to the performance event $(event)",
                        .key = "Event",
                },
        [KERN_PARAM_FREQUENCY] =
                {
                        .name = "frequency",
                        .form = "N",
                        .summary = "Samples per second",
                        .kind = KERN_KIND_U64,
                        IN_HOOK(frequency),
                        .min = 1,
                        .max = 100000,
                        .key = "Frequency",
                },
        [KERN_PARAM_PERIOD] =
                {
                        .name = "period",
                        .form = "N",
                        .summary = "Events between two samples",
                        .kind = KERN_KIND_U64,
                        IN_HOOK(period),
                        .min = 1,
                        .max = INT64_MAX,
                        .key = "Period",
                },
        [KERN_PARAM_CPU] =
                {
                        .name = "cpu",
                        .form = "N",
                        .summary = "Only this CPU",
                        .kind = KERN_KIND_I32,
                        IN_HOOK(cpu),
                        .max = INT32_MAX,
                        .key = "Cpu",
                },
        [KERN_PARAM_COOKIE] =
                {
                        .name = "cookie",
                        .form = "N",
                        .summary = "What bpf_get_attach_cookie() returns in the program",
                        .kind = KERN_KIND_U64,
                        IN_HOOK(cookie),
                        .key = "Cookie",
                },
        [KERN_PARAM_FUNCTIONS] =
                {
                        .name = "functions",
                        .form = "NAME,…",
                        .summary = "Functions, by name or pattern (*, ?)",
                        .kind = KERN_KIND_TEXTS,
                        IN_HOOK(functions),
                        .sentence = " to the kernel functions $(functions)",
                        .key = "Functions",
                },
        [KERN_PARAM_COOKIES] =
                {
                        .name = "cookies",
                        .form = "N,…",
                        .summary = "A cookie for each of functions",
                        .kind = KERN_KIND_NUMBERS,
                        IN_HOOK(cookies),
                        .key = "Cookies",
                },
        [KERN_PARAM_TARGET_PROGRAM] =
                {
                        .name = "target_program",
                        .form = "PROGRAM",
                        .summary = "Program that an freplace program goes into",
                        .kind = KERN_KIND_PROGRAM,
                        IN_HOOK(target_program_id),
                        .sentence = " to the program $(target_program)",
                        .key = "TargetProgram",
                },
        [KERN_PARAM_PROCEED_ON] =
                {
                        .name = "proceed_on",
                        .form = "RESULT,…",
                        .summary =
                                "Results after which the next program runs. XDP: aborted, drop,\n"
                                "pass, tx, redirect; tc: ok, shot, stolen, redirect, trap; or none",
                        .kind = KERN_KIND_WORDS,
                        IN_HOOK(proceed_on),
                        .words = kern_xdp_actions,
                        .has_default = true,
                        .key = "ProceedOn",
                },
        [KERN_PARAM_HOOK] =
                {
                        .name = "hook",
                        .form = "NAME",
                        .summary = "Which of the type's hooks: connect4, setsockopt and the like",
                        .kind = KERN_KIND_TEXT,
                        IN_HOOK(name),
                        .brackets = "$(hook)",
                        .key = "Hook",
                },
        [KERN_PARAM_OFFSETS] =
                {
                        .name = "offsets",
                        .form = "N,…",
                        .summary = "Places in the target's file, in place of functions",
                        .kind = KERN_KIND_NUMBERS,
                        IN_HOOK(offsets),
                        .key = "Offsets",
                },
        [KERN_PARAM_NETNS] =
                {
                        .name = "netns",
                        .form = "NAME|PATH",
                        .summary =
                                "Another network namespace: that of the interface, or to attach to",
                        .kind = KERN_KIND_FILE,
                        IN_HOOK(netns_fd),
                        .key = "Netns",
                },
        [KERN_PARAM_TARGET_MAP] =
                {
                        .name = "target_map",
                        .form = "MAP",
                        .summary =
                                "Map of sockets, of a struct_ops, that an iterator goes over, or\n"
                                "with the entry",
                        .kind = KERN_KIND_MAP,
                        IN_HOOK(map_id),
                        .sentence = " to the map $(target_map)",
                        .key = "TargetMap",
                },
        [KERN_PARAM_FAMILY] =
                {
                        .name = "family",
                        .form = "FAMILY",
                        .summary = "Which packets netfilter shows: ipv4 or ipv6",
                        .kind = KERN_KIND_WORD,
                        IN_HOOK(family),
                        .words = WORDS("", "ipv4", "ipv6"),
                        .brackets = "$(family)",
                        .key = "Family",
                },
        [KERN_PARAM_HOOK_PRIORITY] =
                {
                        .name = "hook_priority",
                        .form = "N",
                        .summary = "Place on netfilter's hook, as in nft(8); lower runs first",
                        .kind = KERN_KIND_I32,
                        IN_HOOK(hook_priority),
                        /* the ends are the kernel's own */
                        .min = INT32_MIN + 1,
                        .max = INT32_MAX - 1,
                        .has_default = true,
                        .key = "HookPriority",
                },
        [KERN_PARAM_DEFRAGMENT] =
                {
                        .name = "defragment",
                        .form = "WHETHER",
                        .summary = "Whether netfilter puts fragments together first: yes or no",
                        .kind = KERN_KIND_WORD,
                        IN_HOOK(defragment),
                        .words = WORDS("no", "yes"),
                        .has_default = true,
                        .key = "Defragment",
                },
        [KERN_PARAM_BEFORE] =
                {
                        .name = "before",
                        .form = "NEIGHBOUR",
                        .summary = "Program or link on the hook that it goes right before",
                        .kind = KERN_KIND_TEXT,
                        IN_HOOK(before),
                        .key = "Before",
                },
        [KERN_PARAM_AFTER] =
                {
                        .name = "after",
                        .form = "NEIGHBOUR",
                        .summary = "Program or link on the hook that it goes right behind",
                        .kind = KERN_KIND_TEXT,
                        IN_HOOK(after),
                        .key = "After",
                },
        [KERN_PARAM_ATTACH_FLAGS] =
                {
                        .name = "attach_flags",
                        .form = "FLAGS",
                        .summary = "Whom a cgroup's program shares it with: multi, override or\n"
                                   "exclusive",
                        .kind = KERN_KIND_WORD,
                        IN_HOOK(attach_flags),
                        .words = WORDS("multi", "override", "exclusive"),
                        .has_default = true,
                        .key = "AttachFlags",
                },
        [KERN_PARAM_DEVICE] =
                {
                        .name = "device",
                        .form = "DEVICE",
                        .summary = "Infrared receiver, such as /dev/lirc0",
                        .kind = KERN_KIND_FILE,
                        IN_HOOK(device_fd),
                        .sentence = " to the device $(device)",
                        .key = "Device",
                },
        [KERN_PARAM_SOCKET] =
                {
                        .name = "socket",
                        .form = "FD",
                        .summary = "Socket, as the number of an open descriptor",
                        .kind = KERN_KIND_FILE,
                        IN_HOOK(socket_fd),
                        .sentence = " to the $(socket)",
                        .key = "Socket",
                },
        [KERN_PARAM_KEY] =
                {
                        .name = "key",
                        .form = "N",
                        .summary = "Entry of the target map",
                        .kind = KERN_KIND_U32,
                        IN_HOOK(key),
                        .brackets = "entry $(key)",
                        .key = "Key",
                },
        [KERN_PARAM_INDEX] =
                {
                        .name = "index",
                        .form = "N",
                        .summary = "Number by which filters of tc name the action",
                        .kind = KERN_KIND_U32,
                        IN_HOOK(index),
                        .min = 1,
                        .max = UINT32_MAX,
                        .key = "Index",
                },
        [KERN_PARAM_ROUTE] =
                {
                        .name = "route",
                        .form = "PREFIX",
                        .summary = "Route of the interface, such as 10.2.0.0/16",
                        .kind = KERN_KIND_TEXT,
                        IN_HOOK(route),
                        .sentence = " to the route $(route)",
                        .key = "Route",
                },
        [KERN_PARAM_TABLE] =
                {
                        .name = "table",
                        .form = "N",
                        .summary = "Routing table, 254 (main) if absent",
                        .kind = KERN_KIND_U32,
                        IN_HOOK(table),
                        .min = 1,
                        .max = UINT32_MAX,
                        .key = "Table",
                },
        [KERN_PARAM_METRIC] =
                {
                        .name = "metric",
                        .form = "N",
                        .summary = "Metric of the route, where several have that prefix",
                        .kind = KERN_KIND_U32,
                        IN_HOOK(metric),
                        .key = "Metric",
                },
};

int kern_word_find(const char *const *words, const char *word)
{
        if (*word == '\0')
                return -1;
        for (int i = 0; words[i]; i++)
                if (strcmp(words[i], word) == 0)
                        return i;
        return -1;
}

const char *kern_word(const char *const *words, unsigned place)
{
        for (unsigned i = 0; words[i]; i++)
                if (i == place)
                        return words[i];
        return "";
}

void kern_words_list(const char *const *words, const char *quote, char *ret, size_t size)
{
        const char *before = "";
        size_t n = 0;

        ret[0] = '\0';
        for (; *words && n < size; words++) {
                if (**words == '\0')
                        continue;
                n += (size_t)snprintf(ret + n, size - n, "%s%s%s%s", before, quote, *words, quote);
                before = words[1] && words[2] ? ", " : " or ";
        }
}

uint64_t kern_hook_number(const KernHook *hook, KernParam param)
{
        const void *member = (const char *)hook + kern_params[param].offset;

        switch (kern_params[param].kind) {
        case KERN_KIND_U64:
                return *(const uint64_t *)member;
        case KERN_KIND_I32:
        case KERN_KIND_PROCESS:
                return (uint64_t)(int64_t) * (const int32_t *)member;
        case KERN_KIND_U32:
        case KERN_KIND_WORD:
        case KERN_KIND_WORDS:
        case KERN_KIND_INTERFACE:
        case KERN_KIND_PROGRAM:
        case KERN_KIND_MAP:
                return *(const uint32_t *)member;
        default:
                return 0;
        }
}

bool kern_hook_set_number(KernHook *hook, KernParam param, uint64_t number)
{
        void *member = kern_hook_member(hook, param);

        switch (kern_params[param].kind) {
        case KERN_KIND_U64:
                *(uint64_t *)member = number;
                return true;
        case KERN_KIND_I32:
        case KERN_KIND_PROCESS:
                *(int32_t *)member = (int32_t)number;
                return (int64_t)number == (int32_t)number;
        case KERN_KIND_U32:
        case KERN_KIND_WORD:
        case KERN_KIND_WORDS:
        case KERN_KIND_INTERFACE:
        case KERN_KIND_PROGRAM:
        case KERN_KIND_MAP:
                *(uint32_t *)member = (uint32_t)number;
                return number <= UINT32_MAX;
        default:
                return false;
        }
}

bool kern_hook_set_text(KernHook *hook, KernParam param, const char *text)
{
        size_t length = strlen(text);

        if (kern_params[param].kind != KERN_KIND_TEXT || length >= kern_params[param].size)
                return false;
        memcpy(kern_hook_member(hook, param), text, length + 1);
        return true;
}

void kern_hook_drop_borrowed(KernHook *hook)
{
        for (int i = 0; i < _KERN_PARAM_MAX; i++) {
                void *member = kern_hook_member(hook, (KernParam)i);

                if (kern_params[i].kind == KERN_KIND_TEXTS)
                        *(const char **)member = NULL;
                else if (kern_params[i].kind == KERN_KIND_NUMBERS)
                        *(KernNumbers *)member = (KernNumbers){0};
                else if (kern_params[i].kind == KERN_KIND_FILE)
                        *(int *)member = -1;
        }
        hook->pid_fd = hook->target_program_fd = hook->extension_fd = hook->map_fd = -1;
        hook->followers = hook->fellows = (KernNumbers){0};
        hook->usdt_sites = hook->usdt_specs = (KernNumbers){0};
}
