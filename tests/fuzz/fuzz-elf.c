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
        KernOutline *outline = NULL;
        KernDiag diag = {0};
        int r;

        must(fd >= 0 && write(fd, data, size) == (ssize_t)size);
        must(fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) == 0);
        r = kern_object_outline(fd, &outline, &diag);
        close(fd);
        if (r < 0) {
                must(!outline && diag.error != KERN_ERROR_NONE);
        } else {
                must(outline && kern_elf_check(data, size, &diag) == 0);
                for (size_t i = 0; i < outline->n_programs; i++)
                        must(outline->programs[i].name && outline->programs[i].section);
                for (size_t i = 0; i < outline->n_globals; i++)
                        must(outline->globals[i].name && outline->globals[i].value);
                kern_outline_free(outline);
        }
        kern_diag_clear(&diag);
        return 0;
}
