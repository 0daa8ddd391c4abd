/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "kern-hook-internal.h"
#include "kern-order.h"
#include "kern-perf-events.h"
#include "kern-util.h"
#include "kern-xdp.h"

#define BIT(p) KERN_PARAM_BIT(KERN_PARAM_##p)

const char *kern_direction_to_string(KernDirection direction)
{
        return kern_word(kern_params[KERN_PARAM_DIRECTION].words, direction);
}

const char *kern_xdp_mode_to_string(KernXdpMode mode)
{
        return kern_word(kern_params[KERN_PARAM_MODE].words, mode);
}

const char *kern_attach_flags_to_string(KernAttachFlags flags)
{
        return kern_word(kern_params[KERN_PARAM_ATTACH_FLAGS].words, flags);
}

bool kern_only(const char *s, size_t n, const char *others)
{
        if (n == 0)
                return false;
        for (size_t i = 0; i < n; i++)
                if (!isalnum((unsigned char)s[i]) && !strchr(others, s[i]))
                        return false;
        return true;
}

static void list_params(uint64_t bits, char *ret, size_t size)
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
        uint64_t unknown = hook->given & ~(type->required | type->optional);
        uint64_t missing = type->required & ~hook->given;
        char names[256], all[256];

        if (type->instead)
                return kern_fail(diag, -EOPNOTSUPP, KERN_ERROR_NOT_SUPPORTED,
                                 "There is no hook to attach a %s program to: %s", type->name,
                                 type->instead);
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
        bool probe = kern_type_takes(hook->type, BIT(TARGET));
        bool grouped = probe || hook->type->prog_type == BPF_PROG_TYPE_TRACEPOINT;
        bool good;

        if (grouped)
                good = colon && kern_only(s, (size_t)(colon - s), TRACEPOINT_OTHERS) &&
                       kern_only(colon + 1, strlen(colon + 1), TRACEPOINT_OTHERS);
        else
                good = kern_only(s, strlen(s), TRACEPOINT_OTHERS);
        if (!good)
                return kern_fail(diag, -EINVAL, KERN_ERROR_INVALID_ARGUMENT,
                                 "\"%s\" names no %s: for a %s program it is %s", s,
                                 probe ? "static probe" : "tracepoint", hook->type->name,
                                 probe     ? "PROVIDER:NAME, such as libc:setjmp"
                                 : grouped ? "GROUP:NAME, such as sched:sched_switch"
                                           : "NAME, such as sched_switch");
        return 0;
}

static int check_function(const KernHook *hook, KernDiag *diag)
{
        const char *s = hook->function;
        bool uprobe = kern_type_takes(hook->type, BIT(TARGET));

        if (uprobe) {
                bool good = s[0] != '\0';

                for (const char *p = s; *p; p++)
                        good = good && isgraph((unsigned char)*p);
                if (!good)
                        return kern_fail(diag, -EINVAL, KERN_ERROR_INVALID_ARGUMENT,
                                         "\"%s\" is no symbol's name", s);
                return 0;
        }
        if (!kern_only(s, strlen(s), FUNCTION_OTHERS))
                return kern_fail(diag, -EINVAL, KERN_ERROR_INVALID_ARGUMENT,
                                 "\"%s\" is no name of a kernel function: letters, digits, "
                                 "underscores and dots",
                                 s);
        return 0;
}

static int check_cookies(const KernHook *hook, size_t n, KernDiag *diag)
{
        if ((hook->given & BIT(COOKIE)) && (hook->given & BIT(COOKIES)))
                return kern_fail(diag, -EINVAL, KERN_ERROR_INVALID_ARGUMENT,
                                 "cookie and cookies contradict each other: give one for all "
                                 "functions, or one for each");
        if ((hook->given & BIT(COOKIES)) && hook->cookies.n != n)
                return kern_fail(diag, -EINVAL, KERN_ERROR_INVALID_ARGUMENT,
                                 "There are %zu cookies for %zu %s; each takes one",
                                 hook->cookies.n, n,
                                 hook->given & BIT(OFFSETS) ? "offsets" : "functions and patterns");
        return 0;
}

