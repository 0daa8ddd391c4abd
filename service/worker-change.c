/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What a worker does to change what is attached; see kern-change.h and kern-xdp-arrange.h. */

#include <errno.h>

#include "kern-change.h"
#include "kern-xdp-arrange.h"
#include "worker-confine.h"
#include "worker-methods.h"

int worker_method_arrange(sd_bus_message *m, void *userdata, sd_bus_error *reterr)
{
        KernDiag diag cleanup(worker_diag_done) = {0};
        int replacement cleanup(worker_close_fd) = -1;
        KernXdpChange change = KERN_XDP_CHANGE_NONE;
        KernNumbers fellows;
        uint32_t ifindex;
        int frags, r;

        (void)userdata, (void)reterr;
        r = worker_confine_enter(WORKER_ROLE_DISPATCH);
        if (r < 0)
                return r;
        r = sd_bus_message_read_basic(m, 'u', &ifindex);
        if (r < 0)
                return r;
        r = worker_numbers_read(m, &fellows);
        if (r < 0)
                return r;
        r = sd_bus_message_read(m, "uu", &change.extension, &change.proceed_on);
        if (r < 0)
                return r;
        r = worker_fd_take(m, &replacement);
        if (r < 0)
                return r;
        r = sd_bus_message_read_basic(m, 'b', &frags);
        if (r < 0)
                return r;
        change.replacement_fd = replacement;
        change.frags = frags;
        r = kern_xdp_arrange(ifindex, fellows, &change, &diag);
        return worker_answer(m, r, &diag);
}

int worker_method_replace(sd_bus_message *m, void *userdata, sd_bus_error *reterr)
{
        KernAttachment attachment cleanup(kern_attachment_done) = KERN_ATTACHMENT_INIT;
        KernDiag diag cleanup(worker_diag_done) = {0};
        int netns cleanup(worker_close_fd) = -1;
        int map cleanup(worker_close_fd) = -1;
        int cgroup cleanup(worker_close_fd) = -1;
        int new_fd, old_fd, r;
        uint32_t old_id;
        KernHook hook;

        (void)userdata, (void)reterr;
        r = worker_enter_role(WORKER_ROLE_DISPATCH);
        if (r < 0)
                return r;
        r = sd_bus_message_read(m, "hhu", &new_fd, &old_fd, &old_id);
        if (r < 0)
                return r;
        r = worker_hook_read(m, &hook);
        if (r < 0)
                return r;
        r = worker_fd_take(m, &netns);
        if (r < 0)
                return r;
        r = worker_fd_take(m, &cgroup);
        if (r < 0)
                return r;
        hook.cgroup_fd = cgroup;
        attachment.link_fds = calloc(1, sizeof(int));
        if (!attachment.link_fds)
                return -ENOMEM;
        r = worker_fds_take(m, attachment.link_fds, 1, &attachment.n_links);
        if (r < 0)
                return r;
        r = sd_bus_message_read(m, "uu", &attachment.tc_handle, &attachment.tc_priority);
        if (r < 0)
                return r;
        r = worker_fd_take(m, &map);
        if (r < 0)
                return r;
        hook.map_fd = map;
        r = worker_netns_enter(netns, &diag);
        if (r >= 0) {
                r = kern_replace(new_fd, old_id, old_fd, &hook, &attachment, &diag);
                worker_netns_leave(netns);
        }
        return worker_answer(m, r, &diag);
}

int worker_method_move_filter(sd_bus_message *m, void *userdata, sd_bus_error *reterr)
{
        KernAttachment attachment = KERN_ATTACHMENT_INIT;
        KernDiag diag cleanup(worker_diag_done) = {0};
        int netns cleanup(worker_close_fd) = -1;
        KernHook hook;
        int fd, r;

        (void)userdata, (void)reterr;
        r = worker_enter_role(WORKER_ROLE_DISPATCH);
        if (r < 0)
                return r;
        r = sd_bus_message_read_basic(m, 'h', &fd);
        if (r < 0)
                return r;
        r = worker_hook_read(m, &hook);
        if (r < 0)
                return r;
        r = worker_fd_take(m, &netns);
        if (r < 0)
                return r;
        r = sd_bus_message_read(m, "uuu", &attachment.tc_handle, &attachment.tc_priority,
                                &attachment.tc_old_priority);
        if (r < 0)
                return r;
        hook.tc_handle = attachment.tc_handle;
        r = worker_netns_enter(netns, &diag);
        if (r >= 0) {
                r = kern_move_tc(fd, &hook, &attachment, &diag);
                worker_netns_leave(netns);
        }
        return worker_answer(m, r, &diag);
}

