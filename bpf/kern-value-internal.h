/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <bpf/btf.h>

#include "kern-value.h"

/* What writing and showing values share. */

/* The type behind const and volatile, and with @typedefs behind names; NULL where there is none. */
const struct btf_type *kern_value_strip(const struct btf *btf, uint32_t type, bool typedefs);

/* A name of BTF's, which may have none: "". */
const char *kern_value_name(const struct btf *btf, uint32_t offset);

/* Whether arrays of it are text: C's own char, which is neither signed char nor unsigned char. */
bool kern_value_is_char(const struct btf *btf, uint32_t type);

/* A whole number of 1 to 64 bits: what its values are. */
typedef struct KernNumber {
        bool is_boolean;
        bool is_signed;
        bool is_enum; /* older compilers don't say whether one is signed: it takes both */
        unsigned bits;
} KernNumber;

/*
 * Whether @t is one: an integer, bool or enumeration. @bitfield is 0, or how many bits it has where
 * these are fewer.
 */
bool kern_value_number(const struct btf_type *t, unsigned bitfield, KernNumber *ret);

/*
 * How many enumerators @t has, 0 where it is no enumeration or one whose values its BTF can't hold, and
 * the value of one of them; of that, as many bits count as @t has.
 */
unsigned kern_value_n_enumerators(const struct btf_type *t);
uint64_t kern_value_enumerator(const struct btf_type *t, unsigned i, uint32_t *ret_name);

/* A part of a text: @used grows, and beyond @size where there was no room. */
__attribute__((format(printf, 4, 5))) void kern_value_append(char *text, size_t size, size_t *used,
                                                             const char *format, ...);
