/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "pager.h"

#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

/* A pager can start other programs: whoever came here by sudo or pkexec gets one that can't. */
static bool is_elevated(void)
{
        return g_getenv("SUDO_UID") || g_getenv("PKEXEC_UID") || geteuid() != getuid();
}

/* What to run: a program and its arguments. NULL where $PAGER says that there shall be none. */
static char **pager_command(void)
{
        const char *wanted = is_elevated() ? NULL : g_getenv("PAGER");
        char **argv = NULL;

        if (wanted && (wanted[0] == '\0' || strcmp(wanted, "cat") == 0))
                return NULL;
        if (wanted && g_shell_parse_argv(wanted, NULL, &argv, NULL))
                return argv;
        return g_strsplit("less", " ", -1);
}

/* Without a pager in the system, the child is one that doesn't stop. */
static void copy(void)
{
        char buffer[4096];
        ssize_t n;

        while ((n = read(STDIN_FILENO, buffer, sizeof(buffer))) > 0)
                for (ssize_t done = 0; done < n;) {
                        ssize_t written = write(STDOUT_FILENO, buffer + done, (size_t)(n - done));

                        if (written <= 0)
                                _exit(1);
                        done += written;
                }
        _exit(0);
}

void pager_open(Pager *pager)
{
        g_auto(GStrv) argv = NULL;
        pid_t parent = getpid();
        int pipe_fds[2];

        if (pager->pid > 0)
                return;
        argv = pager_command();
        if (!argv || pipe2(pipe_fds, O_CLOEXEC) < 0)
                return;

        /* Quit at the end of what fits the screen, colours through, no clearing. */
        (void)g_setenv("LESS", "FRSXMK", FALSE);
        (void)g_setenv("LESSCHARSET", "utf-8", FALSE);
        if (is_elevated())
                (void)g_setenv("LESSSECURE", "1", TRUE);

        (void)fflush(stdout);
        pager->pid = fork();
        if (pager->pid == 0) {
                (void)prctl(PR_SET_PDEATHSIG, SIGTERM);
                if (getppid() != parent || dup2(pipe_fds[0], STDIN_FILENO) < 0)
                        _exit(1);
                (void)execvp(argv[0], argv);
                (void)execlp("more", "more", (char *)NULL);
                copy();
        }
        (void)close(pipe_fds[0]);
        if (pager->pid < 0) {
                pager->pid = 0;
                (void)close(pipe_fds[1]);
                return;
        }
        if (dup2(pipe_fds[1], STDOUT_FILENO) < 0)
                abort(); /* only a descriptor that isn't open could make it fail */
        (void)close(pipe_fds[1]);
        /* Who leaves the pager early has seen enough: not an error. */
        (void)signal(SIGPIPE, SIG_IGN);
}

void pager_close(Pager *pager)
{
        if (pager->pid <= 0)
                return;
        (void)fclose(stdout);
        (void)kill(pager->pid, SIGCONT);
        while (waitpid(pager->pid, NULL, 0) < 0 && errno == EINTR)
                ;
        pager->pid = 0;
}
