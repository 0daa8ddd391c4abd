/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "worker-protocol.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define PLAIN "suuuuusstisttitsuubb"

int worker_hook_append(sd_bus_message *m, const KernHook *hook)
{
        int r;

        r = sd_bus_message_open_container(m, 'r', PLAIN "at");
        if (r < 0)
                return r;
        r = sd_bus_message_append(m, PLAIN, hook->type->name, (uint32_t)hook->given, hook->ifindex,
                                  (uint32_t)hook->direction, hook->priority, (uint32_t)hook->mode,
                                  hook->tracepoint, hook->function, hook->offset, hook->pid,
                                  hook->event, hook->frequency, hook->period, hook->cpu,
                                  hook->cookie, hook->functions ? hook->functions : "",
                                  hook->target_program_id, hook->proceed_on, (int)hook->xdp_frags,
                                  (int)hook->xdp_shares);
        if (r < 0)
                return r;
        r = sd_bus_message_append_array(m, 't', hook->cookies,
                                        hook->n_cookies * sizeof(*hook->cookies));
        if (r < 0)
                return r;
        return sd_bus_message_close_container(m);
}

static int copy(char *dest, size_t size, const char *src)
{
        return snprintf(dest, size, "%s", src) < (int)size ? 0 : -EINVAL;
}

int worker_hook_read(sd_bus_message *m, KernHook *ret)
{
        const char *type, *tracepoint, *function, *event;
        uint32_t given, direction, mode;
        int frags, shares;
        KernHook hook = KERN_HOOK_INIT;
        const void *cookies;
        size_t size;
        int r;

        r = sd_bus_message_enter_container(m, 'r', PLAIN "at");
        if (r < 0)
                return r;
        r = sd_bus_message_read(m, PLAIN, &type, &given, &hook.ifindex, &direction, &hook.priority,
                                &mode, &tracepoint, &function, &hook.offset, &hook.pid, &event,
                                &hook.frequency, &hook.period, &hook.cpu, &hook.cookie,
                                &hook.functions, &hook.target_program_id, &hook.proceed_on, &frags,
                                &shares);
        if (r < 0)
                return r;
        r = sd_bus_message_read_array(m, 't', &cookies, &size);
        if (r < 0)
                return r;
        r = sd_bus_message_exit_container(m);
        if (r < 0)
                return r;
        hook.type = kern_type_find(type);
        hook.given = given;
        hook.direction = (KernDirection)direction;
        hook.mode = (KernXdpMode)mode;
        hook.cookies = size > 0 ? cookies : NULL;
        hook.n_cookies = size / sizeof(*hook.cookies);
        hook.xdp_frags = frags;
        hook.xdp_shares = shares;
        if (!hook.type || copy(hook.tracepoint, sizeof(hook.tracepoint), tracepoint) < 0 ||
            copy(hook.function, sizeof(hook.function), function) < 0 ||
            copy(hook.event, sizeof(hook.event), event) < 0)
                return -EINVAL;
        *ret = hook;
        return 0;
}

int worker_fds_append(sd_bus_message *m, const int *fds, size_t n)
{
        int r;

        r = sd_bus_message_open_container(m, 'a', "h");
        if (r < 0)
                return r;
        for (size_t i = 0; i < n; i++) {
                r = sd_bus_message_append_basic(m, 'h', &fds[i]);
                if (r < 0)
                        return r;
        }
        return sd_bus_message_close_container(m);
}

int worker_fds_take(sd_bus_message *m, int *ret, size_t max, size_t *ret_n)
{
        size_t n = 0;
        int fd, r;

        r = sd_bus_message_enter_container(m, 'a', "h");
        if (r < 0)
                return r;
        while ((r = sd_bus_message_read_basic(m, 'h', &fd)) > 0) {
                if (n == max) {
                        r = -E2BIG;
                        break;
                }
                ret[n] = fcntl(fd, F_DUPFD_CLOEXEC, 3);
                if (ret[n] < 0) {
                        r = -errno;
                        break;
                }
                n++;
                if (dup3(STDIN_FILENO, fd, O_CLOEXEC) < 0) {
                        r = -errno;
                        break;
                }
        }
        if (r >= 0)
                r = sd_bus_message_exit_container(m);
        if (r < 0) {
                /* Not to be closed once more by whoever owns these variables. */
                while (n-- > 0) {
                        close(ret[n]);
                        ret[n] = -1;
                }
                return r;
        }
        *ret_n = n;
        return 0;
}
