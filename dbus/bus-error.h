/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <systemd/sd-bus.h>

/*
 * The errors of the service: one list for the GError domain that service/ uses, the names on the
 * bus, and what clients compare with. Each code's comment is its documentation.
 */

typedef enum BpfkeeperError {
        BPFKEEPER_ERROR_FAILED, /* nothing more precise is known */

        /* polkit */
        BPFKEEPER_ERROR_NOT_AUTHORIZED,          /* denied */
        BPFKEEPER_ERROR_AUTHORIZATION_DISMISSED, /* the user closed the password dialog */
        BPFKEEPER_ERROR_AUTHORIZATION_REQUIRED, /* a password would do, but the message doesn't allow
                                                 * interaction, or there is no agent to ask it */
        BPFKEEPER_ERROR_NO_AUTHORITY,           /* no polkit service, and the caller isn't uid 0 */
        BPFKEEPER_ERROR_CANCELLED,              /* the caller left, or the service is going down */

        /* arguments */
        BPFKEEPER_ERROR_UNKNOWN_OPTION,
        BPFKEEPER_ERROR_WRONG_TYPE,        /* an option has a value of another D-Bus type */
        BPFKEEPER_ERROR_MISSING_PARAMETER, /* the hook isn't fully named */
        BPFKEEPER_ERROR_INVALID_ARGUMENT,  /* a value that can never be right */
        BPFKEEPER_ERROR_LIMIT_EXCEEDED,
        BPFKEEPER_ERROR_UNKNOWN_TYPE, /* no such program type in the table */

        /* the object file */
        BPFKEEPER_ERROR_NOT_ELF,
        BPFKEEPER_ERROR_WRONG_ARCHITECTURE,         /* not for BPF, or of the other endianness */
        BPFKEEPER_ERROR_NO_SUCH_FUNCTION_IN_OBJECT, /* the object has no program of that name */
        BPFKEEPER_ERROR_UNKNOWN_SECTION, /* no type given and the section name tells none */
        BPFKEEPER_ERROR_TYPE_MISMATCH,   /* the section belongs to another type */
        BPFKEEPER_ERROR_NO_SUCH_GLOBAL,
        BPFKEEPER_ERROR_NO_SUCH_MAP, /* neither in the object nor on the bus */
        BPFKEEPER_ERROR_MAP_MISMATCH,

        /* the kernel */
        BPFKEEPER_ERROR_NO_BTF,
        BPFKEEPER_ERROR_VERIFIER_REFUSED, /* the message ends in the log's last lines */
        BPFKEEPER_ERROR_NOT_SUPPORTED,    /* this kernel lacks it */

        /* hooks */
        BPFKEEPER_ERROR_NO_SUCH_INTERFACE,
        BPFKEEPER_ERROR_NO_SUCH_FUNCTION,
        BPFKEEPER_ERROR_NO_SUCH_TRACEPOINT,
        BPFKEEPER_ERROR_NO_SUCH_TARGET,
        BPFKEEPER_ERROR_NO_SUCH_CGROUP,
        BPFKEEPER_ERROR_NO_SUCH_PROCESS,
        BPFKEEPER_ERROR_HOOK_BUSY,

        /* objects on the bus */
        BPFKEEPER_ERROR_NO_SUCH_OBJECT, /* no such program, map, link or grant (any more) */
        BPFKEEPER_ERROR_NOT_MANAGED,    /* not loaded by the service: it can't be unloaded */
        BPFKEEPER_ERROR_NO_SUCH_KEY,
        BPFKEEPER_ERROR_READ_ONLY, /* a frozen map */
        BPFKEEPER_ERROR_NO_LOG,

        /* the service */
        BPFKEEPER_ERROR_TIMED_OUT,     /* the worker took too long and was ended */
        BPFKEEPER_ERROR_WORKER_FAILED, /* the worker died */
        _BPFKEEPER_ERROR_MAX,
} BpfkeeperError;

#define BPFKEEPER_ERROR (bpfkeeper_error_quark())
GQuark bpfkeeper_error_quark(void);

/* "org.bpfkeeper1.Error.HookBusy"; NULL for a code that isn't in the list. Since 0.1. */
const char *bus_error_name(BpfkeeperError code);

/* The code with that name on the bus, or -ENOENT (also for names of others, and NULL). Since 0.1. */
int bus_error_code(const char *name);

/*
 * Fills @reterr from a GError of any domain, for a method handler to return: foreign domains become
 * Failed. Returns the negative errno that sd-bus expects. Since 0.1.
 */
int bus_error_from_gerror(sd_bus_error *reterr, const GError *error);

/* Answers @m with a GError. Since 0.1. */
int bus_reply_gerror(sd_bus_message *m, const GError *error);

/* sd_bus_error_setf() with one of our codes; returns a negative errno. Since 0.1. */
int bus_error_setf(sd_bus_error *reterr, BpfkeeperError code, const char *format, ...)
        __attribute__((format(printf, 3, 4)));
