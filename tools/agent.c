/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "agent.h"

#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <glib/gstdio.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define REGISTER_TIMEOUT_MS 10000

/* In the child: async-signal-safe calls only. */
static void exec_agent(int notify_fd, const char *notify, const char *process, pid_t parent)
{
        /* It shall not outlive us, whatever ends us. */
        (void)prctl(PR_SET_PDEATHSIG, SIGTERM);
        if (getppid() != parent)
                _exit(1);

        /* The pipe was made close-on-exec. */
        (void)fcntl(notify_fd, F_SETFD, 0);
        /* Not --fallback: polkit has just said that there is no other agent, and it doesn't ask
         * fallback agents of processes that are in no session. */
        (void)execlp("pkttyagent", "pkttyagent", "--notify-fd", notify, "--process", process,
                     (char *)NULL);
        _exit(127);
}

bool agent_start(Agent *agent)
{
        g_autofree char *process = NULL, *notify = NULL;
        pid_t parent = getpid();
        struct pollfd poller;
        int pipe_fds[2];
        int r;

        if (agent->tried)
                return agent->pid > 0;
        agent->tried = true;
        /* polkit asks root nothing, and a script's user isn't there to answer. */
        if (geteuid() == 0 || !isatty(STDIN_FILENO))
                return false;
        if (pipe2(pipe_fds, O_CLOEXEC) < 0)
                return false;

        process = g_strdup_printf("%d", (int)parent);
        notify = g_strdup_printf("%d", pipe_fds[1]);
        (void)fflush(stdout);
        agent->pid = fork();
        if (agent->pid == 0)
                exec_agent(pipe_fds[1], notify, process, parent);
        (void)close(pipe_fds[1]);
        if (agent->pid < 0) {
                agent->pid = 0;
                (void)close(pipe_fds[0]);
                return false;
        }

        /* pkttyagent closes its end when it is registered, and also when it couldn't be: the call
         * that follows shows which. */
        poller = (struct pollfd){.fd = pipe_fds[0], .events = POLLIN};
        do
                r = poll(&poller, 1, REGISTER_TIMEOUT_MS);
        while (r < 0 && errno == EINTR);
        (void)close(pipe_fds[0]);
        return true;
}

void agent_stop(Agent *agent)
{
        if (agent->pid <= 0)
                return;
        (void)kill(agent->pid, SIGTERM);
        (void)kill(agent->pid, SIGCONT);
        while (waitpid(agent->pid, NULL, 0) < 0 && errno == EINTR)
                ;
        agent->pid = 0;
}
