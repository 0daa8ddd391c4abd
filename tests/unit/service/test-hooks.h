/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "test-service.h"

#include "kern-attach.h"

/* Hooks with something in every parameter that there is, whatever kind it is of. */

static const uint64_t full_numbers[] = {0, UINT64_MAX, 3};

/* Something of its own in each; texts as much of @text as they hold. */
static inline void hook_fill(KernHook *hook, const char *text)
{
        for (int i = 0; i < _KERN_PARAM_MAX; i++) {
                const KernParamInfo *p = &kern_params[i];
                void *member = kern_hook_member(hook, (KernParam)i);
                uint64_t number = UINT32_MAX - (uint32_t)i;

                hook->given |= KERN_PARAM_BIT(i);
                switch (p->kind) {
                case KERN_KIND_TEXT:
                        g_strlcpy(member, text, p->size);
                        break;
                case KERN_KIND_TEXTS:
                        *(const char **)member = text;
                        break;
                case KERN_KIND_NUMBERS:
                        *(KernNumbers *)member =
                                (KernNumbers){full_numbers, G_N_ELEMENTS(full_numbers)};
                        break;
                case KERN_KIND_FILE:
                        *(int *)member = 100 + i;
                        break;
                case KERN_KIND_I32:
                case KERN_KIND_PROCESS:
                        assert_true(kern_hook_set_number(hook, (KernParam)i,
                                                         (uint64_t)(int64_t)(INT32_MIN + i)));
                        break;
                case KERN_KIND_U64:
                        number = UINT64_MAX - (uint64_t)i;
                        G_GNUC_FALLTHROUGH;
                default:
                        assert_true(kern_hook_set_number(hook, (KernParam)i, number));
                }
        }
}

static inline void assert_param_equal(const KernHook *a, const KernHook *b, KernParam param)
{
        const void *in_a = (const char *)a + kern_params[param].offset;
        const void *in_b = (const char *)b + kern_params[param].offset;
        const KernNumbers *numbers_a = in_a, *numbers_b = in_b;

        switch (kern_params[param].kind) {
        case KERN_KIND_TEXT:
                assert_string_equal((const char *)in_a, (const char *)in_b);
                break;
        case KERN_KIND_TEXTS:
                assert_string_equal(*(const char *const *)in_a ?: "",
                                    *(const char *const *)in_b ?: "");
                break;
        case KERN_KIND_NUMBERS:
                assert_int_equal(numbers_a->n, numbers_b->n);
                assert_memory_equal(numbers_a->list, numbers_b->list,
                                    numbers_a->n * sizeof(*numbers_a->list));
                break;
        case KERN_KIND_FILE: /* they travel otherwise */
                assert_int_equal(*(const int *)in_b, -1);
                break;
        default:
                assert_true(kern_hook_number(a, param) == kern_hook_number(b, param));
        }
}

/* @b is what came back of @a, where parameters that the type doesn't take may have been left. */
static inline void assert_hooks_equal(const KernHook *a, const KernHook *b, bool all)
{
        assert_ptr_equal(a->type, b->type);
        assert_true(a->given == b->given);
        for (int i = 0; i < _KERN_PARAM_MAX; i++)
                if (all || kern_type_takes(a->type, KERN_PARAM_BIT(i)))
                        assert_param_equal(a, b, (KernParam)i);
}
