/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

#include "kern-types.h"

/*
 * Prints hook-options.h: the table of parameters as options of bpfctl, which sees no more of bpf/. What
 * a row has stands in hook.h.
 */

static void print_name(const char *name, int (*convert)(int c))
{
        for (; *name; name++)
                putchar(convert((unsigned char)*name));
}

static int to_option(int c)
{
        return c == '_' ? '-' : c;
}

static void print_string(const char *s)
{
        putchar('"');
        for (; *s; s++) {
                if (*s == '\n')
                        printf("\\n");
                else if (*s == '"' || *s == '\\')
                        printf("\\%c", *s);
                else
                        putchar(*s);
        }
        putchar('"');
}

int main(void)
{
        static const char kinds[] = {
                [KERN_KIND_U32] = 'u',     [KERN_KIND_U64] = 't',     [KERN_KIND_I32] = 'i',
                [KERN_KIND_TEXT] = 's',    [KERN_KIND_WORD] = 's',    [KERN_KIND_WORDS] = 'W',
                [KERN_KIND_TEXTS] = 'S',   [KERN_KIND_NUMBERS] = 'T', [KERN_KIND_INTERFACE] = 'n',
                [KERN_KIND_FILE] = 'h',    [KERN_KIND_PROGRAM] = 'o', [KERN_KIND_MAP] = 'm',
                [KERN_KIND_PROCESS] = 'p',
        };

        printf("/* SPDX-License-Identifier: LGPL-2.1-or-later */\n"
               "/* Generated from the table of parameters. */\n#pragma once\n\n"
               "#define HOOK_VALUES %d\n\n#define HOOK_OPTIONS(OPTION)",
               _KERN_PARAM_MAX);
        for (int i = 0; i < _KERN_PARAM_MAX; i++) {
                const KernParamInfo *p = &kern_params[i];

                printf(" \\\n        OPTION(");
                print_name(p->name, toupper);
                printf(", \"");
                print_name(p->name, to_option);
                printf("\", ");
                print_string(p->form);
                printf(", ");
                print_string(p->summary);
                printf(", '%c')", kinds[p->kind]);
        }
        putchar('\n');
        return fflush(stdout) == 0 && !ferror(stdout) ? EXIT_SUCCESS : EXIT_FAILURE;
}
