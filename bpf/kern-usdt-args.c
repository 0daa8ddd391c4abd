/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <ctype.h>
#include <elf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "kern-usdt.h"
#include "kern-util.h"

/* How notes write operands, which is how the machine's assembler does. */

/* Numbers of struct pt_regs, of 8 bytes each. */
static const struct {
        const char *names[4]; /* of 8, 4, 2 and 1 bytes */
        unsigned place;
} x86_registers[] = {
        {{"r15", "r15d", "r15w", "r15b"}, 0}, {{"r14", "r14d", "r14w", "r14b"}, 1},
        {{"r13", "r13d", "r13w", "r13b"}, 2}, {{"r12", "r12d", "r12w", "r12b"}, 3},
        {{"rbp", "ebp", "bp", "bpl"}, 4},     {{"rbx", "ebx", "bx", "bl"}, 5},
        {{"r11", "r11d", "r11w", "r11b"}, 6}, {{"r10", "r10d", "r10w", "r10b"}, 7},
        {{"r9", "r9d", "r9w", "r9b"}, 8},     {{"r8", "r8d", "r8w", "r8b"}, 9},
        {{"rax", "eax", "ax", "al"}, 10},     {{"rcx", "ecx", "cx", "cl"}, 11},
        {{"rdx", "edx", "dx", "dl"}, 12},     {{"rsi", "esi", "si", "sil"}, 13},
        {{"rdi", "edi", "di", "dil"}, 14},    {{"rip", "eip", "ip", ""}, 16},
        {{"rsp", "esp", "sp", "spl"}, 19},
};

#define AARCH64_SP 31

#if defined(__x86_64__)
#define PLACES 20
#elif defined(__aarch64__)
#define PLACES 32
#else
#define PLACES 0
#endif

/* Reads as far as a name goes. */
static int parse_x86_register(const char **s)
{
        size_t n = 0;

        while (isalnum((unsigned char)(*s)[n]))
                n++;
        for (size_t i = 0; n > 0 && i < KERN_ELEMENTSOF(x86_registers); i++)
                for (size_t k = 0; k < KERN_ELEMENTSOF(x86_registers[i].names); k++) {
                        const char *name = x86_registers[i].names[k];

                        if (strlen(name) == n && strncmp(name, *s, n) == 0) {
                                *s += n;
                                return (int)x86_registers[i].place;
                        }
                }
        return -EINVAL;
}

/* "x0", "w30", "sp" */
static int parse_aarch64_register(const char **s)
{
        unsigned long place;
        char *end;

        if (strncmp(*s, "sp", 2) == 0 && !isalnum((unsigned char)(*s)[2])) {
                *s += 2;
                return AARCH64_SP;
        }
        if (((*s)[0] != 'x' && (*s)[0] != 'w') || !isdigit((unsigned char)(*s)[1]))
                return -EINVAL;
        place = strtoul(*s + 1, &end, 10);
        if (place >= AARCH64_SP || isalnum((unsigned char)*end))
                return -EINVAL;
        *s = end;
        return (int)place;
}

/* Decimal or hexadecimal, with a sign. */
static bool parse_number(const char **s, uint64_t *ret)
{
        const char *p = *s;
        bool negative = *p == '-';
        unsigned long long n;
        char *end;

        if (*p == '-' || *p == '+')
                p++;
        if (!isdigit((unsigned char)*p))
                return false;
        errno = 0;
        n = strtoull(p, &end, 0);
        if (errno != 0)
                return false;
        *ret = negative ? -(uint64_t)n : (uint64_t)n;
        *s = end;
        return true;
}

static bool set_register(KernUsdtArg *arg, KernUsdtKind kind, int place)
{
        arg->kind = kind;
        arg->reg = (int16_t)(place * 8);
        return place >= 0;
}

/* "$5", "%rdi", "-8(%rbp)" */
static bool parse_x86(const char **s, KernUsdtArg *arg)
{
        if (**s == '$') {
                (*s)++;
                arg->kind = KERN_USDT_CONST;
                return parse_number(s, &arg->value);
        }
        if (**s == '%') {
                (*s)++;
                return set_register(arg, KERN_USDT_REG, parse_x86_register(s));
        }
        if (**s != '(' && !parse_number(s, &arg->value))
                return false;
        if (strncmp(*s, "(%", 2) != 0)
                return false;
        *s += 2;
        return set_register(arg, KERN_USDT_DEREF, parse_x86_register(s)) && *(*s)++ == ')';
}

/* "5", "x0", "[sp]", "[sp, 8]" */
static bool parse_aarch64(const char **s, KernUsdtArg *arg)
{
        if (**s == '[') {
                (*s)++;
                if (!set_register(arg, KERN_USDT_DEREF, parse_aarch64_register(s)))
                        return false;
                if (**s == ',') {
                        (*s)++;
                        *s += strspn(*s, " ");
                        if (!parse_number(s, &arg->value))
                                return false;
                }
                return *(*s)++ == ']';
        }
        if (isalpha((unsigned char)**s))
                return set_register(arg, KERN_USDT_REG, parse_aarch64_register(s));
        arg->kind = KERN_USDT_CONST;
        return parse_number(s, &arg->value);
}

/* "-4@OPERAND": four bytes with a sign */
static bool parse_arg(const char **s, unsigned machine, KernUsdtArg *arg)
{
        uint64_t size;

        if (!parse_number(s, &size) || *(*s)++ != '@')
                return false;
        arg->is_signed = (int64_t)size < 0;
        if (arg->is_signed)
                size = -size;
        if (size != 1 && size != 2 && size != 4 && size != 8)
                return false;
        arg->shift = (int8_t)(64 - 8 * size);
        if (!(machine == EM_X86_64 ? parse_x86(s, arg) : parse_aarch64(s, arg)))
                return false;
        return **s == '\0' || **s == ' ';
}

int kern_usdt_parse_args(const char *text, unsigned machine, KernUsdtSpec *ret,
                         const char **ret_bad)
{
        KernUsdtSpec spec;

        if (machine != EM_X86_64 && machine != EM_AARCH64)
                return -EOPNOTSUPP;
        memset(&spec, 0, sizeof(spec));
        for (const char *s = text + strspn(text, " "); *s; s += strspn(s, " ")) {
                const char *begin = s;

                *ret_bad = begin;
                if (spec.n_args == KERN_USDT_ARGS_MAX)
                        return -E2BIG;
                if (!parse_arg(&s, machine, &spec.args[spec.n_args]))
                        return -EINVAL;
                spec.n_args++;
        }
        *ret = spec;
        return 0;
}

bool kern_usdt_spec_is_valid(const KernUsdtSpec *spec)
{
        if (spec->n_args < 0 || spec->n_args > KERN_USDT_ARGS_MAX)
                return false;
        for (int i = 0; i < spec->n_args; i++) {
                const KernUsdtArg *arg = &spec->args[i];

                if (arg->kind > KERN_USDT_DEREF || arg->reg < 0 || arg->reg % 8 != 0 ||
                    (arg->kind != KERN_USDT_CONST && arg->reg >= PLACES * 8) || arg->shift < 0 ||
                    arg->shift > 56)
                        return false;
        }
        return true;
}
