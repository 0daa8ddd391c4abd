/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdio.h>
#include <string.h>

#include "kern-types.h"

#define BIT(p) KERN_PARAM_BIT(KERN_PARAM_##p)

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
        return type->prog_type == BPF_PROG_TYPE_STRUCT_OPS ||
               kern_type_takes(type,
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

const KernHookName *kern_type_find_hook(const KernType *type, const char *name)
{
        for (const KernHookName *h = type->hooks; h && h->name; h++)
                if (strcmp(h->name, name) == 0)
                        return h;
        return NULL;
}

const KernHookName *kern_type_section_hook(const KernType *type, const char *section)
{
        const char *slash;

        if (!type->hooks || kern_type_from_section(section) != type)
                return NULL;
        slash = strchr(section, '/');
        if (!slash)
                return NULL;
        return kern_type_find_hook(type, strcmp(slash, "/sock") == 0 ? "sock_create" : slash + 1);
}

void kern_type_list_hooks(const KernType *type, char *ret, size_t size)
{
        size_t n = 0;

        ret[0] = '\0';
        for (const KernHookName *h = type->hooks; h && h->name && n < size; h++)
                n += (size_t)snprintf(ret + n, size - n, "%s%s", n > 0 ? ", " : "", h->name);
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
