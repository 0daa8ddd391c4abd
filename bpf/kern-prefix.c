/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "kern-prefix.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#define EXAMPLES "give a network, such as 10.2.0.0/16 or fc00::/7, or an address"

const char *kern_prefix_to_string(const KernPrefix *prefix, char ret[static KERN_PREFIX_TEXT_MAX])
{
        char address[INET6_ADDRSTRLEN] = "";

        (void)inet_ntop(prefix->family, prefix->bytes, address, sizeof(address));
        snprintf(ret, KERN_PREFIX_TEXT_MAX, "%s/%u", address, prefix->length);
        return ret;
}

static int parse_address(const char *text, size_t length, KernPrefix *ret)
{
        char address[INET6_ADDRSTRLEN];

        if (length >= sizeof(address))
                return -EINVAL;
        memcpy(address, text, length);
        address[length] = '\0';
        ret->family = strchr(address, ':') ? AF_INET6 : AF_INET;
        return inet_pton(ret->family, address, ret->bytes) == 1 ? 0 : -EINVAL;
}

/* At most three digits, none of them for nothing: there is one way to write a length. */
static int parse_length(const char *text, unsigned max, uint8_t *ret)
{
        unsigned n = 0;

        if (*text == '\0' || strlen(text) > 3 || (*text == '0' && text[1] != '\0'))
                return -EINVAL;
        for (; *text; text++) {
                if (*text < '0' || *text > '9')
                        return -EINVAL;
                n = n * 10 + (unsigned)(*text - '0');
        }
        if (n > max)
                return -ERANGE;
        *ret = (uint8_t)n;
        return 0;
}

/* Clears what is behind the network; whether anything was set there. */
static bool clear_host(KernPrefix *prefix)
{
        bool was_set = false;

        for (unsigned i = 0; i < kern_prefix_size(prefix); i++) {
                const unsigned first = i * 8;
                const unsigned bits = prefix->length <= first      ? 0
                                      : prefix->length - first > 8 ? 8
                                                                   : prefix->length - first;
                const uint8_t mask = (uint8_t)(0xff00U >> bits);

                was_set |= prefix->bytes[i] & (uint8_t)~mask;
                prefix->bytes[i] &= mask;
        }
        return was_set;
}

int kern_prefix_parse(const char *text, KernPrefix *ret, KernDiag *diag)
{
        const char *slash = strchr(text, '/');
        const size_t length = slash ? (size_t)(slash - text) : strlen(text);
        char network[KERN_PREFIX_TEXT_MAX];
        KernPrefix prefix = {0};
        unsigned max;
        int r;

        if (strcmp(text, "default") == 0)
                return kern_fail(
                        diag, -EINVAL, KERN_ERROR_INVALID_ARGUMENT,
                        "There is a default route for each family: give 0.0.0.0/0 for that "
                        "of IPv4, ::/0 for that of IPv6");
        if (parse_address(text, length, &prefix) < 0)
                return kern_fail(diag, -EINVAL, KERN_ERROR_INVALID_ARGUMENT,
                                 "\"%s\" is no route: " EXAMPLES, text);
        max = kern_prefix_size(&prefix) * 8;
        prefix.length = (uint8_t)max;
        r = slash ? parse_length(slash + 1, max, &prefix.length) : 0;
        if (r == -ERANGE)
                return kern_fail(diag, -EINVAL, KERN_ERROR_INVALID_ARGUMENT,
                                 "\"%s\" is no route: an %s address has %u bits", text,
                                 prefix.family == AF_INET6 ? "IPv6" : "IPv4", max);
        if (r < 0)
                return kern_fail(
                        diag, -EINVAL, KERN_ERROR_INVALID_ARGUMENT,
                        "\"%s\" is no route: behind the slash there is a number of bits, 0 "
                        "to %u; " EXAMPLES,
                        text, max);
        if (clear_host(&prefix))
                return kern_fail(diag, -EINVAL, KERN_ERROR_INVALID_ARGUMENT,
                                 "\"%s\" is no network, since bits behind the first %u are set; "
                                 "the network is %s",
                                 text, prefix.length, kern_prefix_to_string(&prefix, network));
        *ret = prefix;
        return 0;
}
