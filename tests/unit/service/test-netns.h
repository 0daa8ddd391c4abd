/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <glib.h>

#include "netns.h"

/* Another network namespace, with an interface "one", that is there as long as a process. */
typedef struct Other {
        pid_t pid;
        int fd;
} Other;

static inline int other_ip(const char *arguments)
{
        g_autofree char *command = g_strconcat("ip ", arguments, NULL);
        int status;

        return g_spawn_command_line_sync(command, NULL, NULL, &status, NULL) && status == 0 ? 0
                                                                                            : -1;
}

static inline int other_del(void *userdata)
{
        (void)userdata;
        return other_ip("link del one");
}

static inline Other other_start(void)
{
        Other other = {-1, -1};
        char path[32], c;
        int ready[2];

        assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
        other.pid = fork();
        assert_true(other.pid >= 0);
        if (other.pid == 0) {
                bool good = unshare(CLONE_NEWNET) == 0 &&
                            other_ip("link add one type veth peer name two") == 0;

                if (good && write(ready[1], "", 1) == 1)
                        pause();
                _exit(1);
        }
        close(ready[1]);
        assert_int_equal(read(ready[0], &c, 1), 1);
        close(ready[0]);
        g_snprintf(path, sizeof(path), "/proc/%d/ns/net", other.pid);
        other.fd = open(path, O_RDONLY | O_CLOEXEC);
        assert_true(other.fd >= 0);
        return other;
}

static inline void other_end(Other *other)
{
        close(other->fd);
        assert_int_equal(kill(other->pid, SIGKILL), 0);
        assert_int_equal(waitpid(other->pid, NULL, 0), other->pid);
}
