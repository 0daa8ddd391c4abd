/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include <bpf/btf.h>

/*
 * libbpf's warnings, kept instead of printed: they often know better than errno what went wrong.
 * One capture at a time per thread; what is written while there is none is dropped.
 */
typedef struct KernCapture {
        char text[4096]; /* the last lines, without the "libbpf: " */
        size_t n;
} KernCapture;

void kern_capture_begin(KernCapture *capture);
void kern_capture_end(KernCapture *capture); /* the text stays readable */

#define KERN_AUTO_CAPTURE __attribute__((cleanup(kern_capture_end)))

/*
 * Whether a line has @before, then right behind it a name in single quotes, then @after somewhere;
 * the last such name goes to @ret.
 */
bool kern_capture_find(const KernCapture *capture, const char *before, const char *after, char *ret,
                       size_t size);

/* The last line, without its end; "" if there is none. */
void kern_capture_last(const KernCapture *capture, char *ret, size_t size);

static inline void kern_btf_freep(struct btf **btf)
{
        btf__free(*btf);
}

#define KERN_AUTO_BTF __attribute__((cleanup(kern_btf_freep)))
