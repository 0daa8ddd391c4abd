/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "kern-attach.h"
#include "kern-perf-events.h"
#include "kern-util.h"
#include "kern-xdp.h"

#define BIT(p) KERN_PARAM_BIT(KERN_PARAM_##p)

static const char *const directions[] = {
        [KERN_DIRECTION_NONE] = "",
        [KERN_DIRECTION_INGRESS] = "ingress",
        [KERN_DIRECTION_EGRESS] = "egress",
};

static const char *const xdp_modes[] = {
        [KERN_XDP_MODE_AUTO] = "auto",
        [KERN_XDP_MODE_NATIVE] = "native",
        [KERN_XDP_MODE_SKB] = "skb",
        [KERN_XDP_MODE_HW] = "hw",
};

const char *kern_direction_to_string(KernDirection direction)
{
        return (size_t)direction < KERN_ELEMENTSOF(directions) ? directions[direction] : "";
}

int kern_direction_from_string(const char *s, KernDirection *ret)
{
        for (size_t i = KERN_DIRECTION_INGRESS; i < KERN_ELEMENTSOF(directions); i++)
                if (s && strcmp(s, directions[i]) == 0) {
                        *ret = (KernDirection)i;
                        return 0;
                }
        return -EINVAL;
}

const char *kern_xdp_mode_to_string(KernXdpMode mode)
{
        return (size_t)mode < KERN_ELEMENTSOF(xdp_modes) ? xdp_modes[mode] : "";
}

int kern_xdp_mode_from_string(const char *s, KernXdpMode *ret)
{
        for (size_t i = 0; i < KERN_ELEMENTSOF(xdp_modes); i++)
                if (s && strcmp(s, xdp_modes[i]) == 0) {
                        *ret = (KernXdpMode)i;
                        return 0;
                }
        return -EINVAL;
}

static bool takes(const KernType *type, unsigned bits)
{
        return (type->required | type->optional) & bits;
}

static bool only(const char *s, size_t n, const char *others)
{
        if (n == 0)
                return false;
        for (size_t i = 0; i < n; i++)
                if (!isalnum((unsigned char)s[i]) && !strchr(others, s[i]))
                        return false;
        return true;
}

/* Kernel symbols: "vfs_read", "vfs_read.isra.0"; the dollar is some compilers' idea. */
#define FUNCTION_OTHERS "_.$"
#define PATTERN_MARKS "*?"
/* Tracepoints become part of a path, so that no slash or leading dot may come through. */
#define TRACEPOINT_OTHERS "_-"

static int malformed(KernDiag *diag, const KernType *type, const char *section, const char *right)
{
        return kern_fail(diag, -EINVAL, KERN_ERROR_INVALID_ARGUMENT,
                         "Section \"%.200s\" is malformed: a %s program's section is \"%s\"",
                         section, type->name, right);
}

/* Copies @n characters where they fit. */
static bool copy_part(char *ret, size_t size, const char *s, size_t n)
{
        if (n >= size)
                return false;
        memcpy(ret, s, n);
        ret[n] = '\0';
        return true;
}

/* "FUNCTION", "FUNCTION+OFFSET" or, for uprobes, an OFFSET in the file alone. */
static bool parse_location(const char *s, const char *others, bool bare_offset, char *ret_function,
                           size_t size, uint64_t *ret_offset, bool *ret_has_offset)
{
        const char *plus = strrchr(s, '+');
        size_t n = plus ? (size_t)(plus - s) : strlen(s);
        const char *number = plus ? plus + 1 : NULL;

        if (bare_offset && isdigit((unsigned char)s[0])) {
                number = s;
                n = 0;
        } else if (!only(s, n, others)) {
                return false;
        }
        if (!copy_part(ret_function, size, s, n))
                return false;

        *ret_has_offset = number;
        *ret_offset = 0;
        if (number) {
                char *end;

                if (!isdigit((unsigned char)number[0]))
                        return false;
                errno = 0;
                *ret_offset = strtoull(number, &end, 0);
                if (errno != 0 || *end != '\0')
                        return false;
        }
        return true;
}

