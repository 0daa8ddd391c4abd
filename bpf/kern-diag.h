/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stddef.h>

/*
 * What went wrong in bpf/. Functions here return a negative errno and, where they take a KernDiag,
 * fill it: the kind for programs, the message for people. service/ turns the kind into a GError and
 * dbus/ that into org.bpfkeeper1.Error.*.
 */

typedef enum KernError {
        KERN_ERROR_NONE,
        KERN_ERROR_FAILED,            /* anything without a kind of its own */
        KERN_ERROR_INVALID_ARGUMENT,  /* a value that can never be right */
        KERN_ERROR_MISSING_PARAMETER, /* the hook isn't fully named */
        KERN_ERROR_NOT_ELF,
        KERN_ERROR_WRONG_ARCHITECTURE, /* an ELF, but not for BPF or of the other endianness */
        KERN_ERROR_NO_SUCH_PROGRAM,    /* the object has no program of that name */
        KERN_ERROR_UNKNOWN_SECTION,    /* no type given and the section name tells none */
        KERN_ERROR_TYPE_MISMATCH,      /* the program's section belongs to another type */
        KERN_ERROR_NO_BTF,
        KERN_ERROR_VERIFIER,      /* refused by the verifier; see the log */
        KERN_ERROR_NOT_SUPPORTED, /* this kernel lacks it */
        KERN_ERROR_NO_SUCH_GLOBAL,
        KERN_ERROR_NO_SUCH_MAP,
        KERN_ERROR_MAP_MISMATCH, /* a map to be used differs in its definition */
        KERN_ERROR_NO_SUCH_INTERFACE,
        KERN_ERROR_NO_SUCH_FUNCTION,
        KERN_ERROR_NO_SUCH_TRACEPOINT,
        KERN_ERROR_NO_SUCH_TARGET,
        KERN_ERROR_NO_SUCH_CGROUP,
        KERN_ERROR_NO_SUCH_PROCESS,
        KERN_ERROR_HOOK_BUSY,
        KERN_ERROR_NO_SUCH_KEY,
        KERN_ERROR_READ_ONLY,
        KERN_ERROR_LIMIT_EXCEEDED,
        _KERN_ERROR_MAX,
} KernError;

typedef struct KernDiag {
        KernError error;
        char message[2048]; /* one sentence, or a sentence and the log's last lines */
        char *log;          /* owned: the verifier's whole log, or NULL */
        size_t log_size;    /* without the trailing NUL */
} KernDiag;

/* Releases what the diagnosis owns and makes it empty; takes one that was zeroed or filled. */
void kern_diag_clear(KernDiag *diag);

/*
 * Fills @diag (which may be NULL) and returns @r, a negative errno, so that a function can end in
 * `return kern_fail(diag, -ENOENT, KERN_ERROR_NO_SUCH_MAP, "…", …);`. The first diagnosis stays. A
 * message of one line gets its full stop here.
 */
int kern_fail(KernDiag *diag, int r, KernError error, const char *format, ...)
        __attribute__((format(printf, 4, 5)));

/*
 * Makes @text fit for a message and for D-Bus, in place: what is not valid UTF-8, and control
 * characters other than newline and tab, become '?'. Returns @text.
 */
char *kern_text_clean(char *text);
