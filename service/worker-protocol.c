/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "worker-protocol.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

static int append_numbers(sd_bus_message *m, const KernNumbers *numbers)
{
        return sd_bus_message_append_array(m, 't', numbers->list,
                                           numbers->n * sizeof(*numbers->list));
}

int worker_numbers_read(sd_bus_message *m, KernNumbers *ret)
{
        const void *list;
        size_t size;
        int r;

        r = sd_bus_message_read_array(m, 't', &list, &size);
        if (r < 0)
                return r;
        *ret = (KernNumbers){size > 0 ? list : NULL, size / sizeof(*ret->list)};
        return 0;
}

static int append_param(sd_bus_message *m, const KernHook *hook, KernParam param)
{
        const void *member = (const char *)hook + kern_params[param].offset;
        const char *const *texts = member;
        int r;

        switch (kern_params[param].kind) {
        case KERN_KIND_FILE:
                return 0;
        case KERN_KIND_TEXT:
                return sd_bus_message_append(m, "(yv)", (uint8_t)param, "s", member);
        case KERN_KIND_TEXTS:
                return *texts ? sd_bus_message_append(m, "(yv)", (uint8_t)param, "s", *texts) : 0;
        case KERN_KIND_NUMBERS:
                r = sd_bus_message_open_container(m, 'r', "yv");
                if (r < 0)
                        return r;
                r = sd_bus_message_append(m, "y", (uint8_t)param);
                if (r < 0)
                        return r;
                r = sd_bus_message_open_container(m, 'v', "at");
                if (r < 0)
                        return r;
                r = append_numbers(m, member);
                if (r < 0)
                        return r;
                r = sd_bus_message_close_container(m);
                if (r < 0)
                        return r;
                return sd_bus_message_close_container(m);
        default:
                return sd_bus_message_append(m, "(yv)", (uint8_t)param, "t",
                                             kern_hook_number(hook, param));
        }
}

int worker_hook_append(sd_bus_message *m, const KernHook *hook)
{
        int r;

        r = sd_bus_message_open_container(m, 'r', "sta(yv)bbatatatatu");
        if (r < 0)
                return r;
        r = sd_bus_message_append(m, "st", hook->type->name, hook->given);
        if (r < 0)
                return r;
        r = sd_bus_message_open_container(m, 'a', "(yv)");
        if (r < 0)
                return r;
        for (int i = 0; i < _KERN_PARAM_MAX; i++) {
                if (!kern_type_takes(hook->type, KERN_PARAM_BIT(i)))
                        continue;
                r = append_param(m, hook, (KernParam)i);
                if (r < 0)
                        return r;
        }
        r = sd_bus_message_close_container(m);
        if (r < 0)
                return r;
        r = sd_bus_message_append(m, "bb", (int)hook->xdp_frags, (int)hook->xdp_shares);
        if (r < 0)
                return r;
        r = append_numbers(m, &hook->followers);
        if (r < 0)
                return r;
        r = append_numbers(m, &hook->fellows);
        if (r < 0)
                return r;
        r = append_numbers(m, &hook->usdt_sites);
        if (r < 0)
                return r;
        r = append_numbers(m, &hook->usdt_specs);
        if (r < 0)
                return r;
        r = sd_bus_message_append_basic(m, 'u', &hook->usdt_first);
        if (r < 0)
                return r;
        return sd_bus_message_close_container(m);
}

static int read_value(sd_bus_message *m, KernHook *hook, KernParam param)
{
        void *member = kern_hook_member(hook, param);
        const char *text;
        uint64_t number;
        int r;

        switch (kern_params[param].kind) {
        case KERN_KIND_FILE:
                return -EINVAL;
        case KERN_KIND_TEXT:
        case KERN_KIND_TEXTS:
                r = sd_bus_message_read(m, "v", "s", &text);
                if (r < 0)
                        return r;
                if (kern_params[param].kind == KERN_KIND_TEXT)
                        return kern_hook_set_text(hook, param, text) ? 0 : -EINVAL;
                *(const char **)member = text;
                return 0;
        case KERN_KIND_NUMBERS:
                r = sd_bus_message_enter_container(m, 'v', "at");
                if (r < 0)
                        return r;
                r = worker_numbers_read(m, member);
                if (r < 0)
                        return r;
                return sd_bus_message_exit_container(m);
        default:
                r = sd_bus_message_read(m, "v", "t", &number);
                if (r < 0)
                        return r;
                return kern_hook_set_number(hook, param, number) ? 0 : -EINVAL;
        }
}

