/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "kern-xdp.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <xdp/prog_dispatcher.h>

#include "kern-info.h"
#include "kern-util.h"
#include "kern-xdp-internal.h"

int kern_xdp_extension_settle(int extension_fd)
{
        KERN_AUTO_CLOSE int link = bpf_raw_tracepoint_open(NULL, extension_fd);

        return link < 0 ? -errno : 0;
}

int kern_xdp_current(uint32_t ifindex, uint32_t *ret)
{
        LIBBPF_OPTS(bpf_xdp_query_opts, opts);
        int r;

        r = bpf_xdp_query((int)ifindex, 0, &opts);
        if (r < 0)
                return r;
        *ret = opts.drv_prog_id ? opts.drv_prog_id : opts.skb_prog_id;
        return 0;
}

uint32_t kern_xdp_pinned_id(const char *path)
{
        KERN_AUTO_CLOSE int fd = kern_open_pin(path);
        KernProgramInfo info;

        return fd >= 0 && kern_program_info(fd, &info) >= 0 ? info.id : 0;
}

int kern_xdp_config(int dispatcher_fd, struct xdp_dispatcher_config *ret)
{
        KERN_AUTO_CLOSE int map = -1;
        KernProgramInfo program;
        const uint32_t key = 0;
        KernMapInfo info;
        int r;

        r = kern_program_info(dispatcher_fd, &program);
        if (r < 0)
                return r;
        if (strcmp(program.name, "xdp_dispatcher") != 0 || program.n_map_ids != 1)
                return -EBUSY;
        map = kern_map_open_id(program.map_ids[0]);
        if (map < 0)
                return map;
        r = kern_map_info(map, &info);
        if (r < 0)
                return r;
        if (info.key_size != sizeof(key) || info.value_size != sizeof(*ret))
                return -EOPNOTSUPP;
        r = kern_map_lookup(map, &key, ret);
        if (r < 0)
                return r;
        return ret->magic == XDP_DISPATCHER_MAGIC &&
                               ret->dispatcher_version == XDP_DISPATCHER_VERSION &&
                               ret->num_progs_enabled <= KERN_XDP_MEMBERS_MAX
                       ? 0
                       : -EOPNOTSUPP;
}

static int read_members(uint32_t ifindex, KernXdpMembers *ret)
{
        KERN_AUTO_CLOSE int dispatcher = kern_program_open_id(ret->dispatcher);
        struct xdp_dispatcher_config config;
        int r;

        if (dispatcher < 0)
                return dispatcher;
        r = kern_xdp_config(dispatcher, &config);
        if (r < 0)
                return r;
        for (ret->n = 0; ret->n < config.num_progs_enabled; ret->n++) {
                KernXdpMember *m = &ret->list[ret->n];
                KERN_AUTO_CLOSE int fd = -1;
                KernProgramInfo info;
                char path[128];

                snprintf(path, sizeof(path), KERN_XDP_DIR "/dispatch-%u-%u/prog%zu-prog", ifindex,
                         ret->dispatcher, ret->n);
                fd = kern_open_pin(path);
                if (fd < 0)
                        return fd;
                r = kern_program_info(fd, &info);
                if (r < 0)
                        return r;
                *m = (KernXdpMember){
                        .id = info.id,
                        .priority = config.run_prios[ret->n],
                        .proceed_on = config.chain_call_actions[ret->n] & KERN_XDP_ACTIONS_ALL,
                        .frags = config.program_flags[ret->n] & BPF_F_XDP_HAS_FRAGS,
                };
                snprintf(m->name, sizeof(m->name), "%s", info.name);
        }
        return 0;
}

int kern_xdp_members(uint32_t ifindex, KernXdpMembers *ret)
{
        KernXdpMembers members;
        uint32_t now = 0;
        int r;

        r = kern_xdp_current(ifindex, &now);
        /* Pins go when another dispatcher has taken the place. */
        do {
                if (r < 0)
                        return r;
                memset(&members, 0, sizeof(members));
                members.dispatcher = now;
                r = now != 0 ? read_members(ifindex, &members) : 0;
                if (r == 0)
                        break;
                if (kern_xdp_current(ifindex, &now) < 0 || now == members.dispatcher)
                        return r;
                r = 0;
        } while (true);
        *ret = members;
        return 0;
}

static bool has_member(uint32_t ifindex, uint32_t dispatcher, uint32_t extension)
{
        char path[128];

        for (unsigned i = 0; i < KERN_XDP_MEMBERS_MAX; i++) {
                snprintf(path, sizeof(path), KERN_XDP_DIR "/dispatch-%u-%u/prog%u-prog", ifindex,
                         dispatcher, i);
                if (kern_xdp_pinned_id(path) == extension)
                        return true;
        }
        return false;
}

int kern_xdp_is_member(uint32_t ifindex, uint32_t extension)
{
        uint32_t dispatcher, now = 0;
        int r;

        r = kern_xdp_current(ifindex, &now);
        do {
                if (r == -ENODEV || r == -ENOENT)
                        return 0;
                if (r < 0)
                        return r;
                dispatcher = now;
                if (dispatcher == 0)
                        return 0;
                if (has_member(ifindex, dispatcher, extension))
                        return 1;
                r = kern_xdp_current(ifindex, &now);
        } while (r < 0 || now != dispatcher);
        return 0;
}
