/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What a worker does with hooks, and what the kernel can do with them. */

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "kern-features.h"
#include "kern-holder.h"
#include "kern-tc.h"
#include "worker-confine.h"
#include "worker-methods.h"

typedef struct Files {
        int fds[WORKER_FILES_MAX];
        size_t n;
} Files;

static void files_close(Files *files)
{
        while (files->n > 0)
                close(files->fds[--files->n]);
}

static int attach(sd_bus_message *m, WorkerRole role)
{
        sd_bus_message *reply cleanup(worker_message_unref) = NULL;
        KernAttachment attachment cleanup(kern_attachment_done) = KERN_ATTACHMENT_INIT;
        KernDiag diag cleanup(worker_diag_done) = {0};
        Files files cleanup(files_close) = {0};
        int program cleanup(worker_close_fd) = -1;
        int map cleanup(worker_close_fd) = -1;
        int process cleanup(worker_close_fd) = -1;
        int extension cleanup(worker_close_fd) = -1;
        KernHook hook;
        int fd, r;

        r = worker_enter_role(role);
        if (r < 0)
                return r;
        r = sd_bus_message_read_basic(m, 'h', &fd);
        if (r < 0)
                return r;
        r = worker_hook_read(m, &hook);
        if (r < 0)
                return r;
        r = worker_hook_files_take(m, &hook, files.fds, &files.n);
        if (r < 0)
                return r;
        r = worker_fd_take(m, &extension);
        if (r < 0)
                return r;
        r = sd_bus_message_read_basic(m, 'u', &hook.tc_handle);
        if (r < 0)
                return r;
        r = worker_fd_take(m, &program);
        if (r < 0)
                return r;
        r = worker_fd_take(m, &map);
        if (r < 0)
                return r;
        r = worker_fd_take(m, &process);
        if (r < 0)
                return r;
        hook.target_program_fd = program;
        hook.map_fd = map;
        hook.pid_fd = process;
        hook.extension_fd = extension;

        r = worker_netns_enter(hook.netns_fd, &diag);
        if (r >= 0) {
                r = kern_attach(fd, &hook, &attachment, &diag);
                worker_netns_leave(hook.netns_fd);
        }
        /* Who is told, and closes a socket, is to be the last one to do so. */
        files_close(&files);
        r = worker_reply_result(m, r, &diag, &reply);
        if (r < 0)
                return r;
        r = worker_fds_append(reply, attachment.link_fds, attachment.n_links);
        if (r < 0)
                return r;
        r = sd_bus_message_append(reply, "uuuu", attachment.tc_handle, attachment.tc_priority,
                                  (uint32_t)attachment.xdp_mode, attachment.xdp_member);
        if (r < 0)
                return r;
        return worker_reply_send(reply);
}

static int detach(sd_bus_message *m, WorkerRole role)
{
        KernAttachment attachment cleanup(kern_attachment_done) = KERN_ATTACHMENT_INIT;
        KernDiag diag cleanup(worker_diag_done) = {0};
        int netns cleanup(worker_close_fd) = -1;
        int holder cleanup(worker_close_fd) = -1;
        uint32_t prog_id, mode;
        int *holder_fd;
        KernHook hook;
        int r;

        r = worker_enter_role(role);
        if (r < 0)
                return r;
        r = sd_bus_message_read_basic(m, 'u', &prog_id);
        if (r < 0)
                return r;
        r = worker_hook_read(m, &hook);
        if (r < 0)
                return r;
        r = worker_fd_take(m, &netns);
        if (r < 0)
                return r;
        r = worker_fd_take(m, &holder);
        if (r < 0)
                return r;
        holder_fd = kern_holder_fd(&hook);
        if (holder_fd)
                *holder_fd = holder;
        attachment.link_fds = calloc(KERN_LINKS_MAX, sizeof(int));
        if (!attachment.link_fds)
                return -ENOMEM;
        r = worker_fds_take(m, attachment.link_fds, KERN_LINKS_MAX, &attachment.n_links);
        if (r < 0)
                return r;
        r = sd_bus_message_read(m, "uuuuuu", &attachment.tc_handle, &attachment.tc_priority,
                                &attachment.tc_old_priority, &attachment.tc_slot, &mode,
                                &attachment.xdp_member);
        if (r < 0)
                return r;
        attachment.xdp_mode = (KernXdpMode)mode;

        r = worker_netns_enter(netns, &diag);
        if (r >= 0) {
                r = kern_detach(-1, prog_id, &hook, &attachment, &diag);
                worker_netns_leave(netns);
        }
        return worker_answer(m, r, &diag);
}