static int read_params(sd_bus_message *m, KernHook *hook)
{
        uint8_t param;
        int r;

        r = sd_bus_message_enter_container(m, 'a', "(yv)");
        if (r < 0)
                return r;
        while ((r = sd_bus_message_enter_container(m, 'r', "yv")) > 0) {
                r = sd_bus_message_read_basic(m, 'y', &param);
                if (r < 0)
                        return r;
                if (param >= _KERN_PARAM_MAX)
                        return -EINVAL;
                r = read_value(m, hook, (KernParam)param);
                if (r < 0)
                        return r;
                r = sd_bus_message_exit_container(m);
                if (r < 0)
                        return r;
        }
        if (r < 0)
                return r;
        return sd_bus_message_exit_container(m);
}

int worker_hook_read(sd_bus_message *m, KernHook *ret)
{
        KernHook hook = KERN_HOOK_INIT;
        int frags, shares, r;
        const char *type;

        r = sd_bus_message_enter_container(m, 'r', "sta(yv)bbatatatatu");
        if (r < 0)
                return r;
        r = sd_bus_message_read(m, "st", &type, &hook.given);
        if (r < 0)
                return r;
        hook.type = kern_type_find(type);
        if (!hook.type)
                return -EINVAL;
        r = read_params(m, &hook);
        if (r < 0)
                return r;
        r = sd_bus_message_read(m, "bb", &frags, &shares);
        if (r < 0)
                return r;
        hook.xdp_frags = frags;
        hook.xdp_shares = shares;
        r = worker_numbers_read(m, &hook.followers);
        if (r < 0)
                return r;
        r = worker_numbers_read(m, &hook.fellows);
        if (r < 0)
                return r;
        r = worker_numbers_read(m, &hook.usdt_sites);
        if (r < 0)
                return r;
        r = worker_numbers_read(m, &hook.usdt_specs);
        if (r < 0)
                return r;
        r = sd_bus_message_read_basic(m, 'u', &hook.usdt_first);
        if (r < 0)
                return r;
        r = sd_bus_message_exit_container(m);
        if (r < 0)
                return r;
        *ret = hook;
        return 0;
}

/* The given ones, of @hook, by where it has them. */
static size_t list_files(KernHook *hook, int *ret[static WORKER_FILES_MAX])
{
        size_t n = 0;

        for (int i = 0; i < _KERN_PARAM_MAX && n < WORKER_FILES_MAX; i++)
                if (kern_params[i].kind == KERN_KIND_FILE && (hook->given & KERN_PARAM_BIT(i)))
                        ret[n++] = kern_hook_member(hook, (KernParam)i);
        return n;
}

int worker_hook_files_append(sd_bus_message *m, const KernHook *hook)
{
        int *members[WORKER_FILES_MAX], fds[WORKER_FILES_MAX];
        KernHook copy = *hook;
        size_t n = list_files(&copy, members);

        for (size_t i = 0; i < n; i++)
                fds[i] = *members[i];
        return worker_fds_append(m, fds, n);
}

int worker_hook_files_take(sd_bus_message *m, KernHook *hook, int *ret, size_t *ret_n)
{
        int *members[WORKER_FILES_MAX];
        size_t wanted = list_files(hook, members), n;
        int r;

        r = worker_fds_take(m, ret, WORKER_FILES_MAX, &n);
        if (r < 0)
                return r;
        *ret_n = n;
        if (n != wanted)
                return -EINVAL;
        for (size_t i = 0; i < n; i++)
                *members[i] = ret[i];
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

int worker_fd_append(sd_bus_message *m, int fd)
{
        return worker_fds_append(m, &fd, fd >= 0 ? 1 : 0);
}

int worker_fd_take(sd_bus_message *m, int *ret)
{
        size_t n;

        return worker_fds_take(m, ret, 1, &n);
}
