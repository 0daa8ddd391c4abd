/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "caller.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <glib.h>
#include <systemd/sd-login.h>

/* Whether the process that has the number now is the uid's, as the caller is. */
static bool is_of_uid(const Caller *caller)
{
        char path[32];
        struct stat st;

        g_snprintf(path, sizeof(path), "/proc/%d", caller->pid);
        return stat(path, &st) == 0 && st.st_uid == caller->uid;
}

Caller *caller_new(pid_t pid, int pidfd, uid_t uid)
{
        Caller *caller = g_rc_box_new0(Caller);

        caller->pid = pid;
        caller->uid = uid;
        if (pidfd >= 0) {
                caller->pidfd = fcntl(pidfd, F_DUPFD_CLOEXEC, 3);
                return caller;
        }
        caller->pidfd = pid > 0 ? (int)syscall(SYS_pidfd_open, pid, 0) : -1;
        if (caller->pidfd >= 0 && !is_of_uid(caller)) {
                close(caller->pidfd);
                caller->pidfd = -1;
        }
        return caller;
}

Caller *caller_ref(Caller *caller)
{
        return g_rc_box_acquire(caller);
}

static void forget(Caller *caller)
{
        g_clear_pointer(&caller->comm, g_free);
        g_clear_pointer(&caller->unit, free);
        g_clear_pointer(&caller->user_unit, free);
        g_clear_pointer(&caller->session, free);
}

static void clear(gpointer p)
{
        Caller *caller = p;

        forget(caller);
        if (caller->pidfd >= 0)
                close(caller->pidfd);
}

void caller_unref(Caller *caller)
{
        if (caller)
                g_rc_box_release_full(caller, clear);
}

bool caller_is_alive(const Caller *caller)
{
        struct pollfd p = {.fd = caller->pidfd, .events = POLLIN};

        return caller->pidfd >= 0 && poll(&p, 1, 0) == 0;
}

static char *read_comm(pid_t pid)
{
        g_autofree char *path = g_strdup_printf("/proc/%d/comm", pid);
        char *comm;

        if (!g_file_get_contents(path, &comm, NULL, NULL))
                return NULL;
        g_strchomp(comm);
        return comm;
}

void caller_look(Caller *caller)
{
        if (caller->looked)
                return;
        caller->looked = true;
        if (!caller_is_alive(caller))
                return;
        caller->comm = read_comm(caller->pid);
        (void)sd_pid_get_unit(caller->pid, &caller->unit);
        (void)sd_pid_get_user_unit(caller->pid, &caller->user_unit);
        (void)sd_pid_get_session(caller->pid, &caller->session);
        /* If it ended meanwhile, all that may have been read of another. */
        if (!caller_is_alive(caller))
                forget(caller);
}
