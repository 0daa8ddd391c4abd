/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <linux/rtnetlink.h>

#include "kern-hook-internal.h"
#include "kern-util.h"

/* What a program's section name says of where it goes. */

#define BIT(p) KERN_PARAM_BIT(KERN_PARAM_##p)

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
        } else if (!kern_only(s, n, others)) {
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
            !parse_location(colon + 1, SYMBOL_OTHERS, true, function, sizeof(function), &offset,
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

/* "PATH:PATTERN" */
static int complete_uprobe_multi(KernHook *hook, const char *section, const char *rest,
                                 char *ret_target_path, size_t size, KernDiag *diag)
{
        const char *colon = strrchr(rest, ':');

        if (!colon || colon == rest ||
            !kern_only(colon + 1, strlen(colon + 1), SYMBOL_OTHERS PATTERN_MARKS))
                return malformed(diag, hook->type, section, "TYPE/PATH:PATTERN");
        if (!(hook->given & BIT(TARGET)) &&
            !copy_part(ret_target_path, size, rest, (size_t)(colon - rest)))
                return malformed(diag, hook->type, section, "TYPE/PATH:PATTERN");
        if (!(hook->given & (BIT(FUNCTIONS) | BIT(OFFSETS)))) {
                hook->functions = colon + 1;
                hook->given |= BIT(FUNCTIONS);
        }
        return 0;
}

/* "PATH:PROVIDER:NAME" */
static int complete_usdt(KernHook *hook, const char *section, const char *rest,
                         char *ret_target_path, size_t size, KernDiag *diag)
{
        static const char right[] = "usdt/PATH:PROVIDER:NAME";
        char tracepoint[sizeof(hook->tracepoint)];
        const char *name = strrchr(rest, ':'), *provider;

        /* The last but one: a path may have a colon, the others have none. */
        provider = name && name > rest ? memrchr(rest, ':', (size_t)(name - rest)) : NULL;
        if (!provider || provider == rest ||
            !kern_only(provider + 1, (size_t)(name - provider - 1), TRACEPOINT_OTHERS) ||
            !kern_only(name + 1, strlen(name + 1), TRACEPOINT_OTHERS) ||
            !copy_part(tracepoint, sizeof(tracepoint), provider + 1, strlen(provider + 1)))
                return malformed(diag, hook->type, section, right);
        if (!(hook->given & BIT(TARGET)) &&
            !copy_part(ret_target_path, size, rest, (size_t)(provider - rest)))
                return malformed(diag, hook->type, section, right);
        if (!(hook->given & BIT(TRACEPOINT))) {
                memcpy(hook->tracepoint, tracepoint, sizeof(tracepoint));
                hook->given |= BIT(TRACEPOINT);
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
        if (has_offset && !kern_type_takes(type, BIT(OFFSET)))
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
        if (!kern_only(rest, strlen(rest), FUNCTION_OTHERS PATTERN_MARKS))
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

        if (grouped != !!slash || !kern_only(rest, strlen(rest), TRACEPOINT_OTHERS "/") ||
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
        int direction;

        if ((hook->given & BIT(DIRECTION)) || !slash)
                return;
        direction = kern_word_find(kern_params[KERN_PARAM_DIRECTION].words, slash + 1);
        if (direction < 0)
                return;
        hook->direction = (KernDirection)direction;
        hook->given |= BIT(DIRECTION);
}

/* The kernel takes a program on the hook that it was loaded for, which is its section's. */
static int complete_name(KernHook *hook, const char *section, KernDiag *diag)
{
        const KernHookName *says = kern_type_section_hook(hook->type, section);

        if (!says)
                return 0;
        if ((hook->given & BIT(HOOK)) && strcmp(hook->name, says->name) != 0)
                return kern_fail(diag, -EINVAL, KERN_ERROR_INVALID_ARGUMENT,
                                 "A %s program's hook is fixed when it is loaded: this one goes to "
                                 "%s, as its section says, not to %s",
                                 hook->type->name, says->name, hook->name);
        copy_part(hook->name, sizeof(hook->name), says->name, strlen(says->name));
        hook->given |= BIT(HOOK);
        return 0;
}

/* Whoever compares routes, a rule of polkit's for one, is to have but one text of each. */
static int complete_route(KernHook *hook, KernDiag *diag)
{
        KernPrefix prefix;
        int r;

        r = kern_prefix_parse(hook->route, &prefix, diag);
        if (r < 0)
                return r;
        (void)kern_prefix_to_string(&prefix, hook->route);
        if (!(hook->given & BIT(TABLE)))
                hook->table = RT_TABLE_MAIN;
        hook->given |= BIT(TABLE);
        return 0;
}

int kern_hook_complete(KernHook *hook, const char *section, char *ret_target_path, size_t size,
                       KernDiag *reterr_diag)
{
        const uint64_t shape =
                BIT(TARGET) | BIT(FUNCTION) | BIT(FUNCTIONS) | BIT(TRACEPOINT) | BIT(DIRECTION);
        const KernType *type = hook->type, *says;
        const char *rest;

        if (size > 0)
                ret_target_path[0] = '\0';
        if (hook->given & BIT(ROUTE))
                return complete_route(hook, reterr_diag);
        /*
         * A type that was given in place of the section's may read the section only where it would
         * read the same: what stands behind "kprobe/" is no target of a uprobe.
         */
        says = kern_type_from_section(section);
        if (!says || says->prog_type != type->prog_type ||
            ((says->required | says->optional) & shape) !=
                    ((type->required | type->optional) & shape))
                return 0;

        if (kern_type_takes(type, BIT(DIRECTION)))
                complete_direction(hook, section);
        if (kern_type_takes(type, BIT(HOOK)))
                return complete_name(hook, section, reterr_diag);
        /* a name for people */
        if (type->prog_type == BPF_PROG_TYPE_STRUCT_OPS)
                return 0;

        rest = kern_type_section_rest(says, section);
        if (rest[0] == '\0')
                return 0;
        if (kern_type_takes(type, BIT(TARGET)) && kern_type_takes(type, BIT(FUNCTIONS)))
                return complete_uprobe_multi(hook, section, rest, ret_target_path, size,
                                             reterr_diag);
        if (kern_type_takes(type, BIT(TARGET)) && kern_type_takes(type, BIT(TRACEPOINT)))
                return complete_usdt(hook, section, rest, ret_target_path, size, reterr_diag);
        if (kern_type_takes(type, BIT(TARGET)))
                return complete_uprobe(hook, section, rest, ret_target_path, size, reterr_diag);
        if (kern_type_takes(type, BIT(TRACEPOINT)))
                return complete_tracepoint(hook, section, rest, reterr_diag);
        if (kern_type_takes(type, BIT(FUNCTIONS)))
                return complete_functions(hook, section, rest, reterr_diag);
        return complete_function(hook, section, rest, reterr_diag);
}