static int check_functions(const KernHook *hook, KernDiag *diag)
{
        const char *s = hook->functions;
        bool target = kern_type_takes(hook->type, BIT(TARGET));
        size_t n = 0;

        if (!s || strlen(s) > KERN_FUNCTIONS_TEXT_MAX)
                return kern_fail(diag, -EINVAL, KERN_ERROR_INVALID_ARGUMENT,
                                 "functions must be names and patterns of at most %d bytes",
                                 KERN_FUNCTIONS_TEXT_MAX);
        for (;; n++) {
                size_t length = strcspn(s, ",");

                if (length >= KERN_FUNCTION_MAX ||
                    !kern_only(s, length,
                               target ? SYMBOL_OTHERS PATTERN_MARKS
                                      : FUNCTION_OTHERS PATTERN_MARKS))
                        return kern_fail(diag, -EINVAL, KERN_ERROR_INVALID_ARGUMENT,
                                         "\"%.*s\" is no name of a %sfunction, nor a pattern: "
                                         "letters, digits, underscores, dots, %s* and ?",
                                         (int)(length < KERN_FUNCTION_MAX ? length
                                                                          : KERN_FUNCTION_MAX),
                                         s, target ? "" : "kernel ", target ? "@, " : "");
                s += length;
                if (*s++ == '\0')
                        break;
        }
        if (++n > KERN_FUNCTIONS_MATCHED_MAX)
                return kern_fail(diag, -EINVAL, KERN_ERROR_LIMIT_EXCEEDED,
                                 "%zu functions are too many for one link; %d are the most", n,
                                 KERN_FUNCTIONS_MATCHED_MAX);
        return check_cookies(hook, n, diag);
}

static int check_offsets(const KernHook *hook, KernDiag *diag)
{
        if (hook->given & BIT(FUNCTIONS))
                return kern_fail(diag, -EINVAL, KERN_ERROR_INVALID_ARGUMENT,
                                 "functions and offsets contradict each other: give one of them");
        if (hook->offsets.n == 0 || hook->offsets.n > KERN_FUNCTIONS_MATCHED_MAX)
                return kern_fail(diag, -EINVAL, KERN_ERROR_INVALID_ARGUMENT,
                                 "There are %zu offsets; one link takes 1 to %d", hook->offsets.n,
                                 KERN_FUNCTIONS_MATCHED_MAX);
        for (size_t i = 0; i < hook->offsets.n; i++)
                if (hook->offsets.list[i] > INT64_MAX)
                        return kern_fail(diag, -EINVAL, KERN_ERROR_INVALID_ARGUMENT,
                                         "offset %#llx lies outside of any file",
                                         (unsigned long long)hook->offsets.list[i]);
        return check_cookies(hook, hook->offsets.n, diag);
}

