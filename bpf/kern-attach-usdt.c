/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <string.h>

#include <bpf/bpf.h>

#include "kern-attach-internal.h"
#include "kern-compat.h"
#include "kern-usdt.h"

/*
 * usdt: uprobes at all places of a static probe. Their cookies are numbers in the object's array of specs,
 * of which hook->usdt_first and those behind it are this attachment's. Where the program was loaded for
 * links of many uprobes it is one link, else one a place.
 */

typedef struct Usdt {
        KernUsdtProbe found; /* what is borrowed below, where it had to be looked for here */
        const KernUsdtSite *sites;
        size_t n_sites;
        const KernUsdtSpec *specs;
        size_t n_specs;
} Usdt;

static void usdt_done(Usdt *usdt)
{
        kern_usdt_probe_done(&usdt->found);
}

static int take_places(const KernHook *hook, Usdt *ret, KernDiag *diag)
{
        const KernNumbers *sites = &hook->usdt_sites, *specs = &hook->usdt_specs;
        int r;

        if (sites->n > 0) {
                ret->sites = (const KernUsdtSite *)sites->list;
                ret->n_sites = sites->n / KERN_USDT_SITE_NUMBERS;
                ret->specs = (const KernUsdtSpec *)specs->list;
                ret->n_specs = specs->n / KERN_USDT_SPEC_NUMBERS;
        } else {
                r = kern_usdt_resolve(hook->target_fd, hook->tracepoint, &ret->found, diag);
                if (r < 0)
                        return r;
                ret->sites = ret->found.sites;
                ret->n_sites = ret->found.n_sites;
                ret->specs = ret->found.specs;
                ret->n_specs = ret->found.n_specs;
        }
        for (size_t i = 0; i < ret->n_sites; i++)
                if (ret->sites[i].spec >= ret->n_specs || ret->sites[i].offset > INT64_MAX ||
                    ret->sites[i].semaphore > INT64_MAX)
                        return kern_fail(diag, -EBADMSG, KERN_ERROR_FAILED,
                                         "What was found in the target makes no sense");
        /* A program reads what they say from the kernel's own memory. */
        for (size_t i = 0; i < ret->n_specs; i++)
                if (!kern_usdt_spec_is_valid(&ret->specs[i]))
                        return kern_fail(diag, -EBADMSG, KERN_ERROR_FAILED,
                                         "What was found of the arguments makes no sense");
        return 0;
}

static int write_specs(const KernHook *hook, const Usdt *usdt, KernDiag *diag)
{
        uint32_t entries;

        if (hook->map_fd < 0 || !kern_usdt_map_fits(hook->map_fd, &entries))
                return kern_fail(diag, -EINVAL, KERN_ERROR_MAP_MISMATCH,
                                 "The program has no map " KERN_USDT_SPECS_MAP
                                 " as libbpf's <bpf/usdt.bpf.h> makes it; a usdt program includes "
                                 "that");
        if (hook->usdt_first > entries || usdt->n_specs > entries - hook->usdt_first)
                return kern_fail(diag, -E2BIG, KERN_ERROR_LIMIT_EXCEEDED,
                                 "The program's map " KERN_USDT_SPECS_MAP " has no room for %zu "
                                 "more; it is as large as BPF_USDT_MAX_SPEC_CNT says when the "
                                 "program is compiled",
                                 usdt->n_specs);
        for (size_t i = 0; i < usdt->n_specs; i++) {
                KernUsdtSpec spec = usdt->specs[i];
                uint32_t key = hook->usdt_first + (uint32_t)i;

                spec.cookie = hook->cookie;
                if (bpf_map_update_elem(hook->map_fd, &key, &spec, BPF_ANY) < 0)
                        return kern_fail(diag, -errno, KERN_ERROR_FAILED,
                                         "Can't write to the map " KERN_USDT_SPECS_MAP ": %s",
                                         strerror(errno));
        }
        return 0;
}

static uint64_t cookie_of(const KernHook *hook, const KernUsdtSite *site)
{
        return hook->usdt_first + site->spec;
}

static int attach_one_by_one(int prog_fd, const KernHook *hook, const Usdt *usdt,
                             KernAttachment *attachment, KernDiag *diag)
{
        int r = 0;

        if (usdt->n_sites > KERN_LINKS_MAX)
                return kern_fail(diag, -E2BIG, KERN_ERROR_LIMIT_EXCEEDED,
                                 "%s is at %zu places of the target; where a link can't have many "
                                 "uprobes (they need Linux 6.10), %d are the most",
                                 hook->tracepoint, usdt->n_sites, KERN_LINKS_MAX);
        for (size_t i = 0; r >= 0 && i < usdt->n_sites; i++)
                r = kern_attach_uprobe_at(prog_fd, hook, usdt->sites[i].offset,
                                          usdt->sites[i].semaphore,
                                          cookie_of(hook, &usdt->sites[i]), attachment, diag);
        return r;
}

static int attach_together(int prog_fd, const KernHook *hook, const Usdt *usdt,
                           KernAttachment *attachment, KernDiag *diag)
{
        KERN_AUTO_FREE uint64_t *numbers = calloc(3 * usdt->n_sites, sizeof(*numbers));
        KernUprobes places;

        if (!numbers)
                return kern_fail(diag, -ENOMEM, KERN_ERROR_LIMIT_EXCEEDED, "Out of memory");
        places = (KernUprobes){numbers, numbers + usdt->n_sites, numbers + 2 * usdt->n_sites,
                               usdt->n_sites};
        for (size_t i = 0; i < usdt->n_sites; i++) {
                places.offsets[i] = usdt->sites[i].offset;
                places.cookies[i] = cookie_of(hook, &usdt->sites[i]);
                places.semaphores[i] = usdt->sites[i].semaphore;
        }
        return kern_attach_uprobes_at(prog_fd, hook, &places, attachment, diag);
}

int kern_attach_usdt(int prog_fd, const KernHook *hook, KernAttachment *attachment, KernDiag *diag)
{
        KERN_CLEANUP(usdt_done) Usdt usdt = {0};
        int r;

        r = take_places(hook, &usdt, diag);
        if (r >= 0)
                r = write_specs(hook, &usdt, diag);
        if (r < 0)
                return r;
        return kern_probe_uprobe_multi(prog_fd) >= 0
                       ? attach_together(prog_fd, hook, &usdt, attachment, diag)
                       : attach_one_by_one(prog_fd, hook, &usdt, attachment, diag);
}
