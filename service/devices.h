/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/*
 * Devices that programs are on without a kernel link (kern-lirc.h). Whoever attaches one brings the device's
 * descriptor, and that is the service's only way to it: its unit hides devices. So the descriptor is kept as
 * long as the service has a link there, and systemd keeps a copy meanwhile, for the next service to have
 * (FileDescriptorStoreMax=). Without systemd the next one has none, until somebody brings one again.
 */
typedef struct Devices Devices;
typedef struct Device Device;

/* From the main loop, or from device_bring(). */
typedef struct DevicesCalls {
        /* It has gone, for which the kernel has taken its programs off. */
        void (*gone)(Device *device, void *userdata);
        /* It is at hand again, and there is what device_keep() was told of. */
        void (*came)(Device *device, uint32_t link_id, void *userdata);
} DevicesCalls;

/*
 * Of the @n descriptors from @first on, which systemd has passed (sd_listen_fds(3)), those of devices are taken;
 * what nobody has made use of when devices_settle() is called is given up.
 */
Devices *devices_new(int first, int n, const DevicesCalls *calls, void *userdata);
void devices_settle(Devices *devices);

/*
 * Gives up nothing that the next service is to have. Before the links go; what they still have of it
 * remains until they do.
 */
void devices_free(Devices *devices);

/*
 * The device with that number, of which the caller has a share then. It need not be at hand: see
 * device_fd().
 */
Device *devices_get(Devices *devices, uint64_t number);
Device *device_ref(Device *device);
/* With the last share the service gives up the device's descriptor. */
void device_unref(Device *device);

/*
 * The next service is to have it even if no link of this one is there: one was left half detached, which is
 * to be tried again when somebody brings the device.
 */
void device_keep(Device *device, uint32_t link_id);

/* Whether the next service has all that this one keeps. */
bool devices_survive(const Devices *devices);

uint64_t device_number(const Device *device);

/* Its descriptor, which stays the device's; -1: it isn't at hand. */
int device_fd(const Device *device);

/*
 * Keeps a copy of @fd, which is one of that device, unless there is one: 0 or a negative errno. Where the
 * one that there was is of a device that has gone, its links go first.
 */
int device_bring(Device *device, int fd);