static int check_perf_event(const KernHook *hook, KernDiag *diag)
{
        uint64_t both = BIT(FREQUENCY) | BIT(PERIOD);
        KernPerfEvent event;
        char names[640];

        if (!kern_perf_event_find(hook->event, &event)) {
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
        return 0;
}

static int check_uprobe(const KernHook *hook, KernDiag *diag)
{
        if (kern_type_takes(hook->type, BIT(FUNCTIONS))) {
                if (!(hook->given & (BIT(FUNCTIONS) | BIT(OFFSETS))))
                        return kern_fail(diag, -EINVAL, KERN_ERROR_MISSING_PARAMETER,
                                         "To attach a %s program, give functions, or offsets in "
                                         "the target file",
                                         hook->type->name);
        } else if (kern_type_takes(hook->type, BIT(FUNCTION)) &&
                   !(hook->given & (BIT(FUNCTION) | BIT(OFFSET)))) {
                return kern_fail(
                        diag, -EINVAL, KERN_ERROR_MISSING_PARAMETER,
                        "To attach a %s program, give function, or offset in the target file",
                        hook->type->name);
        }
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

static int check_interface(const KernHook *hook, KernDiag *diag)
{
        if (hook->ifindex == 0 || hook->ifindex > INT32_MAX)
                return kern_fail(diag, -EINVAL, KERN_ERROR_INVALID_ARGUMENT,
                                 "%u is no index of a network interface: these start at 1",
                                 hook->ifindex);
        return 0;
}

static int check_range(const KernHook *hook, KernParam param, KernDiag *diag)
{
        const KernParamInfo *p = &kern_params[param];
        bool is_signed = p->kind == KERN_KIND_I32 || p->kind == KERN_KIND_PROCESS;
        uint64_t n = kern_hook_number(hook, param);
        bool good = is_signed ? (int64_t)n >= p->min && (int64_t)n <= p->max
                              : n >= (uint64_t)p->min && n <= (uint64_t)p->max;

        if (good)
                return 0;
        return is_signed ? kern_fail(diag, -EINVAL, KERN_ERROR_INVALID_ARGUMENT,
                                     "%s is %lld; it must be from %lld to %lld", p->name,
                                     (long long)n, (long long)p->min, (long long)p->max)
                         : kern_fail(diag, -EINVAL, KERN_ERROR_INVALID_ARGUMENT,
                                     "%s is %llu; it must be from %lld to %lld", p->name,
                                     (unsigned long long)n, (long long)p->min, (long long)p->max);
}

static int check_words(const KernHook *hook, KernParam param, KernDiag *diag)
{
        const KernParamInfo *p = &kern_params[param];
        uint64_t n = kern_hook_number(hook, param), all = 0;
        char words[256];
        const char *const *words_of = kern_type_words(hook->type, param);
        bool good;

        for (unsigned i = 0; words_of[i]; i++)
                if (*words_of[i])
                        all |= UINT64_C(1) << i;
        good = p->kind == KERN_KIND_WORDS ? !(n & ~all) : *kern_word(words_of, (unsigned)n);
        if (good)
                return 0;
        kern_words_list(words_of, "", words, sizeof(words));
        return kern_fail(diag, -EINVAL, KERN_ERROR_INVALID_ARGUMENT, "%s must be %s", p->name,
                         words);
}

/* What the table says of each parameter that means something; a default is checked, too, since an
 * object's .xdp_run_config may say any number. */
static int check_table(const KernHook *hook, KernDiag *diag)
{
        int r = 0;

        for (unsigned i = 0; r >= 0 && i < _KERN_PARAM_MAX; i++) {
                const KernParamInfo *p = &kern_params[i];

                if (!(hook->given & KERN_PARAM_BIT(i)) &&
                    !(p->has_default && kern_type_takes(hook->type, KERN_PARAM_BIT(i))))
                        continue;
                if (p->min != 0 || p->max != 0)
                        r = check_range(hook, (KernParam)i, diag);
                else if (p->words)
                        r = check_words(hook, (KernParam)i, diag);
                else if (p->kind == KERN_KIND_INTERFACE)
                        r = check_interface(hook, diag);
        }
        return r;
}

static int check_name(const KernHook *hook, KernDiag *diag)
{
        char names[512];

        if (kern_type_find_hook(hook->type, hook->name))
                return 0;
        kern_type_list_hooks(hook->type, names, sizeof(names));
        return kern_fail(diag, -EINVAL, KERN_ERROR_INVALID_ARGUMENT,
                         "A %s program has no hook \"%s\"; there are %s", hook->type->name,
                         hook->name, names);
}

static int check_route(const KernHook *hook, KernDiag *diag)
{
        KernPrefix prefix;
        int r;

        r = kern_prefix_parse(hook->route, &prefix, diag);
        if (r >= 0 && hook->type->prog_type == BPF_PROG_TYPE_LWT_SEG6LOCAL &&
            prefix.family != AF_INET6)
                return kern_fail(diag, -EINVAL, KERN_ERROR_INVALID_ARGUMENT,
                                 "A lwt_seg6local program goes on a route of IPv6, which %s is not",
                                 hook->route);
        return r;
}

int kern_hook_check_change(const KernHook *hook, KernDiag *reterr_diag)
{
        int r = check_table(hook, reterr_diag);

        return r < 0 ? r : kern_order_check(hook, reterr_diag);
}

int kern_hook_check(const KernHook *hook, KernDiag *reterr_diag)
{
        const KernType *type = hook->type;
        int r;

        r = check_given(hook, reterr_diag);
        if (r >= 0)
                r = check_table(hook, reterr_diag);
        if (r >= 0 && (hook->given & BIT(HOOK)))
                r = check_name(hook, reterr_diag);
        if (r >= 0)
                r = kern_order_check(hook, reterr_diag);
        if (r >= 0 && (hook->given & BIT(TRACEPOINT)))
                r = check_tracepoint(hook, reterr_diag);
        if (r >= 0 && (hook->given & BIT(FUNCTION)))
                r = check_function(hook, reterr_diag);
        if (r >= 0 && (hook->given & BIT(FUNCTIONS)))
                r = check_functions(hook, reterr_diag);
        if (r >= 0 && (hook->given & BIT(OFFSETS)))
                r = check_offsets(hook, reterr_diag);
        if (r >= 0 && kern_type_takes(type, BIT(TARGET)))
                r = check_uprobe(hook, reterr_diag);
        if (r >= 0 && kern_type_takes(type, BIT(EVENT)))
                r = check_perf_event(hook, reterr_diag);
        if (r >= 0 && (hook->given & BIT(ROUTE)))
                r = check_route(hook, reterr_diag);
        if (r >= 0 && (hook->given & BIT(CGROUP)) && hook->cgroup_fd < 0)
                r = kern_fail(reterr_diag, -EINVAL, KERN_ERROR_MISSING_PARAMETER,
                              "To attach a %s program, give cgroup: a cgroup v2 directory",
                              type->name);
        if (r >= 0 && (hook->given & BIT(DEVICE)) && hook->device_fd < 0)
                r = kern_fail(reterr_diag, -EINVAL, KERN_ERROR_MISSING_PARAMETER,
                              "To attach a %s program, give device: an infrared receiver",
                              type->name);
        if (r >= 0 && (hook->given & BIT(SOCKET)) && hook->socket_fd < 0)
                r = kern_fail(reterr_diag, -EINVAL, KERN_ERROR_MISSING_PARAMETER,
                              "To attach a %s program, give socket: a descriptor of one",
                              type->name);
        return r;
}
