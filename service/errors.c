/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "errors.h"

#include "kern-types.h"

static const BpfkeeperError codes[] = {
        [KERN_ERROR_NONE] = BPFKEEPER_ERROR_FAILED,
        [KERN_ERROR_FAILED] = BPFKEEPER_ERROR_FAILED,
        [KERN_ERROR_INVALID_ARGUMENT] = BPFKEEPER_ERROR_INVALID_ARGUMENT,
        [KERN_ERROR_MISSING_PARAMETER] = BPFKEEPER_ERROR_MISSING_PARAMETER,
        [KERN_ERROR_NOT_ELF] = BPFKEEPER_ERROR_NOT_ELF,
        [KERN_ERROR_WRONG_ARCHITECTURE] = BPFKEEPER_ERROR_WRONG_ARCHITECTURE,
        [KERN_ERROR_NO_SUCH_PROGRAM] = BPFKEEPER_ERROR_NO_SUCH_FUNCTION_IN_OBJECT,
        [KERN_ERROR_UNKNOWN_SECTION] = BPFKEEPER_ERROR_UNKNOWN_SECTION,
        [KERN_ERROR_TYPE_MISMATCH] = BPFKEEPER_ERROR_TYPE_MISMATCH,
        [KERN_ERROR_NO_BTF] = BPFKEEPER_ERROR_NO_BTF,
        [KERN_ERROR_VERIFIER] = BPFKEEPER_ERROR_VERIFIER_REFUSED,
        [KERN_ERROR_NOT_SUPPORTED] = BPFKEEPER_ERROR_NOT_SUPPORTED,
        [KERN_ERROR_NO_SUCH_GLOBAL] = BPFKEEPER_ERROR_NO_SUCH_GLOBAL,
        [KERN_ERROR_NO_SUCH_MAP] = BPFKEEPER_ERROR_NO_SUCH_MAP,
        [KERN_ERROR_MAP_MISMATCH] = BPFKEEPER_ERROR_MAP_MISMATCH,
        [KERN_ERROR_NO_SUCH_INTERFACE] = BPFKEEPER_ERROR_NO_SUCH_INTERFACE,
        [KERN_ERROR_NO_SUCH_FUNCTION] = BPFKEEPER_ERROR_NO_SUCH_FUNCTION,
        [KERN_ERROR_NO_SUCH_TRACEPOINT] = BPFKEEPER_ERROR_NO_SUCH_TRACEPOINT,
        [KERN_ERROR_NO_SUCH_TARGET] = BPFKEEPER_ERROR_NO_SUCH_TARGET,
        [KERN_ERROR_NO_SUCH_CGROUP] = BPFKEEPER_ERROR_NO_SUCH_CGROUP,
        [KERN_ERROR_NO_SUCH_PROCESS] = BPFKEEPER_ERROR_NO_SUCH_PROCESS,
        [KERN_ERROR_HOOK_BUSY] = BPFKEEPER_ERROR_HOOK_BUSY,
        [KERN_ERROR_NO_SUCH_KEY] = BPFKEEPER_ERROR_NO_SUCH_KEY,
        [KERN_ERROR_READ_ONLY] = BPFKEEPER_ERROR_READ_ONLY,
        [KERN_ERROR_LIMIT_EXCEEDED] = BPFKEEPER_ERROR_LIMIT_EXCEEDED,
};

G_STATIC_ASSERT(G_N_ELEMENTS(codes) == _KERN_ERROR_MAX);

GError *error_from_kern(KernError error, const char *message)
{
        /* A worker's word is a number from outside. */
        if ((size_t)error >= G_N_ELEMENTS(codes))
                error = KERN_ERROR_FAILED;
        return g_error_new_literal(BPFKEEPER_ERROR, (int)codes[error], message);
}

GError *error_from_diag(const KernDiag *diag, int r)
{
        if (diag->error == KERN_ERROR_NONE)
                return error_new(FAILED, "%s.", g_strerror(-r));
        return error_from_kern(diag->error, diag->message);
}

GError *error_from_errno(int r, const char *what)
{
        return error_new(FAILED, "Can't %s: %s.", what, g_strerror(-r));
}

GError *error_unknown_type(const char *name)
{
        g_autoptr(GString) names = g_string_new(NULL);

        for (const KernType *t = kern_types; t->name; t++)
                g_string_append_printf(names, "%s%s", names->len > 0 ? ", " : "", t->name);
        return error_new(UNKNOWN_TYPE, "There is no program type '%s'; there are: %s.", name,
                         names->str);
}
