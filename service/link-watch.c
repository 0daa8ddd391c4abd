/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "link-watch.h"

#include <errno.h>
#include <net/if.h>
#include <unistd.h>

#include "descriptor.h"
#include "link-detach.h"
#include "netwatch.h"

#define ANY_INTERFACE 0

static void interface_gone(uint32_t ifindex, void *userdata)
{
        Daemon *daemon = userdata;
        g_autoptr(GList) links = g_hash_table_get_values(registry_links(daemon->registry));

        for (GList *l = links; l; l = l->next)
                if (((Link *)l->data)->pub.interface_index == ifindex)
                        link_forget(daemon, l->data);
}

/* Members of libxdp's dispatchers are no links of the kernel's that would stay until we let go. */
static void look(Daemon *daemon, uint32_t ifindex)
{
        g_autoptr(GList) links = g_hash_table_get_values(registry_links(daemon->registry));

        for (GList *l = links; l; l = l->next) {
                Link *link = l->data;

                if (link->attachment.xdp_member != 0 && link->state == LINK_ATTACHED &&
                    (ifindex == ANY_INTERFACE || ifindex == link->hook.ifindex) &&
                    kern_is_attached(link->pub.program_id, &link->hook, &link->attachment) == 0)
                        link_forget(daemon, link);
        }
}

static void interface_changed(uint32_t ifindex, void *userdata)
{
        look(userdata, ifindex);
}

static void interfaces_unknown(void *userdata)
{
        Daemon *daemon = userdata;
        g_autoptr(GList) links = g_hash_table_get_values(registry_links(daemon->registry));
        char name[IF_NAMESIZE];

        for (GList *l = links; l; l = l->next) {
                uint32_t ifindex = ((Link *)l->data)->pub.interface_index;

                if (ifindex != 0 && !if_indextoname(ifindex, name))
                        link_forget(daemon, l->data);
        }
        look(daemon, ANY_INTERFACE);
}

/* By its id, since there may be another of that name by now. */
static bool is_cgroup(const char *path, uint64_t id)
{
        int fd = descriptor_open_cgroup(path);
        uint64_t now = 0;
        bool is = fd >= 0 && descriptor_is_cgroup(fd, &now) && now == id;

        if (fd >= 0)
                close(fd);
        return is;
}

/* The kernel takes its programs off a little later, with nobody left whom they could run for. */
static void cgroup_gone(const char *path, void *userdata)
{
        Daemon *daemon = userdata;
        g_autoptr(GList) links = g_hash_table_get_values(registry_links(daemon->registry));

        for (GList *l = links; l; l = l->next) {
                Link *link = l->data;

                if (g_strcmp0(link->texts[KERN_PARAM_CGROUP], path) == 0 &&
                    link->state == LINK_ATTACHED && !is_cgroup(path, link->pub.cgroup_id))
                        link_forget(daemon, link);
        }
}

static gboolean on_idle(gpointer userdata)
{
        Daemon *daemon = userdata;

        daemon->look_idle = 0;
        look(daemon, ANY_INTERFACE);
        return G_SOURCE_REMOVE;
}

/* Not from within a look-up of objects: sd-bus is in the middle of walking them then. */
void link_watch_look_later(Daemon *daemon)
{
        if (!daemon->look_idle && !daemon->stopping)
                daemon->look_idle = g_idle_add_full(G_PRIORITY_DEFAULT, on_idle, daemon, NULL);
}

void link_watch_start(Daemon *daemon)
{
        daemon->netwatch =
                netwatch_new(interface_gone, interface_changed, interfaces_unknown, daemon);
        if (!daemon->netwatch)
                g_warning("Interfaces that go are not noticed, and links on them stay listed: %s",
                          g_strerror(errno));
        daemon->cgroup_watch = cgroup_watch_new(cgroup_gone, daemon);
        if (!daemon->cgroup_watch)
                g_warning("Cgroups that go are not noticed, and links on them stay listed: %s",
                          g_strerror(errno));
        registry_set_cgroup_watch(daemon->registry, daemon->cgroup_watch);
}

void link_watch_stop(Daemon *daemon)
{
        if (daemon->look_idle)
                g_source_remove(daemon->look_idle);
        daemon->look_idle = 0;
        netwatch_free(daemon->netwatch);
        daemon->netwatch = NULL;
        if (daemon->registry)
                registry_set_cgroup_watch(daemon->registry, NULL);
        cgroup_watch_free(daemon->cgroup_watch);
        daemon->cgroup_watch = NULL;
}
