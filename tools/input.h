/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/* Files that go to the service: as descriptors, or as bytes in a message. */

/* Opens a file for reading, or stdin for "-". A descriptor, or -1 and @reterr. */
int input_open(const char *path, char **reterr);

/*
 * A copy of a file in a memfd that nobody can change any more, which the service uses as it is. At
 * most @max bytes. A descriptor, or -1 and @reterr.
 */
int input_seal(const char *path, size_t max, char **reterr);

/* What DATA means on the command line: "hex:00 01", or a file. At most @max bytes. */
GBytes *input_bytes(const char *data, size_t max, char **reterr);

/* All that a descriptor has, from its begin, at most @max bytes. */
GBytes *input_read(int fd, size_t max, char **reterr);
