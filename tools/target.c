/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "target.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include <glib.h>

#include "text.h"

static int open_file(const char *path)
{
        return open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
}

/* What tells a library for this program from one for another architecture. */
static bool read_kind(int fd, unsigned char *ret_class, uint16_t *ret_machine)
{
        Elf64_Ehdr header; /* as far as it matters, the same in 32 bits */

        if (pread(fd, &header, sizeof(header), 0) != sizeof(header) ||
            memcmp(header.e_ident, ELFMAG, SELFMAG) != 0)
                return false;
        *ret_class = header.e_ident[EI_CLASS];
        *ret_machine = header.e_machine;
        return true;
}

static bool is_of_our_kind(int fd)
{
        int self = open_file("/proc/self/exe");
        unsigned char our_class = 0, class = 0;
        uint16_t our_machine = 0, machine = 0;
        bool same = self >= 0 && read_kind(self, &our_class, &our_machine) &&
                    read_kind(fd, &class, &machine) && class == our_class && machine == our_machine;

        if (self >= 0)
                close(self);
        return same;
}

/* "\tlibc.so.6 (libc6,x86-64) => /lib/x86_64-linux-gnu/libc.so.6": the cache, as ldconfig(8) prints it. */
static int find_in_cache(const char *name)
{
        static const char *const command[] = {"ldconfig", "-p", NULL};
        g_auto(GStrv) environment =
                g_environ_setenv(g_get_environ(), "PATH", "/usr/sbin:/sbin:/usr/bin:/bin", TRUE);
        g_autofree char *begin = g_strdup_printf("\t%s (", name);
        g_autofree char *out = NULL;
        g_auto(GStrv) lines = NULL;

        if (!g_spawn_sync(NULL, (char **)command, environment,
                          G_SPAWN_SEARCH_PATH_FROM_ENVP | G_SPAWN_STDERR_TO_DEV_NULL, NULL, NULL,
                          &out, NULL, NULL, NULL))
                return -1;
        lines = g_strsplit(out, "\n", -1);
        for (char **line = lines; *line; line++) {
                const char *path = strstr(*line, ") => ");
                int fd;

                if (!g_str_has_prefix(*line, begin) || !path)
                        continue;
                fd = open_file(path + strlen(") => "));
                if (fd >= 0 && is_of_our_kind(fd))
                        return fd;
                if (fd >= 0)
                        close(fd);
        }
        return -1;
}

/*
 * By the mapping itself, which only root may open and which can't be another file; else by the path,
 * from the root that the process has.
 */
static int open_mapping(const char *pid, const char *range, const char *path)
{
        g_autofree char *mapping = g_strdup_printf("/proc/%s/map_files/%s", pid, range);
        g_autofree char *from_root = g_strdup_printf("/proc/%s/root%s", pid, path);
        int fd = open_file(mapping);

        return fd >= 0 ? fd : open_file(from_root);
}

/* A line of /proc/PID/maps: "7f00-7f28 r-xp 00028000 08:02 1234    /usr/lib/libc.so.6" */
static const char *mapped_path(const char *line)
{
        const char *path = strchr(line, '/');

        return path && !g_str_has_suffix(path, " (deleted)") ? path : NULL;
}

/* While it lives nobody else has its number. */
static bool has_ended(int pid_fd)
{
        struct pollfd p = {.fd = pid_fd, .events = POLLIN};

        return pid_fd >= 0 && poll(&p, 1, 0) != 0;
}

static bool find_mapped(const char *name, const char *pid, int pid_fd, int *ret, char **reterr)
{
        g_autofree char *file = g_strdup_printf("/proc/%s/maps", pid), *maps = NULL;
        g_autoptr(GError) error = NULL;
        g_auto(GStrv) lines = NULL;
        int64_t number;

        if (!text_parse_signed(pid, 1, INT32_MAX, &number)) {
                *reterr = g_strdup_printf("The pid '%s' isn't a number that it can be", pid);
                return false;
        }
        if (!g_file_get_contents(file, &maps, NULL, &error)) {
                *reterr = g_strdup_printf("Can't look at what process %s has mapped: %s", pid,
                                          error->message);
                return false;
        }
        lines = g_strsplit(maps, "\n", -1);
        for (char **line = lines; *line; line++) {
                const char *path = mapped_path(*line);
                g_autofree char *range = NULL;

                if (!path || strcmp(strrchr(path, '/') + 1, name) != 0)
                        continue;
                range = g_strndup(*line, strcspn(*line, " "));
                *ret = open_mapping(pid, range, path);
                if (*ret < 0) {
                        *reterr = g_strdup_printf("Can't open '%s' as process %s has it: %s", path,
                                                  pid, g_strerror(errno));
                        return false;
                }
                if (!has_ended(pid_fd))
                        return true;
                close(*ret);
                *reterr = g_strdup_printf("Process %s has ended", pid);
                return false;
        }
        *reterr = g_strdup_printf("Process %s has no file '%s' mapped; give it by its path", pid,
                                  name);
        return false;
}

bool target_open(const char *name, const char *pid, int pid_fd, int *ret, char **reterr)
{
        const bool is_name = !strchr(name, '/');

        if (is_name && pid)
                return find_mapped(name, pid, pid_fd, ret, reterr);
        *ret = is_name ? find_in_cache(name) : -1;
        if (*ret < 0)
                *ret = open_file(name);
        if (*ret < 0)
                *reterr = g_strdup_printf("Can't open '%s': %s%s", name, g_strerror(errno),
                                          is_name ? "; the dynamic linker has no library of "
                                                    "that name either"
                                                  : "");
        return *ret >= 0;
}

char *target_path(const char *name)
{
        g_autofree char *link = NULL, *path = NULL;
        int fd = strchr(name, '/') ? -1 : find_in_cache(name);

        if (fd < 0)
                return g_strdup(name);
        link = g_strdup_printf("/proc/self/fd/%d", fd);
        path = g_file_read_link(link, NULL);
        close(fd);
        return path ? g_steal_pointer(&path) : g_strdup(name);
}
