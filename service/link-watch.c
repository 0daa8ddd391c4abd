/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "link-watch.h"

#include <errno.h>
#include <unistd.h>

#include <systemd/sd-daemon.h>

#include "descriptor.h"
#include "link-detach.h"
#include "link-netns.h"
#include "netwatch.h"
#include "recover.h"

#define ANY_INTERFACE 0

typedef bool (*IsGone)(const Daemon *daemon, const Link *link, uint32_t number);

static void forget(Daemon *daemon, IsGone is_gone, uint32_t number)
{
        g_autoptr(GList) links = g_hash_table_get_values(registry_links(daemon->registry));

        for (GList *l = links; l; l = l->next)
                if (is_gone(daemon, l->data, number))
                        link_forget(daemon, l->data);
}

static bool is_on(const Daemon *daemon, const Link *link, uint32_t ifindex)
{
        (void)daemon;
        return link->netns.id == NETNS_OWN && link->pub.interface_index == ifindex;
}

static void interface_gone(uint32_t ifindex, void *userdata)
{
        forget(userdata, is_on, ifindex);
}

static bool is_in(const Daemon *daemon, const Link *link, uint32_t netns)
{
        (void)daemon;
        return link->netns.id != NETNS_OWN && link->netns.id == (int32_t)netns;
}

static void netns_gone(int32_t netns, void *userdata)
{
        forget(userdata, is_in, (uint32_t)netns);
}

/* Members of libxdp's dispatchers are no links of the kernel's that would stay until we let go. */
static bool has_left(const Daemon *daemon, const Link *link, uint32_t ifindex)
{
        return link->attachment.xdp_member != 0 && link->state == LINK_ATTACHED &&
               (ifindex == ANY_INTERFACE || is_on(daemon, link, ifindex)) &&
               link_is_attached(link, -1) == 0;
}

static void interface_changed(uint32_t ifindex, void *userdata)
{
        forget(userdata, has_left, ifindex);
}

static bool is_off(const Daemon *daemon, const Link *link, uint32_t number)
{
        (void)number;
        return link->pub.interface_index != 0 && link->state == LINK_ATTACHED &&
               !link_has_interface(daemon, link);
}

/* Interfaces of which nothing is told. */
static bool is_off_elsewhere(const Daemon *daemon, const Link *link, uint32_t number)
{
        return link->netns.id != NETNS_OWN && is_off(daemon, link, number);
}

static void look(Daemon *daemon)
{
        forget(daemon, is_off_elsewhere, ANY_INTERFACE);
        forget(daemon, has_left, ANY_INTERFACE);
}

static void interfaces_unknown(void *userdata)
{
        forget(userdata, is_off, ANY_INTERFACE);
        look(userdata);
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

/* What is being detached from it finds that out. */
static void device_gone(Device *device, void *userdata)
{
        Daemon *daemon = userdata;
        g_autoptr(GList) links = g_hash_table_get_values(registry_links(daemon->registry));

        for (GList *l = links; l; l = l->next) {
                Link *link = l->data;

                if (link->device == device && link->state == LINK_ATTACHED)
                        link_forget(daemon, link);
        }
}

static void device_came(Device *device, uint32_t link_id, void *userdata)
{
        recover_on_device(userdata, device, link_id);
}

static gboolean on_idle(gpointer userdata)
{
        Daemon *daemon = userdata;

        daemon->look_idle = 0;
        look(daemon);
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
        static const DevicesCalls device_calls = {.gone = device_gone, .came = device_came};
        static const NetwatchCalls calls = {
                .gone = interface_gone,
                .changed = interface_changed,
                .netns_gone = netns_gone,
                .overrun = interfaces_unknown,
        };

        daemon->netwatch = netwatch_new(&calls, daemon);
        if (!daemon->netwatch)
                g_warning("Interfaces that go are not noticed, and links on them stay listed: %s",
                          g_strerror(errno));
        daemon->cgroup_watch = cgroup_watch_new(cgroup_gone, daemon);
        if (!daemon->cgroup_watch)
                g_warning("Cgroups that go are not noticed, and links on them stay listed: %s",
                          g_strerror(errno));
        registry_set_cgroup_watch(daemon->registry, daemon->cgroup_watch);
        daemon->devices = devices_new(SD_LISTEN_FDS_START, daemon->n_passed, &device_calls, daemon);
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