static int complete_uprobe(KernHook *hook, const char *section, const char *rest,
                           char *ret_target_path, size_t size, KernDiag *diag)
{
        static const char right[] = "uprobe/PATH:FUNCTION[+OFFSET]";
        char function[sizeof(hook->function)];
        /* the last colon: a path may have one, a symbol has none */
        const char *colon = strrchr(rest, ':');
        bool has_offset;
        uint64_t offset;

        if (!colon || colon == rest ||
            !parse_location(colon + 1, "_.$@", true, function, sizeof(function), &offset,
                            &has_offset))
                return malformed(diag, hook->type, section, right);

        if (!(hook->given & BIT(TARGET)) &&
            !copy_part(ret_target_path, size, rest, (size_t)(colon - rest)))
                return malformed(diag, hook->type, section, right);

        /* A target that was given may be another binary: its function is then given too, or this. */
        if (!(hook->given & (BIT(FUNCTION) | BIT(OFFSET)))) {
                memcpy(hook->function, function, sizeof(function));
                hook->offset = offset;
                if (function[0] != '\0')
                        hook->given |= BIT(FUNCTION);
                if (has_offset)
                        hook->given |= BIT(OFFSET);
        }
        return 0;
}

static int complete_function(KernHook *hook, const char *section, const char *rest, KernDiag *diag)
{
        const KernType *type = hook->type;
        char function[sizeof(hook->function)];
        bool has_offset;
        uint64_t offset;

        if (!parse_location(rest, FUNCTION_OTHERS, false, function, sizeof(function), &offset,
                            &has_offset))
                return malformed(diag, type, section, "TYPE/FUNCTION");
        if (has_offset && !takes(type, BIT(OFFSET)))
                return kern_fail(diag, -EINVAL, KERN_ERROR_INVALID_ARGUMENT,
                                 "Section \"%.200s\" has an offset, which a %s program can't have",
                                 section, type->name);

        /* The verifier typed the program's arguments after this very function. */
        if (type->needs_btf && (hook->given & BIT(FUNCTION)) &&
            strcmp(hook->function, function) != 0)
                return kern_fail(
                        diag, -EINVAL, KERN_ERROR_INVALID_ARGUMENT,
                        "A %s program's function is fixed when it is loaded: this one goes to "
                        "%s, as its section says, not to %s",
                        type->name, function, hook->function);

        if (!(hook->given & BIT(FUNCTION))) {
                memcpy(hook->function, function, sizeof(function));
                hook->given |= BIT(FUNCTION);
                if (has_offset && !(hook->given & BIT(OFFSET))) {
                        hook->offset = offset;
                        hook->given |= BIT(OFFSET);
                }
        }
        return 0;
}

/* "vfs_*", or a name; as libbpf has it, one pattern of letters, digits, "_", ".", "*" and "?" */
static int complete_functions(KernHook *hook, const char *section, const char *rest, KernDiag *diag)
{
        if (!only(rest, strlen(rest), FUNCTION_OTHERS PATTERN_MARKS))
                return malformed(diag, hook->type, section, "TYPE/PATTERN, such as TYPE/vfs_*");
        if (!(hook->given & BIT(FUNCTIONS))) {
                hook->functions = rest;
                hook->given |= BIT(FUNCTIONS);
        }
        return 0;
}

static int complete_tracepoint(KernHook *hook, const char *section, const char *rest,
                               KernDiag *diag)
{
        const KernType *type = hook->type;
        bool grouped = type->prog_type == BPF_PROG_TYPE_TRACEPOINT;
        const char *right = grouped ? "tracepoint/GROUP/NAME" : "TYPE/NAME";
        char tracepoint[sizeof(hook->tracepoint)];
        const char *slash = strchr(rest, '/');

        if (grouped != !!slash || !only(rest, strlen(rest), TRACEPOINT_OTHERS "/") ||
            (slash && (slash == rest || slash[1] == '\0' || strchr(slash + 1, '/'))) ||
            !copy_part(tracepoint, sizeof(tracepoint), rest, strlen(rest)))
                return malformed(diag, type, section, right);
        if (slash)
                tracepoint[slash - rest] = ':';

        if (type->needs_btf && (hook->given & BIT(TRACEPOINT)) &&
            strcmp(hook->tracepoint, tracepoint) != 0)
                return kern_fail(
                        diag, -EINVAL, KERN_ERROR_INVALID_ARGUMENT,
                        "A %s program's tracepoint is fixed when it is loaded: this one goes "
                        "to %s, as its section says, not to %s",
                        type->name, tracepoint, hook->tracepoint);

        if (!(hook->given & BIT(TRACEPOINT))) {
                memcpy(hook->tracepoint, tracepoint, sizeof(tracepoint));
                hook->given |= BIT(TRACEPOINT);
        }
        return 0;
}

