/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "socket.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include <glib.h>

#include "text.h"

/* What we have opened ourselves is closed on exec, and what we were started with was not. */
static bool is_inherited(int fd)
{
        int flags = fcntl(fd, F_GETFD);

        return flags >= 0 && !(flags & FD_CLOEXEC);
}

bool socket_open(const char *number, int *ret, char **reterr)
{
        uint64_t fd;
        struct stat st;

        if (!text_parse_unsigned(number, INT_MAX, &fd)) {
                *reterr =
                        g_strdup_printf("The socket '%s' isn't the number of a descriptor", number);
                return false;
        }
        if (!is_inherited((int)fd)) {
                *reterr = g_strdup_printf("bpfctl was started without a descriptor %d; whoever "
                                          "runs it has the socket open by that number",
                                          (int)fd);
                return false;
        }
        if (fstat((int)fd, &st) < 0 || !S_ISSOCK(st.st_mode)) {
                *reterr = g_strdup_printf("Descriptor %d is no socket", (int)fd);
                return false;
        }
        *ret = fcntl((int)fd, F_DUPFD_CLOEXEC, 3);
        if (*ret < 0)
                *reterr =
                        g_strdup_printf("Can't use descriptor %d: %s", (int)fd, g_strerror(errno));
        return *ret >= 0;
}

char *socket_describe(int fd)
{
        char protocol[64];
        struct stat st;
        ssize_t n = fgetxattr(fd, "system.sockprotoname", protocol, sizeof(protocol) - 1);

        protocol[n > 0 ? n : 0] = '\0';
        return g_strdup_printf("%s%ssocket:[%" PRIu64 "]", protocol, *protocol ? " " : "",
                               fstat(fd, &st) < 0 ? 0 : (uint64_t)st.st_ino);
}
