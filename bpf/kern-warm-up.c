/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <stdint.h>
#include <sys/mman.h>

#include "kern-object.h"
#include "kern-util.h"

/* What bpf/meson.build compiled from warm-up.bpf.c, as it is. */
__asm__(".section .rodata\n"
        ".balign 8\n"
        "kern_warm_up_object:\n"
        ".incbin \"" KERN_WARM_UP_OBJECT "\"\n"
        "1:\n"
        ".balign 8\n"
        "kern_warm_up_size:\n"
        ".8byte 1b - kern_warm_up_object\n"
        ".previous\n");

extern const char kern_warm_up_object[];
extern const uint64_t kern_warm_up_size;

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
