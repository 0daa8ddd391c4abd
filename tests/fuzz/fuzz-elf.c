/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fuzz.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "kern-elf.h"
#include "kern-object.h"

/* As bpfkeeper-worker does it for anybody: what is in the bytes, without loading them. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        int fd = memfd_create("fuzz", MFD_CLOEXEC | MFD_ALLOW_SEALING);
        KernObject *object = NULL;
        KernDiag diag = {0};
        int r;

        must(fd >= 0 && write(fd, data, size) == (ssize_t)size);
        must(fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) == 0);
        r = kern_object_inspect(fd, &object, &diag);
        close(fd);
        if (r < 0) {
                must(!object && diag.error != KERN_ERROR_NONE);
        } else {
                must(object && kern_elf_check(data, size, &diag) == 0);
                for (size_t i = 0; i < object->n_programs; i++)
                        must(object->programs[i].name && object->programs[i].section &&
                             object->programs[i].fd < 0);
                kern_object_free(object);
        }
        kern_diag_clear(&diag);
        return 0;
}
