/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "kern-xdp.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

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
