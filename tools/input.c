/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "input.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "value.h"

#define BUFFER_SIZE (64 * 1024)

int input_open(const char *path, char **reterr)
{
        int fd;

        if (strcmp(path, "-") == 0)
                fd = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3);
        else
                fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
        if (fd < 0)
                *reterr = g_strdup_printf("Can't open '%s': %s", path, g_strerror(errno));
        return fd;
}

GBytes *input_read(int fd, size_t max, char **reterr)
{
        g_autoptr(GByteArray) bytes = g_byte_array_new();
        g_autofree guint8 *buffer = g_malloc(BUFFER_SIZE);

        for (;;) {
                ssize_t n = read(fd, buffer, BUFFER_SIZE);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0) {
                        *reterr = g_strdup_printf("Can't read: %s", g_strerror(errno));
                        return NULL;
                }
                if (n == 0)
                        break;
                if (bytes->len + (size_t)n > max) {
                        *reterr = g_strdup_printf("Larger than %zu bytes", max);
                        return NULL;
                }
                g_byte_array_append(bytes, buffer, (guint)n);
        }
        return g_byte_array_free_to_bytes(g_steal_pointer(&bytes));
}

static GBytes *read_path(const char *path, size_t max, char **reterr)
{
        g_autofree char *reason = NULL;
        GBytes *bytes;
        int fd;

        fd = input_open(path, reterr);
        if (fd < 0)
                return NULL;
        bytes = input_read(fd, max, &reason);
        (void)close(fd);
        if (!bytes)
                *reterr = g_strdup_printf("'%s': %s", path, reason);
        return bytes;
}

static bool write_all(int fd, GBytes *bytes)
{
        size_t size;
        const guint8 *data = g_bytes_get_data(bytes, &size);

        while (size > 0) {
                ssize_t n = write(fd, data, size);

                if (n < 0 && errno != EINTR)
                        return false;
                if (n > 0) {
                        data += n;
                        size -= (size_t)n;
                }
        }
        return true;
}

int input_seal(const char *path, size_t max, char **reterr)
{
        g_autoptr(GBytes) bytes = NULL;
        int fd;

        bytes = read_path(path, max, reterr);
        if (!bytes)
                return -1;
        fd = memfd_create("bpfctl-object", MFD_CLOEXEC | MFD_ALLOW_SEALING);
        if (fd < 0 || !write_all(fd, bytes) || lseek(fd, 0, SEEK_SET) < 0 ||
            fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL) < 0) {
                *reterr = g_strdup_printf("Can't make a sealed copy of '%s': %s", path,
                                          g_strerror(errno));
                if (fd >= 0)
                        (void)close(fd);
                return -1;
        }
        return fd;
}

GBytes *input_bytes(const char *data, size_t max, char **reterr)
{
        if (g_str_has_prefix(data, "hex:"))
                return value_parse_hex(data + strlen("hex:"), reterr);
        return read_path(data, max, reterr);
}
