/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "kern-diag.h"

/* The network that a route leads to, as people write it: 10.2.0.0/16, fc00::/7, or an address for itself alone. */

typedef struct KernPrefix {
        int family;        /* AF_INET or AF_INET6 */
        uint8_t length;    /* bits */
        uint8_t bytes[16]; /* four of them, where it is AF_INET; those behind are 0 */
} KernPrefix;

/* Bytes of the longest text, with the one behind its end. */
#define KERN_PREFIX_TEXT_MAX 64

/* Bytes of an address of that family. */
static inline uint32_t kern_prefix_size(const KernPrefix *prefix)
{
        return prefix->family == AF_INET6 ? 16 : 4;
}

/* -EINVAL with a diagnosis that says what is wrong with the text. */
int kern_prefix_parse(const char *text, KernPrefix *ret, KernDiag *diag);

/* The one text of the prefix, for whoever compares texts: with its length, small letters, the fewest digits. */
const char *kern_prefix_to_string(const KernPrefix *prefix, char ret[static KERN_PREFIX_TEXT_MAX]);
