/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fuzz.h"

#include <sys/mman.h>
#include <unistd.h>

#include "kern-attach.h"
#include "kern-usdt.h"

/*
 * As bpfkeeper-worker looks for functions and static probes in a target, which is any file that the caller
 * can read. What is found is what the next worker takes.
 */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        int fd = memfd_create("fuzz", MFD_CLOEXEC);
        KernUsdtProbe probe = {0};
        KernPlaces places = {0};
        KernDiag diag = {0};
        uint64_t offset;

        must(fd >= 0 && write(fd, data, size) == (ssize_t)size);
        if (kern_usdt_resolve(fd, "bpfkeeper:result", &probe, &diag) >= 0) {
                must(probe.n_sites > 0 && probe.n_specs > 0 && probe.n_specs <= probe.n_sites);
                for (size_t i = 0; i < probe.n_sites; i++)
                        must(probe.sites[i].spec < probe.n_specs);
                for (size_t i = 0; i < probe.n_specs; i++)
                        must(kern_usdt_spec_is_valid(&probe.specs[i]));
        } else {
                must(diag.error != KERN_ERROR_NONE);
        }
        kern_usdt_probe_done(&probe);
        kern_diag_clear(&diag);
        (void)kern_symbol_resolve(fd, "target_add", &offset, &diag);
        kern_diag_clear(&diag);
        (void)kern_symbols_resolve(fd, "target_*", &places, &diag);
        kern_places_done(&places);
        kern_diag_clear(&diag);
        close(fd);
        return 0;
}
