/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Network namespaces that a worker goes to for a call, and comes back from. */

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <string.h>

#include "worker-confine.h"
#include "worker-methods.h"

/* Where this process is between two calls. */
static int home = -1;

int worker_enter_role(WorkerRole role)
{
        /* While files can be opened */
        if (home < 0)
                home = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
        return home < 0 ? -errno : worker_confine_enter(role);
}

int worker_netns_home(void)
{
        return home;
}

int worker_netns_enter(int fd, KernDiag *diag)
{
        if (fd < 0 || setns(fd, CLONE_NEWNET) >= 0)
                return 0;
        return kern_fail(diag, -errno, KERN_ERROR_FAILED,
                         "The worker can't enter the network namespace: %s", strerror(errno));
}

void worker_netns_leave(int fd)
{
        if (fd >= 0 && setns(home, CLONE_NEWNET) < 0)
                _exit(EXIT_FAILURE);
}
