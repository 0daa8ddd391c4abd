/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "descriptor.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <glib.h>
#include <linux/magic.h>
#include <linux/openat2.h>

void descriptor_close(int fd)
{
        if (fd >= 0)
                close(fd);
}

/* What is known of the file without asking its file system. */
static bool look(int fd, struct statx *ret)
{
        return statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_TYPE | STATX_INO, ret) == 0;
}

bool descriptor_is_sealed(int fd)
{
        const int needed = F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK;
        int seals = fcntl(fd, F_GET_SEALS);

        return seals >= 0 && (seals & needed) == needed;
}

bool descriptor_is_readable(int fd)
{
        int flags = fcntl(fd, F_GETFL);

        return flags >= 0 && !(flags & O_PATH) && (flags & O_ACCMODE) != O_WRONLY;
}

bool descriptor_is_writable(int fd)
{
        int flags = fcntl(fd, F_GETFL);

        return flags >= 0 && !(flags & O_PATH) && (flags & O_ACCMODE) != O_RDONLY;
}

bool descriptor_is_regular(int fd)
{
        struct statx st;

        return look(fd, &st) && S_ISREG(st.stx_mode);
}

const char *descriptor_kind(int fd)
{
        struct statx st;

        switch (look(fd, &st) ? st.stx_mode & S_IFMT : 0) {
        case S_IFREG:
                return "a file";
        case S_IFDIR:
                return "a directory";
        case S_IFIFO:
                return "a pipe";
        case S_IFCHR:
        case S_IFBLK:
                return "a device";
        case S_IFSOCK:
                return "a socket";
        default:
                return "something else";
        }
}

/* Where sysfs has the device, or what it has of it. */
static char *device_path(uint64_t number, const char *file)
{
        return g_strdup_printf("/sys/dev/char/%u:%u%s", major(number), minor(number), file);
}

bool descriptor_device_exists(uint64_t number, const char *subsystem)
{
        g_autofree char *link = device_path(number, "/subsystem");
        g_autofree char *target = g_file_read_link(link, NULL), *name = NULL;

        if (!target)
                return false;
        name = g_path_get_basename(target);
        return g_str_equal(name, subsystem);
}

/* By what the kernel tells of the device: its DEVNAME is below /dev. */
static char *device_name(uint64_t number)
{
        g_autofree char *path = device_path(number, "/uevent"), *text = NULL;
        g_auto(GStrv) lines = NULL;

        if (!g_file_get_contents(path, &text, NULL, NULL))
                return NULL;
        lines = g_strsplit(text, "\n", -1);
        for (char **line = lines; *line; line++)
                if (g_str_has_prefix(*line, "DEVNAME="))
                        return g_strconcat("/dev/", *line + strlen("DEVNAME="), NULL);
        return NULL;
}

int descriptor_device(int fd, const char *subsystem, uint64_t *ret_number, char **ret_path)
{
        g_autofree char *path = NULL;
        struct statx st;
        uint64_t number;

        if (!look(fd, &st) || !S_ISCHR(st.stx_mode))
                return -ENOTTY;
        number = makedev(st.stx_rdev_major, st.stx_rdev_minor);
        if (!descriptor_device_exists(number, subsystem))
                return -ENOTTY;
        path = ret_path ? device_name(number) : NULL;
        if (ret_path && !path)
                return -ENOTTY;
        *ret_number = number;
        if (ret_path)
                *ret_path = g_steal_pointer(&path);
        return 0;
}

/*
 * By what the file says of its socket. getsockopt() knows more, but runs what there is of a cgroup's programs
 * below the socket's lock, which a caller may have for any time, and they could have it say anything.
 */
int descriptor_socket(int fd, char **ret_text)
{
        char protocol[64];
        struct statx st;
        int flags = fcntl(fd, F_GETFL);
        ssize_t n;

        if (flags < 0 || !look(fd, &st))
                return -errno;
        if (flags & O_PATH)
                return -EBADF;
        if (!S_ISSOCK(st.stx_mode))
                return -ENOTSOCK;
        n = fgetxattr(fd, "system.sockprotoname", protocol, sizeof(protocol) - 1);
        protocol[n > 0 ? n : 0] = '\0';
        *ret_text = g_strdup_printf("%s%ssocket:[%" PRIu64 "]", protocol, *protocol ? " " : "",
                                    (uint64_t)st.stx_ino);
        return 0;
}