static int move(sd_bus_message *m, WorkerRole role)
{
        sd_bus_message *reply cleanup(worker_message_unref) = NULL;
        KernAttachment attachment cleanup(kern_attachment_done) = KERN_ATTACHMENT_INIT;
        KernDiag diag cleanup(worker_diag_done) = {0};
        int process cleanup(worker_close_fd) = -1;
        int table cleanup(worker_close_fd) = -1;
        int map cleanup(worker_close_fd) = -1;
        int files[WORKER_FILES_MAX];
        size_t n_files = 0;
        KernHook hook;
        int fd, again, r;

        r = worker_enter_role(role);
        if (r < 0)
                return r;
        r = sd_bus_message_read_basic(m, 'h', &fd);
        if (r < 0)
                return r;
        r = worker_hook_read(m, &hook);
        if (r < 0)
                return r;
        r = worker_hook_files_take(m, &hook, files, &n_files);
        if (r < 0)
                return r;
        r = worker_fd_take(m, &process);
        hook.pid_fd = process;
        if (r >= 0)
                r = worker_fd_take(m, &map);
        hook.map_fd = map;
        if (r >= 0)
                r = sd_bus_message_read_basic(m, 'b', &again);
        if (r >= 0)
                r = worker_netns_enter(hook.netns_fd, &diag);
        if (r >= 0) {
                r = kern_move_begin(fd, &hook, again, &attachment, &table, &diag);
                worker_netns_leave(hook.netns_fd);
        }
        while (n_files > 0)
                close(files[--n_files]);
        r = worker_reply_result(m, r, &diag, &reply);
        if (r < 0)
                return r;
        r = worker_fds_append(reply, attachment.link_fds, attachment.n_links);
        if (r < 0)
                return r;
        r = worker_fd_append(reply, table);
        return r < 0 ? r : worker_reply_send(reply);
}

int worker_method_move(sd_bus_message *m, void *userdata, sd_bus_error *reterr)
{
        (void)userdata, (void)reterr;
        return move(m, WORKER_ROLE_DISPATCH);
}

int worker_method_attach_beside(sd_bus_message *m, void *userdata, sd_bus_error *reterr)
{
        (void)userdata, (void)reterr;
        return move(m, WORKER_ROLE_ATTACH);
}

int worker_method_end_move(sd_bus_message *m, void *userdata, sd_bus_error *reterr)
{
        sd_bus_message *reply cleanup(worker_message_unref) = NULL;
        KernAttachment old cleanup(kern_attachment_done) = KERN_ATTACHMENT_INIT;
        KernAttachment home cleanup(kern_attachment_done) = KERN_ATTACHMENT_INIT;
        KernDiag diag cleanup(worker_diag_done) = {0};
        int link cleanup(worker_close_fd) = -1;
        int netns cleanup(worker_close_fd) = -1;
        int fd, comes_home, r;
        KernHook hook;

        (void)userdata, (void)reterr;
        r = worker_enter_role(WORKER_ROLE_DISPATCH);
        if (r < 0)
                return r;
        r = sd_bus_message_read_basic(m, 'h', &fd);
        if (r < 0)
                return r;
        r = worker_fd_take(m, &link);
        if (r < 0)
                return r;
        old.link_fds = calloc(KERN_LINKS_MAX, sizeof(int));
        if (!old.link_fds)
                return -ENOMEM;
        r = worker_fds_take(m, old.link_fds, KERN_LINKS_MAX, &old.n_links);
        if (r < 0)
                return r;
        r = worker_hook_read(m, &hook);
        if (r < 0)
                return r;
        r = worker_fd_take(m, &netns);
        if (r < 0)
                return r;
        r = sd_bus_message_read_basic(m, 'b', &comes_home);
        if (r < 0)
                return r;
        r = worker_netns_enter(netns, &diag);
        if (r >= 0) {
                r = comes_home ? kern_move_home(fd, &hook, &old, &home, &diag)
                               : kern_move_end(fd, link, &old, &diag);
                worker_netns_leave(netns);
        }
        r = worker_reply_result(m, r, &diag, &reply);
        if (r < 0)
                return r;
        r = worker_fds_append(reply, home.link_fds, home.n_links);
        return r < 0 ? r : worker_reply_send(reply);
}