static void complete_direction(KernHook *hook, const char *section)
{
        const char *slash = strrchr(section, '/');
        KernDirection direction;

        if ((hook->given & BIT(DIRECTION)) || !slash ||
            kern_direction_from_string(slash + 1, &direction) < 0)
                return;
        hook->direction = direction;
        hook->given |= BIT(DIRECTION);
}

int kern_hook_complete(KernHook *hook, const char *section, char *ret_target_path, size_t size,
                       KernDiag *reterr_diag)
{
        const unsigned shape =
                BIT(TARGET) | BIT(FUNCTION) | BIT(FUNCTIONS) | BIT(TRACEPOINT) | BIT(DIRECTION);
        const KernType *type = hook->type, *says;
        const char *rest;

        if (size > 0)
                ret_target_path[0] = '\0';
        /*
         * A type that was given in place of the section's may read the section only where it would
         * read the same: what stands behind "kprobe/" is no target of a uprobe.
         */
        says = kern_type_from_section(section);
        if (!says || says->prog_type != type->prog_type ||
            ((says->required | says->optional) & shape) !=
                    ((type->required | type->optional) & shape))
                return 0;

        if (takes(type, BIT(DIRECTION)))
                complete_direction(hook, section);

        rest = kern_type_section_rest(says, section);
        if (rest[0] == '\0')
                return 0;
        if (takes(type, BIT(TARGET)))
                return complete_uprobe(hook, section, rest, ret_target_path, size, reterr_diag);
        if (takes(type, BIT(TRACEPOINT)))
                return complete_tracepoint(hook, section, rest, reterr_diag);
        if (takes(type, BIT(FUNCTIONS)))
                return complete_functions(hook, section, rest, reterr_diag);
        return complete_function(hook, section, rest, reterr_diag);
}

static void list_params(unsigned bits, char *ret, size_t size)
{
        size_t n = 0;

        ret[0] = '\0';
        for (unsigned p = 0; p < _KERN_PARAM_MAX; p++)
                if ((bits & KERN_PARAM_BIT(p)) && n < size)
                        n += (size_t)snprintf(ret + n, size - n, "%s%s", n > 0 ? ", " : "",
                                              kern_params[p].name);
}

static int check_given(const KernHook *hook, KernDiag *diag)
{
        const KernType *type = hook->type;
        unsigned unknown = hook->given & ~(type->required | type->optional);
        unsigned missing = type->required & ~hook->given;
        char names[256], all[256];

        list_params(type->required | type->optional, all, sizeof(all));
        if (unknown) {
                list_params(unknown, names, sizeof(names));
                return kern_fail(diag, -EINVAL, KERN_ERROR_INVALID_ARGUMENT,
                                 "A %s program takes no %s; it takes %s", type->name, names, all);
        }
        if (missing) {
                list_params(missing, names, sizeof(names));
                return kern_fail(diag, -EINVAL, KERN_ERROR_MISSING_PARAMETER,
                                 "To attach a %s program, give %s (it takes %s)", type->name, names,
                                 all);
        }
        return 0;
}

static int check_tracepoint(const KernHook *hook, KernDiag *diag)
{
        const char *s = hook->tracepoint;
        const char *colon = strchr(s, ':');
        bool grouped = hook->type->prog_type == BPF_PROG_TYPE_TRACEPOINT;
        bool good;

        if (grouped)
                good = colon && only(s, (size_t)(colon - s), TRACEPOINT_OTHERS) &&
                       only(colon + 1, strlen(colon + 1), TRACEPOINT_OTHERS);
        else
                good = only(s, strlen(s), TRACEPOINT_OTHERS);
        if (!good)
                return kern_fail(diag, -EINVAL, KERN_ERROR_INVALID_ARGUMENT,
                                 "\"%s\" names no tracepoint: for a %s program it is %s", s,
                                 hook->type->name,
                                 grouped ? "GROUP:NAME, such as sched:sched_switch"
                                         : "NAME, such as sched_switch");
        return 0;
}

