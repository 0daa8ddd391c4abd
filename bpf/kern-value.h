/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kern-diag.h"

struct btf;

/*
 * Values of variables, as people and programs give them, made into the bytes that BTF says they are.
 * Both the value and the BTF come from a caller: nothing outside of the variable is touched, whatever
 * they say.
 */

typedef enum KernValueKind {
        KERN_VALUE_BYTES, /* as in memory, whatever the type is */
        KERN_VALUE_BOOLEAN,
        KERN_VALUE_NEGATIVE, /* an integer below 0 */
        KERN_VALUE_UNSIGNED, /* and any other one */
        KERN_VALUE_REAL,
        KERN_VALUE_TEXT, /* of a char array; or one of the above as it is written, or an enumerator */
        KERN_VALUE_LIST,
        KERN_VALUE_MEMBERS, /* of a structure, by name; what isn't named stays as it is */
} KernValueKind;

typedef struct KernValue {
        KernValueKind kind;
        const char *name; /* of a member */
        union {
                struct {
                        const void *data;
                        size_t size;
                } bytes;
                bool boolean;
                int64_t negative;
                uint64_t number;
                double real;
                const char *text;
                struct {
                        struct KernValue *values;
                        size_t n;
                } list; /* and members */
        };
} KernValue;

/* Deeper than any structure in C is, and far from the end of the stack. */
#define KERN_VALUE_DEPTH_MAX 32

/*
 * Writes @value into the @size bytes at @dest, which are a variable @name of type @type. On failure
 * some of it may have been written. The diagnosis says which part doesn't fit, and what would.
 */
int kern_value_write(const struct btf *btf, uint32_t type, const char *name, const KernValue *value,
                     void *dest, size_t size, KernDiag *reterr_diag);

/*
 * The type as C has it: "__u32", "struct config", "char[16]", without const and volatile. Cut off
 * where @ret, which has room for @size, is too small. Returns @ret.
 */
char *kern_value_type_name(const struct btf *btf, uint32_t type, char *ret, size_t size);

/*
 * The value in @data as kern_value_write() would take it, in JSON where that is a structure or list:
 * "5", "{\"limit\":5,\"mac\":[0,1]}". Ends in "…" where there is more than fits, and is "" where
 * there is nothing to be shown. Returns @ret.
 */
char *kern_value_format(const struct btf *btf, uint32_t type, const void *data, size_t data_size,
                        char *ret, size_t size);
