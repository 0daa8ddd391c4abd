/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bus-error.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>

#define ERROR_PREFIX "org.bpfkeeper1.Error."

/* The errno is what an sd-bus client gets from sd_bus_call(). */
static const struct {
        const char *name;
        int error;
} errors[] = {
#define E(code, name, error) [BPFKEEPER_ERROR_##code] = {ERROR_PREFIX name, error}
        E(FAILED, "Failed", EIO),
        E(NOT_AUTHORIZED, "NotAuthorized", EACCES),
        E(AUTHORIZATION_DISMISSED, "AuthorizationDismissed", EACCES),
        E(AUTHORIZATION_REQUIRED, "AuthorizationRequired", EACCES),
        E(NO_AUTHORITY, "NoAuthority", EACCES),
        E(CANCELLED, "Cancelled", ECANCELED),
        E(UNKNOWN_OPTION, "UnknownOption", EINVAL),
        E(WRONG_TYPE, "WrongType", EINVAL),
        E(MISSING_PARAMETER, "MissingParameter", EINVAL),
        E(INVALID_ARGUMENT, "InvalidArgument", EINVAL),
        E(LIMIT_EXCEEDED, "LimitExceeded", EDQUOT),
        E(UNKNOWN_TYPE, "UnknownType", EINVAL),
        E(NOT_ELF, "NotElf", ENOEXEC),
        E(WRONG_ARCHITECTURE, "WrongArchitecture", ENOEXEC),
        E(NO_SUCH_FUNCTION_IN_OBJECT, "NoSuchFunctionInObject", ENOENT),
        E(UNKNOWN_SECTION, "UnknownSection", EINVAL),
        E(TYPE_MISMATCH, "TypeMismatch", EINVAL),
        E(NO_SUCH_GLOBAL, "NoSuchGlobal", ENOENT),
        E(NO_SUCH_MAP, "NoSuchMap", ENOENT),
        E(MAP_MISMATCH, "MapMismatch", EINVAL),
        E(NO_BTF, "NoBtf", ENOENT),
        E(VERIFIER_REFUSED, "VerifierRefused", EBADMSG),
        E(NOT_SUPPORTED, "NotSupported", EOPNOTSUPP),
        E(NO_SUCH_INTERFACE, "NoSuchInterface", ENODEV),
        E(NO_SUCH_FUNCTION, "NoSuchFunction", ENOENT),
        E(NO_SUCH_TRACEPOINT, "NoSuchTracepoint", ENOENT),
        E(NO_SUCH_TARGET, "NoSuchTarget", ENOENT),
        E(NO_SUCH_CGROUP, "NoSuchCgroup", ENOENT),
        E(NO_SUCH_PROCESS, "NoSuchProcess", ESRCH),
        E(HOOK_BUSY, "HookBusy", EBUSY),
        E(NO_SUCH_OBJECT, "NoSuchObject", ENOENT),
        E(NOT_MANAGED, "NotManaged", EPERM),
        E(NO_SUCH_KEY, "NoSuchKey", ENOENT),
        E(READ_ONLY, "ReadOnly", EROFS),
        E(NO_LOG, "NoLog", ENODATA),
        E(TIMED_OUT, "TimedOut", ETIMEDOUT),
        E(WORKER_FAILED, "WorkerFailed", EIO),
#undef E
};

G_STATIC_ASSERT(G_N_ELEMENTS(errors) == _BPFKEEPER_ERROR_MAX);

G_DEFINE_QUARK(bpfkeeper - error - quark, bpfkeeper_error)

const char *bus_error_name(BpfkeeperError code)
{
        return (size_t)code < G_N_ELEMENTS(errors) ? errors[code].name : NULL;
}

int bus_error_code(const char *name)
{
        if (!name || !g_str_has_prefix(name, ERROR_PREFIX))
                return -ENOENT;
        for (size_t i = 0; i < G_N_ELEMENTS(errors); i++)
                if (strcmp(errors[i].name, name) == 0)
                        return (int)i;
        return -ENOENT;
}

/*
 * Messages quote what callers sent and what a verifier wrote: the bus takes only UTF-8, and a client
 * has no use for megabytes.
 */
#define MESSAGE_MAX 4096

static char *presentable(const char *message)
{
        g_autofree char *cut = g_strndup(message, MESSAGE_MAX);

        return g_utf8_make_valid(cut, -1);
}

int bus_error_from_gerror(sd_bus_error *reterr, const GError *error)
{
        g_autofree char *message = presentable(error->message);
        BpfkeeperError code = BPFKEEPER_ERROR_FAILED;

        if (error->domain == BPFKEEPER_ERROR && (size_t)error->code < G_N_ELEMENTS(errors))
                code = (BpfkeeperError)error->code;
        sd_bus_error_set(reterr, errors[code].name, message);
        return -errors[code].error;
}

int bus_reply_gerror(sd_bus_message *m, const GError *error)
{
        sd_bus_error e = SD_BUS_ERROR_NULL;
        int r;

        bus_error_from_gerror(&e, error);
        r = sd_bus_reply_method_error(m, &e);
        sd_bus_error_free(&e);
        return r;
}

int bus_error_setf(sd_bus_error *reterr, BpfkeeperError code, const char *format, ...)
{
        g_autofree char *text = NULL, *message = NULL;
        va_list ap;

        va_start(ap, format);
        text = g_strdup_vprintf(format, ap);
        va_end(ap);
        message = presentable(text);
        sd_bus_error_set(reterr, errors[code].name, message);
        return -errors[code].error;
}