static int check_function(const KernHook *hook, KernDiag *diag)
{
        const char *s = hook->function;
        bool uprobe = takes(hook->type, BIT(TARGET));

        if (uprobe) {
                bool good = s[0] != '\0';

                for (const char *p = s; *p; p++)
                        good = good && isgraph((unsigned char)*p);
                if (!good)
                        return kern_fail(diag, -EINVAL, KERN_ERROR_INVALID_ARGUMENT,
                                         "\"%s\" is no symbol's name", s);
                return 0;
        }
        if (!only(s, strlen(s), FUNCTION_OTHERS))
                return kern_fail(diag, -EINVAL, KERN_ERROR_INVALID_ARGUMENT,
                                 "\"%s\" is no name of a kernel function: letters, digits, "
                                 "underscores and dots",
                                 s);
        return 0;
}

static int check_functions(const KernHook *hook, KernDiag *diag)
{
        const char *s = hook->functions;
        size_t n = 0;

        if (!s || strlen(s) > KERN_FUNCTIONS_TEXT_MAX)
                return kern_fail(diag, -EINVAL, KERN_ERROR_INVALID_ARGUMENT,
                                 "functions must be names and patterns of at most %d bytes",
                                 KERN_FUNCTIONS_TEXT_MAX);
        for (;; n++) {
                size_t length = strcspn(s, ",");

                if (length >= KERN_FUNCTION_MAX || !only(s, length, FUNCTION_OTHERS PATTERN_MARKS))
                        return kern_fail(diag, -EINVAL, KERN_ERROR_INVALID_ARGUMENT,
                                         "\"%.*s\" is no name of a kernel function, nor a pattern: "
                                         "letters, digits, underscores, dots, * and ?",
                                         (int)(length < KERN_FUNCTION_MAX ? length
                                                                          : KERN_FUNCTION_MAX),
                                         s);
                s += length;
                if (*s++ == '\0')
                        break;
        }
        if (++n > KERN_FUNCTIONS_MATCHED_MAX)
                return kern_fail(diag, -EINVAL, KERN_ERROR_LIMIT_EXCEEDED,
                                 "%zu functions are too many for one link; %d are the most", n,
                                 KERN_FUNCTIONS_MATCHED_MAX);
        if ((hook->given & BIT(COOKIE)) && (hook->given & BIT(COOKIES)))
                return kern_fail(diag, -EINVAL, KERN_ERROR_INVALID_ARGUMENT,
                                 "cookie and cookies contradict each other: give one for all "
                                 "functions, or one for each");
        if ((hook->given & BIT(COOKIES)) && hook->n_cookies != n)
                return kern_fail(diag, -EINVAL, KERN_ERROR_INVALID_ARGUMENT,
                                 "There are %zu cookies for %zu functions and patterns; each takes "
                                 "one",
                                 hook->n_cookies, n);
        return 0;
}

static int check_perf_event(const KernHook *hook, KernDiag *diag)
{
        unsigned both = BIT(FREQUENCY) | BIT(PERIOD);
        char names[512];

        if (!kern_perf_event_find(hook->event)) {
                kern_perf_event_list(names, sizeof(names));
                return kern_fail(diag, -EINVAL, KERN_ERROR_INVALID_ARGUMENT,
                                 "There is no perf event \"%s\"; there are %s", hook->event, names);
        }
        if ((hook->given & both) == both)
                return kern_fail(diag, -EINVAL, KERN_ERROR_INVALID_ARGUMENT,
                                 "frequency and period contradict each other: give one of them");
        if (!(hook->given & both))
                return kern_fail(
                        diag, -EINVAL, KERN_ERROR_MISSING_PARAMETER,
                        "To attach a perf_event program, give frequency (samples per second) "
                        "or period (events between two samples)");
        if ((hook->given & BIT(FREQUENCY)) && (hook->frequency == 0 || hook->frequency > 100000))
                return kern_fail(diag, -EINVAL, KERN_ERROR_INVALID_ARGUMENT,
                                 "frequency is %llu; it must be from 1 to 100000",
                                 (unsigned long long)hook->frequency);
        if ((hook->given & BIT(PERIOD)) && (hook->period == 0 || hook->period >> 63))
                return kern_fail(diag, -EINVAL, KERN_ERROR_INVALID_ARGUMENT,
                                 "period is %llu; it must be at least 1 and below 2^63",
                                 (unsigned long long)hook->period);
        if ((hook->given & BIT(CPU)) && hook->cpu < 0)
                return kern_fail(diag, -EINVAL, KERN_ERROR_INVALID_ARGUMENT,
                                 "cpu is %d; CPUs are numbered from 0", hook->cpu);
        return 0;
}

