/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "link-netns.h"

#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <unistd.h>

#include "descriptor.h"
#include "link-device.h"
#include "link-holder.h"

int link_open_netns(const Link *link, int given, int *ret_fd)
{
        int fd = -1;

        if (given >= 0) {
                fd = fcntl(given, F_DUPFD_CLOEXEC, 3);
                if (fd < 0)
                        return -errno;
        } else if (link->netns.inode != 0) {
                fd = netns_open(link->texts[KERN_PARAM_NETNS] ?: "", &link->netns);
                if (fd < 0)
                        return fd;
        }
        *ret_fd = fd;
        return 0;
}

static int ask_kernel(void *userdata)
{
        const Link *link = userdata;

        return kern_is_attached(link->pub.program_id, &link->hook, &link->attachment);
}

static int ask_interface(void *userdata)
{
        const Link *link = userdata;
        char name[IF_NAMESIZE];

        return link->hook.ifindex == 0 || if_indextoname(link->hook.ifindex, name) != NULL;
}

static int ask_within(const Link *link, int given, int (*question)(void *userdata))
{
        int fd, r;

        r = link_open_netns(link, given, &fd);
        if (r < 0)
                return r == -ENOENT ? 0 : r == -EXDEV ? 1 : r;
        r = netns_run(fd, question, (void *)link);
        descriptor_close(fd);
        return r;
}

int link_is_attached(const Link *link, int given)
{
        if (link_is_on_device(link))
                return link_device_is_there(link);
        if (link_has_holder_fd(link))
                return link_holder_has(link, link->pub.program_id);
        return ask_within(link, given, link_is_held(link) ? ask_interface : ask_kernel);
}

bool link_has_interface(const Daemon *daemon, const Link *link)
{
        KernLinkInfo info;
        int fd, r;

        if (link->netns.id == NETNS_OWN || link->attachment.n_links == 0)
                return ask_within(link, -1, ask_interface) != 0;
        fd = store_open_pin(daemon->store, BUS_LINK, link->pub.id, 0);
        if (fd < 0)
                return fd != -ENOENT;
        r = kern_link_info(fd, &info);
        close(fd);
        return r < 0 || info.ifindex != 0;
}
