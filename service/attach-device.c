/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Devices, which the service can't open and doesn't want to: a caller brings what he can open himself. */

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "attach-op.h"
#include "descriptor.h"
#include "errors.h"
#include "kern-lirc.h"
#include "link-device.h"

/* The kernel is asked only when it is certain what it is: polling anything else may wait for whoever serves it. */
static GError *check_device(const AttachOp *op, int fd, uint64_t *ret_number, char **ret_path)
{
        g_autofree char *path = NULL;

        if (descriptor_device(fd, "lirc", ret_number, &path) < 0)
                return error_new(INVALID_ARGUMENT,
                                 "The descriptor of option 'device' is of no infrared receiver; "
                                 "these are /dev/lirc0 and so on.");
        if (!descriptor_is_readable(fd) && !descriptor_is_writable(fd))
                return error_new(
                        INVALID_ARGUMENT,
                        "The descriptor of %s was opened with O_PATH, which gives no access "
                        "to the device.",
                        path);
        /* Whoever only asks what is there need not be allowed to change it. */
        if (op->hook.type && !descriptor_is_writable(fd))
                return error_new(INVALID_ARGUMENT,
                                 "The descriptor of %s isn't open for writing, which the kernel "
                                 "asks for where a program is attached or detached.",
                                 path);
        if (kern_lirc_is_gone(fd))
                return error_new(NO_SUCH_TARGET, "The device %s is gone.", path);
        *ret_path = g_steal_pointer(&path);
        return NULL;
}

GError *attach_hook_set_device(AttachOp *op, uid_t uid, KernParam param, const BusValue *value)
{
        char *path = NULL;
        GError *error;
        int fd;

        (void)uid;
        if (g_str_equal(value->type, "s"))
                return error_new(INVALID_ARGUMENT,
                                 "The device is given as the path '%s'; the service opens no "
                                 "devices, so pass option 'device' as a descriptor that is open "
                                 "for writing (D-Bus type 'h').",
                                 value->s);
        fd = fcntl(value->h, F_DUPFD_CLOEXEC, 3);
        if (fd < 0)
                return error_from_errno(-errno, "keep the device's descriptor");
        error = check_device(op, fd, &op->device_number, &path);
        if (error)
                close(fd);
        else
                attach_hook_use_file(op, param, fd, path);
        return error;
}

GError *attach_hook_bring_device(AttachOp *op, uid_t uid, const Link *link, const BusValue *value)
{
        GError *error;

        if (!link_is_on_device(link))
                return error_new(INVALID_ARGUMENT,
                                 "Link %u (%s) is on no device, and takes no option 'device'.",
                                 link->pub.id, link->pub.type);
        error = attach_hook_set_device(op, uid, KERN_PARAM_DEVICE, value);
        if (!error && op->device_number != link->pub.device_number)
                error = error_new(INVALID_ARGUMENT, "Link %u is on %s, and option 'device' is %s.",
                                  link->pub.id, link->texts[KERN_PARAM_DEVICE],
                                  op->texts[KERN_PARAM_DEVICE]);
        return error;
}