static int check_uprobe(const KernHook *hook, KernDiag *diag)
{
        if (!(hook->given & (BIT(FUNCTION) | BIT(OFFSET))))
                return kern_fail(
                        diag, -EINVAL, KERN_ERROR_MISSING_PARAMETER,
                        "To attach a %s program, give function, or offset in the target file",
                        hook->type->name);
        /* The kernel would take it, and the program would run at returns to the wrong places. */
        if (strcmp(hook->type->name, "uretprobe") == 0 && (hook->given & BIT(FUNCTION)) &&
            hook->offset != 0)
                return kern_fail(diag, -EINVAL, KERN_ERROR_INVALID_ARGUMENT,
                                 "A uretprobe is about where a function returns: give function or "
                                 "offset, not both");
        if (hook->target_fd < 0)
                return kern_fail(diag, -EINVAL, KERN_ERROR_MISSING_PARAMETER,
                                 "To attach a %s program, give target: a binary or library",
                                 hook->type->name);
        return 0;
}

static int check_network(const KernHook *hook, KernDiag *diag)
{
        unsigned given = hook->given;

        if ((given & BIT(INTERFACE)) && (hook->ifindex == 0 || hook->ifindex > INT32_MAX))
                return kern_fail(diag, -EINVAL, KERN_ERROR_INVALID_ARGUMENT,
                                 "%u is no index of a network interface: these start at 1",
                                 hook->ifindex);
        if ((given & BIT(DIRECTION)) && hook->direction != KERN_DIRECTION_INGRESS &&
            hook->direction != KERN_DIRECTION_EGRESS)
                return kern_fail(diag, -EINVAL, KERN_ERROR_INVALID_ARGUMENT,
                                 "direction must be ingress or egress");
        /* An object's .xdp_run_config may say any number, too. */
        if (takes(hook->type, BIT(PRIORITY)) &&
            (hook->priority == 0 || hook->priority > KERN_PRIORITY_MAX))
                return kern_fail(diag, -EINVAL, KERN_ERROR_INVALID_ARGUMENT,
                                 "priority is %u; it must be from 1 to %u", hook->priority,
                                 KERN_PRIORITY_MAX);
        if ((given & BIT(MODE)) && (size_t)hook->mode >= KERN_ELEMENTSOF(xdp_modes))
                return kern_fail(diag, -EINVAL, KERN_ERROR_INVALID_ARGUMENT,
                                 "mode must be native, skb or hw");
        if (hook->proceed_on & ~KERN_XDP_ACTIONS_ALL)
                return kern_fail(diag, -EINVAL, KERN_ERROR_INVALID_ARGUMENT,
                                 "proceed_on takes aborted, drop, pass, tx and redirect");
        return 0;
}

int kern_hook_check(const KernHook *hook, KernDiag *reterr_diag)
{
        const KernType *type = hook->type;
        int r;

        r = check_given(hook, reterr_diag);
        if (r >= 0)
                r = check_network(hook, reterr_diag);
        if (r >= 0 && (hook->given & BIT(TRACEPOINT)))
                r = check_tracepoint(hook, reterr_diag);
        if (r >= 0 && (hook->given & BIT(FUNCTION)))
                r = check_function(hook, reterr_diag);
        if (r >= 0 && (hook->given & BIT(FUNCTIONS)))
                r = check_functions(hook, reterr_diag);
        if (r >= 0 && takes(type, BIT(TARGET)))
                r = check_uprobe(hook, reterr_diag);
        if (r >= 0 && takes(type, BIT(EVENT)))
                r = check_perf_event(hook, reterr_diag);
        if (r >= 0 && (hook->given & BIT(CGROUP)) && hook->cgroup_fd < 0)
                r = kern_fail(reterr_diag, -EINVAL, KERN_ERROR_MISSING_PARAMETER,
                              "To attach a %s program, give cgroup: a cgroup v2 directory",
                              type->name);
        if (r >= 0 && (hook->given & BIT(PID)) && hook->pid <= 0)
                r = kern_fail(reterr_diag, -EINVAL, KERN_ERROR_INVALID_ARGUMENT,
                              "pid is %d; it must be a process's id, from 1", hook->pid);
        return r;
}
