/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "devices.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <glib-unix.h>
#include <systemd/sd-daemon.h>

#include "descriptor.h"
#include "kern-lirc.h"

struct Devices {
        GHashTable *devices; /* number → Device, each there while somebody has a share */
        GPtrArray *passed;   /* shares of those that came from systemd, until they are settled */
        GPtrArray *kept;     /* shares of those that the next service is to have in any case */
        unsigned store_max;  /* how many descriptors systemd keeps for a service that exits */
        bool leaving;        /* what systemd keeps is the next service's */
        unsigned references; /* of the devices, which may outlast the owner, and the owner's */
        DevicesCalls calls;
        void *userdata;
};

struct Device {
        Devices *devices;
        uint64_t number;
        unsigned references;
        int fd;
        guint watch;
        bool stored;  /* systemd was given it */
        GArray *left; /* ids of links, see device_keep(); or NULL */
};

static void devices_unref(Devices *d)
{
        if (--d->references > 0)
                return;
        g_hash_table_unref(d->devices);
        g_free(d);
}

/* No name of one has a colon. */
static char *store_name(const Device *device)
{
        return g_strdup_printf("device-%u-%u", major(device->number), minor(device->number));
}

static void store(Device *device)
{
        g_autofree char *name = store_name(device);
        g_autofree char *message = g_strdup_printf("FDSTORE=1\nFDNAME=%s", name);

        device->stored = sd_pid_notify_with_fds(0, 0, message, &device->fd, 1) > 0;
}

static void close_fd(Device *device)
{
        g_autofree char *name = store_name(device);

        if (device->fd < 0)
                return;
        if (device->watch)
                g_source_remove(device->watch);
        device->watch = 0;
        if (device->stored && !device->devices->leaving)
                (void)sd_notifyf(0, "FDSTOREREMOVE=1\nFDNAME=%s", name);
        device->stored = false;
        close(device->fd);
        device->fd = -1;
}

static gboolean on_hangup(gint fd, GIOCondition condition, gpointer userdata)
{
        Device *device = device_ref(userdata);

        (void)fd, (void)condition;
        device->watch = 0;
        close_fd(device);
        device->devices->calls.gone(device, device->devices->userdata);
        device_unref(device);
        return G_SOURCE_REMOVE;
}

/* Takes @fd. What is received there isn't looked at: nothing but the device's end wakes us. */
static void set_fd(Device *device, int fd)
{
        device->fd = fd;
        device->watch = g_unix_fd_add(fd, G_IO_HUP | G_IO_ERR, on_hangup, device);
}

/* Of what has gone systemd has no descriptor any more, either. */
static void take_passed(Devices *d, int fd)
{
        Device *device;
        uint64_t number;

        if (sd_is_socket(fd, AF_UNSPEC, 0, -1) > 0)
                return;
        if (descriptor_device(fd, "lirc", &number, NULL) < 0 || kern_lirc_is_gone(fd)) {
                close(fd);
                return;
        }
        device = devices_get(d, number);
        g_ptr_array_add(d->passed, device);
        if (device->fd >= 0) {
                close(fd);
                return;
        }
        set_fd(device, fd);
        device->stored = true;
}

Devices *devices_new(int first, int n, const DevicesCalls *calls, void *userdata)
{
        /* Since systemd 254, which is since when it keeps them for services that exit by themselves. */
        const char *max = getenv("FDSTORE");
        Devices *d = g_new0(Devices, 1);

        d->references = 1;
        d->devices = g_hash_table_new(g_int64_hash, g_int64_equal);
        d->passed = g_ptr_array_new_with_free_func((GDestroyNotify)device_unref);
        d->kept = g_ptr_array_new_with_free_func((GDestroyNotify)device_unref);
        d->store_max = max ? (unsigned)g_ascii_strtoull(max, NULL, 10) : 0;
        d->calls = *calls;
        d->userdata = userdata;
        for (int fd = first; fd < first + n; fd++)
                take_passed(d, fd);
        return d;
}

void devices_settle(Devices *d)
{
        g_ptr_array_set_size(d->passed, 0);
}

void devices_free(Devices *d)
{
        if (!d)
                return;
        d->leaving = true;
        g_ptr_array_unref(d->passed);
        g_ptr_array_unref(d->kept);
        devices_unref(d);
}

Device *devices_get(Devices *d, uint64_t number)
{
        Device *device = g_hash_table_lookup(d->devices, &number);

        if (device)
                return device_ref(device);
        device = g_new0(Device, 1);
        device->devices = d;
        device->number = number;
        device->references = 1;
        device->fd = -1;
        d->references++;
        g_hash_table_insert(d->devices, &device->number, device);
        return device;
}

Device *device_ref(Device *device)
{
        device->references++;
        return device;
}

void device_unref(Device *device)
{
        if (!device || --device->references > 0)
                return;
        close_fd(device);
        g_hash_table_remove(device->devices->devices, &device->number);
        devices_unref(device->devices);
        if (device->left)
                g_array_unref(device->left);
        g_free(device);
}

void device_keep(Device *device, uint32_t link_id)
{
        if (!g_ptr_array_find(device->devices->kept, device, NULL))
                g_ptr_array_add(device->devices->kept, device_ref(device));
        if (!device->left)
                device->left = g_array_new(FALSE, FALSE, sizeof(uint32_t));
        g_array_append_val(device->left, link_id);
}

/* There may be no other share of it. */
static void tell_of_left(Device *device)
{
        g_autoptr(GArray) left = g_steal_pointer(&device->left);

        if (!left)
                return;
        for (guint i = 0; i < left->len; i++)
                device->devices->calls.came(device, g_array_index(left, uint32_t, i),
                                            device->devices->userdata);
        /* Unless it is kept anew */
        if (!device->left)
                g_ptr_array_remove(device->devices->kept, device);
}

bool devices_survive(const Devices *d)
{
        GHashTableIter iter;
        gpointer device;
        unsigned n = 0;

        g_hash_table_iter_init(&iter, d->devices);
        while (g_hash_table_iter_next(&iter, NULL, &device)) {
                if (((Device *)device)->fd < 0)
                        continue;
                if (!((Device *)device)->stored || ++n > d->store_max)
                        return false;
        }
        return true;
}

uint64_t device_number(const Device *device)
{
        return device->number;
}

int device_fd(const Device *device)
{
        return device->fd;
}

int device_bring(Device *device, int fd)
{
        int copy;

        /* Of another device, which had the number before, that is about to be told. */
        if (device->fd >= 0 && !kern_lirc_is_gone(device->fd))
                return 0;
        copy = fcntl(fd, F_DUPFD_CLOEXEC, 3);
        if (copy < 0)
                return -errno;
        /* Its last share may go with the links. */
        device_ref(device);
        if (device->fd >= 0) {
                close_fd(device);
                device->devices->calls.gone(device, device->devices->userdata);
        }
        set_fd(device, copy);
        store(device);
        tell_of_left(device);
        device_unref(device);
        return 0;
}
