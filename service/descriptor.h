/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* Closes it, if it is one. */
void descriptor_close(int fd);

/*
 * Looking at descriptors that a caller handed over, without waiting for whoever serves the file: it
 * may be a file system of the caller's own (FUSE), which answers when it likes.
 */

/* Whether it is a memfd that nobody can change any more, neither its bytes nor its size. */
bool descriptor_is_sealed(int fd);

/* Whether it is open for reading: an O_PATH descriptor can be had of what one may not read. */
bool descriptor_is_readable(int fd);

/* Whether it is open for writing. */
bool descriptor_is_writable(int fd);

/* Whether it is a regular file. */
bool descriptor_is_regular(int fd);

/* "a directory": what it is, in a word for people. */
const char *descriptor_kind(int fd);

/*
 * The device that it is open on, a character device of @subsystem, such as "lirc": its number (st_rdev), and
 * where @ret_path isn't NULL what the kernel calls it, "/dev/lirc0", whatever name somebody has given it;
 * free with g_free(). -ENOTTY: it is of no such device, or that has gone.
 */
int descriptor_device(int fd, const char *subsystem, uint64_t *ret_number, char **ret_path);

/* Whether there is a device of that number in @subsystem. */
bool descriptor_device_exists(uint64_t number, const char *subsystem);

/*
 * The socket that it is of, as "TCP socket:[12345]": the kernel's name for its protocol, and what ss(8) and
 * /proc/PID/fd call it by; free with g_free(). -ENOTSOCK: it is of something else; -EBADF: it was opened
 * with O_PATH, and gives no access to what it names.
 */
int descriptor_socket(int fd, char **ret_text);

/*
 * The number of the process that @fd is a pidfd of. -EBADF: it is none; -ESRCH: the process has ended, and
 * its number may be another's; -EXDEV: it has none here.
 */
int descriptor_process(int fd, pid_t *ret);

/* Whether it is a directory of the cgroup version 2 hierarchy, and then its cgroup id. */
bool descriptor_is_cgroup(int fd, uint64_t *ret_id);

#define DESCRIPTOR_CGROUP_ROOT "/sys/fs/cgroup"

/*
 * Opens a directory by an absolute path below the cgroup file systems, and nowhere else, so that no
 * path reaches other parts of the machine; or a negative errno.
 */
int descriptor_open_cgroup(const char *path);

/*
 * Where it leads, for polkit's rules and for people to read. A path says nothing by itself: whoever
 * has a mount namespace of his own can give any file any path. So it is looked up again, and where
 * that leads to another file, or can't be told at once, "unverified:" stands before it. Free with
 * g_free().
 */
char *descriptor_path(int fd);