int descriptor_process(int fd, pid_t *ret)
{
        g_autofree char *path = g_strdup_printf("/proc/self/fdinfo/%d", fd), *text = NULL;
        const char *line;
        gint64 pid;

        if (!g_file_get_contents(path, &text, NULL, NULL))
                return -EBADF;
        line = strstr(text, "\nPid:\t");
        if (!line)
                return -EBADF;
        pid = g_ascii_strtoll(line + strlen("\nPid:\t"), NULL, 10);
        if (pid < 0)
                return -ESRCH;
        if (pid == 0)
                return -EXDEV;
        *ret = (pid_t)pid;
        return 0;
}

/* All mounts of the hierarchy are one file system, wherever they are. */
static bool is_on_hierarchy(const struct statx *st, const char *mount)
{
        struct statx root;
        struct statfs fs;

        return statfs(mount, &fs) == 0 && fs.f_type == CGROUP2_SUPER_MAGIC &&
               statx(AT_FDCWD, mount, 0, STATX_INO, &root) == 0 &&
               root.stx_dev_major == st->stx_dev_major && root.stx_dev_minor == st->stx_dev_minor;
}

bool descriptor_is_cgroup(int fd, uint64_t *ret_id)
{
        struct statx st;

        if (!look(fd, &st) || !S_ISDIR(st.stx_mode))
                return false;
        if (!is_on_hierarchy(&st, DESCRIPTOR_CGROUP_ROOT) &&
            !is_on_hierarchy(&st, DESCRIPTOR_CGROUP_ROOT "/unified"))
                return false;
        /* The inode's number is the id (see bpf_get_current_cgroup_id()). */
        *ret_id = st.stx_ino;
        return true;
}

int descriptor_open_cgroup(const char *path)
{
        struct open_how how = {
                .flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC,
                .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS,
        };
        int root, fd;

        if (!g_str_has_prefix(path, DESCRIPTOR_CGROUP_ROOT))
                return -ENOENT;
        path += strlen(DESCRIPTOR_CGROUP_ROOT);
        if (*path != '\0' && *path != '/')
                return -ENOENT;
        path += strspn(path, "/");
        root = open(DESCRIPTOR_CGROUP_ROOT, O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (root < 0)
                return -errno;
        fd = (int)syscall(SYS_openat2, root, *path ? path : ".", &how, sizeof(how));
        if (fd < 0)
                fd = -errno;
        close(root);
        return fd;
}

/*
 * Only as far as the kernel has it in memory: the file is open, so its own path is. (The cgroup file
 * system wants to be asked, and always answers.)
 */
static bool leads_to(const char *path, const struct statx *st)
{
        struct open_how how = {
                .flags = O_PATH | O_CLOEXEC | O_NOFOLLOW,
                .resolve = RESOLVE_CACHED | RESOLVE_NO_MAGICLINKS,
        };
        struct statx found;
        bool same;
        int fd;

        fd = (int)syscall(SYS_openat2, AT_FDCWD, path, &how, sizeof(how));
        if (fd < 0)
                fd = descriptor_open_cgroup(path);
        if (fd < 0)
                return false;
        same = look(fd, &found) && found.stx_ino == st->stx_ino &&
               found.stx_dev_major == st->stx_dev_major && found.stx_dev_minor == st->stx_dev_minor;
        close(fd);
        return same;
}

char *descriptor_path(int fd)
{
        char link[32], path[PATH_MAX];
        g_autofree char *text = NULL;
        struct statx st;
        ssize_t n;

        g_snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
        n = readlink(link, path, sizeof(path) - 1);
        if (n <= 0)
                return g_strdup("unverified:");
        path[n] = '\0';
        text = g_utf8_make_valid(path, n);
        if (look(fd, &st) && leads_to(path, &st) && g_str_equal(text, path))
                return g_steal_pointer(&text);
        return g_strconcat("unverified:", text, NULL);
}
