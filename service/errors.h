/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdint.h>

#include <glib.h>

#include "bus-error.h"
#include "kern-diag.h"

/* A GError of our domain from what bpf/ says; @error isn't KERN_ERROR_NONE. */
GError *error_from_kern(KernError error, const char *message);
GError *error_from_diag(const KernDiag *diag, int r);

/* That there is no such program type, and which there are */
GError *error_unknown_type(const char *name);

/* "Can't WHAT: strerror" as BPFKEEPER_ERROR_FAILED, from a negative errno. */
GError *error_from_errno(int r, const char *what);

#define error_new(code, ...) g_error_new(BPFKEEPER_ERROR, BPFKEEPER_ERROR_##code, __VA_ARGS__)
