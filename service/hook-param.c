/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "hook-param.h"

#include <inttypes.h>

/* The first is what it is as a property, too, where that is no text in place of it. */
static const char *const bus_types[][3] = {
        [KERN_KIND_U32] = {"u"},
        [KERN_KIND_U64] = {"t"},
        [KERN_KIND_I32] = {"i"},
        [KERN_KIND_TEXT] = {"s"},
        [KERN_KIND_WORD] = {"s"},
        [KERN_KIND_WORDS] = {"as"},
        [KERN_KIND_TEXTS] = {"as"},
        [KERN_KIND_NUMBERS] = {"at"},
        [KERN_KIND_INTERFACE] = {"s", "u"},
        [KERN_KIND_FILE] = {"h", "s"},
        [KERN_KIND_PROGRAM] = {"o"},
        [KERN_KIND_MAP] = {"o"},
        [KERN_KIND_PROCESS] = {"i", "h"},
};

const BusHookParam *hook_params(void)
{
        static BusHookParam params[_KERN_PARAM_MAX + 1];

        for (int p = 0; p < _KERN_PARAM_MAX && !params[p].name; p++)
                params[p] = (BusHookParam){kern_params[p].name, bus_types[kern_params[p].kind]};
        return params;
}

static char **words_of(const char *const *words, uint64_t bits)
{
        g_autoptr(GStrvBuilder) builder = g_strv_builder_new();

        for (unsigned i = 0; words[i]; i++)
                if (bits & (UINT64_C(1) << i))
                        g_strv_builder_add(builder, words[i]);
        return g_strv_builder_end(builder);
}

char **hook_param_words(const KernHook *hook, KernParam param)
{
        return words_of(kern_type_words(hook->type, param), kern_hook_number(hook, param));
}

void hook_param_value(const KernHook *hook, char *const *texts, KernParam param, BusValue *ret)
{
        const KernParamInfo *p = &kern_params[param];
        const char *const *words = hook->type ? kern_type_words(hook->type, param) : p->words;
        const void *member = (const char *)hook + p->offset;
        uint64_t number = kern_hook_number(hook, param);
        const KernNumbers *numbers = member;

        *ret = (BusValue){.type = bus_types[p->kind][0]};
        switch (p->kind) {
        case KERN_KIND_U32:
                ret->u = (uint32_t)number;
                break;
        case KERN_KIND_U64:
                ret->t = number;
                break;
        case KERN_KIND_I32:
        case KERN_KIND_PROCESS:
                ret->i = (int32_t)number;
                break;
        case KERN_KIND_TEXT:
                ret->s = g_strdup(member);
                break;
        case KERN_KIND_WORD:
                ret->s = g_strdup(kern_word(words, (unsigned)number));
                break;
        case KERN_KIND_WORDS:
                ret->strings = words_of(words, number);
                break;
        case KERN_KIND_TEXTS:
                ret->strings = g_strsplit(*(const char *const *)member ?: "", ",", -1);
                break;
        case KERN_KIND_NUMBERS:
                ret->numbers = g_array_sized_new(FALSE, FALSE, sizeof(uint64_t), (guint)numbers->n);
                if (numbers->n > 0)
                        g_array_append_vals(ret->numbers, numbers->list, (guint)numbers->n);
                break;
        case KERN_KIND_PROGRAM:
        case KERN_KIND_MAP:
                ret->type = "u";
                ret->u = (uint32_t)number;
                break;
        case KERN_KIND_INTERFACE:
        case KERN_KIND_FILE:
                ret->type = "s";
                ret->s = g_strdup(texts[param] ?: "");
                break;
        }
}

char *hook_param_text(const KernHook *hook, char *const *texts, KernParam param)
{
        g_auto(BusValue) value = {0};

        hook_param_value(hook, texts, param, &value);
        if (g_str_equal(value.type, "s"))
                return g_strdup(value.s);
        if (g_str_equal(value.type, "u"))
                return g_strdup_printf("%" PRIu32, value.u);
        if (g_str_equal(value.type, "i"))
                return g_strdup_printf("%" PRIi32, value.i);
        if (g_str_equal(value.type, "t"))
                return g_strdup_printf("%" PRIu64, value.t);
        /* Words of ours have a comma between; names and patterns are text of the caller's. */
        if (g_str_equal(value.type, "as"))
                return g_strjoinv(kern_params[param].words ? "," : " ", value.strings);
        return NULL;
}
