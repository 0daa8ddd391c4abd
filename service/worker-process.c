/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "worker-process.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <unistd.h>

#include <glib.h>

#include "worker-protocol.h"

static int spawn(const char *executable, int socket, int lock_fd, pid_t *ret)
{
        char *argv[] = {(char *)executable, NULL};
        char *envp[] = {(char *)"LC_ALL=C.UTF-8", (char *)"PATH=/usr/sbin:/usr/bin", NULL};
        posix_spawn_file_actions_t actions;
        posix_spawnattr_t attributes;
        sigset_t none, all;
        int r;

        sigemptyset(&none);
        sigfillset(&all);
        posix_spawn_file_actions_init(&actions);
        posix_spawnattr_init(&attributes);
        posix_spawnattr_setsigmask(&attributes, &none);
        posix_spawnattr_setsigdefault(&attributes, &all);
        posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
        posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
        /* Both are above 4 (see worker_process_start()), so neither overwrites the other
         * and each dup2() clears CLOEXEC. */
        posix_spawn_file_actions_adddup2(&actions, socket, WORKER_FD);
        posix_spawn_file_actions_adddup2(&actions, lock_fd, WORKER_FD + 1);
        r = posix_spawn(ret, executable, &actions, &attributes, argv, envp);
        posix_spawnattr_destroy(&attributes);
        posix_spawn_file_actions_destroy(&actions);
        return -r;
}

static int open_bus(int fd, sd_bus_message_handler_t connected, void *userdata, sd_bus **ret)
{
        sd_bus *bus = NULL;
        int r;

        r = sd_bus_new(&bus);
        if (r < 0) {
                close(fd);
                return r;
        }
        r = sd_bus_set_fd(bus, fd, fd);
        if (r < 0) {
                close(fd);
                sd_bus_unref(bus);
                return r;
        }
        (void)sd_bus_set_description(bus, "worker");
        r = sd_bus_negotiate_fds(bus, 1);
        if (r >= 0)
                r = sd_bus_set_connected_signal(bus, 1);
        if (r >= 0)
                r = sd_bus_match_signal(bus, NULL, "org.freedesktop.DBus.Local",
                                        "/org/freedesktop/DBus/Local", "org.freedesktop.DBus.Local",
                                        "Connected", connected, userdata);
        if (r >= 0)
                r = sd_bus_start(bus);
        if (r < 0) {
                sd_bus_unref(bus);
                return r;
        }
        *ret = bus;
        return 0;
}

static void reaped(GPid pid, gint status, gpointer userdata)
{
        (void)status, (void)userdata;
        g_spawn_close_pid(pid);
}

int worker_process_start(const char *executable, int lock_fd, sd_bus_message_handler_t connected,
                         void *userdata, pid_t *ret_pid, sd_bus **ret_bus)
{
        int fds[2], child, r;
        pid_t pid;

        if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds) < 0)
                return -errno;
        child = fcntl(fds[1], F_DUPFD_CLOEXEC, 16);
        close(fds[1]);
        if (child < 0) {
                close(fds[0]);
                return -errno;
        }
        r = spawn(executable, child, lock_fd, &pid);
        close(child);
        if (r < 0) {
                close(fds[0]);
                return r;
        }
        r = open_bus(fds[0], connected, userdata, ret_bus);
        if (r < 0) {
                kill(pid, SIGKILL);
                g_child_watch_add(pid, reaped, NULL);
                return r;
        }
        *ret_pid = pid;
        return 0;
}