int worker_method_attach(sd_bus_message *m, void *userdata, sd_bus_error *reterr)
{
        (void)userdata, (void)reterr;
        return attach(m, WORKER_ROLE_ATTACH);
}

int worker_method_detach(sd_bus_message *m, void *userdata, sd_bus_error *reterr)
{
        (void)userdata, (void)reterr;
        return detach(m, WORKER_ROLE_ATTACH);
}

int worker_method_join(sd_bus_message *m, void *userdata, sd_bus_error *reterr)
{
        (void)userdata, (void)reterr;
        return attach(m, WORKER_ROLE_DISPATCH);
}

int worker_method_leave(sd_bus_message *m, void *userdata, sd_bus_error *reterr)
{
        (void)userdata, (void)reterr;
        return detach(m, WORKER_ROLE_DISPATCH);
}

int worker_method_begin_tc(sd_bus_message *m, void *userdata, sd_bus_error *reterr)
{
        sd_bus_message *reply cleanup(worker_message_unref) = NULL;
        KernTcChain chain cleanup(kern_tc_chain_done) = KERN_TC_CHAIN_INIT;
        KernDiag diag cleanup(worker_diag_done) = {0};
        int netns cleanup(worker_close_fd) = -1;
        KernHook hook;
        uint32_t handle;
        int r;

        (void)userdata, (void)reterr;
        r = worker_enter_role(WORKER_ROLE_DISPATCH);
        if (r < 0)
                return r;
        r = worker_hook_read(m, &hook);
        if (r < 0)
                return r;
        r = worker_fd_take(m, &netns);
        if (r < 0)
                return r;
        r = sd_bus_message_read_basic(m, 'u', &handle);
        if (r < 0)
                return r;

        r = worker_netns_enter(netns, &diag);
        if (r >= 0) {
                r = kern_tc_chain_begin(&hook, handle, &chain, &diag);
                worker_netns_leave(netns);
        }
        r = worker_reply_result(m, r, &diag, &reply);
        if (r < 0)
                return r;
        r = worker_fds_append(reply, (const int[]){chain.programs_fd, chain.order_fd},
                              chain.order_fd >= 0 ? 2 : 0);
        if (r < 0)
                return r;
        r = sd_bus_message_append_basic(reply, 'u', &chain.program_id);
        if (r < 0)
                return r;
        return worker_reply_send(reply);
}

static int append_feature(const KernFeature *feature, void *userdata)
{
        int r = sd_bus_message_append(userdata, "(sb)", feature->name, (int)feature->available);

        return r < 0 ? r : 0;
}

int worker_method_probe(sd_bus_message *m, void *userdata, sd_bus_error *reterr)
{
        sd_bus_message *reply cleanup(worker_message_unref) = NULL;
        int r;

        (void)userdata, (void)reterr;
        r = worker_confine_enter(WORKER_ROLE_PROBE);
        if (r < 0)
                return r;
        r = worker_reply_new(m, NULL, &reply);
        if (r < 0)
                return r;
        r = sd_bus_message_open_container(reply, 'a', "(sb)");
        if (r < 0)
                return r;
        r = kern_features_probe(append_feature, reply);
        if (r < 0)
                return r;
        r = sd_bus_message_close_container(reply);
        if (r < 0)
                return r;
        return worker_reply_send(reply);
}
