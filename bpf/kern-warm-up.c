/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <sys/mman.h>

#include "kern-embed.h"
#include "kern-object.h"
#include "kern-util.h"

KERN_EMBED(kern_warm_up, KERN_WARM_UP_OBJECT);

int kern_object_warm_up(void)
{
        KERN_AUTO_CLOSE int fd = memfd_create("bpfkeeper-warm-up", MFD_CLOEXEC);
        KernLoadOptions options = KERN_LOAD_OPTIONS_INIT;
        KernObject *object = NULL;
        int r;

        if (fd < 0)
                return -errno;
        if (write(fd, kern_warm_up_object, kern_warm_up_size) != (ssize_t)kern_warm_up_size)
                return -EIO;
        r = kern_object_load(fd, &options, &object, NULL);
        kern_object_free(object);
        return r;
}
