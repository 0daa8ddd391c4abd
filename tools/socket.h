/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>

/*
 * A descriptor, which is the caller's, of the socket that bpfctl was started with by this number: of a shell's
 * redirection, systemd's, or the application's that runs it. False and @reterr where it is none.
 */
bool socket_open(const char *number, int *ret, char **reterr);

/* "TCP socket:[12345]", as the service calls it; free with g_free(). */
char *socket_describe(int fd);
