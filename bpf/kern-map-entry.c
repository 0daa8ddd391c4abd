/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "kern-map-entry.h"

#include <errno.h>
#include <string.h>

#include <bpf/bpf.h>

#include "kern-attach-internal.h"
#include "kern-info.h"

/* What an entry of either kind is, as in linux/bpf.h: going in with a descriptor, coming out with an id. */
typedef struct Entry {
        uint32_t target; /* bpf_devmap_val's ifindex, bpf_cpumap_val's qsize */
        union {
                int fd;
                uint32_t id;
        } program;
} Entry;

_Static_assert(sizeof(Entry) == sizeof(struct bpf_devmap_val) &&
                       sizeof(Entry) == sizeof(struct bpf_cpumap_val),
               "entries of either kind are alike");

static bool is_devmap(const KernHook *hook)
{
        return hook->type->attach_type == BPF_XDP_DEVMAP;
}

static const char *kind_of(const KernHook *hook)
{
        return is_devmap(hook) ? "devmap" : "cpumap";
}

static bool fits(const KernHook *hook, const KernMapInfo *map)
{
        return is_devmap(hook) ? map->map_type == BPF_MAP_TYPE_DEVMAP ||
                                         map->map_type == BPF_MAP_TYPE_DEVMAP_HASH
                               : map->map_type == BPF_MAP_TYPE_CPUMAP;
}

static int check_map(const KernHook *hook, KernDiag *diag)
{
        KernMapInfo map;
        int r = kern_map_info(hook->map_fd, &map);

        if (r < 0)
                return kern_fail(diag, r, KERN_ERROR_FAILED, "Can't look at map %u: %s",
                                 hook->map_id, strerror(-r));
        if (!fits(hook, &map))
                return kern_fail(diag, -EINVAL, KERN_ERROR_MAP_MISMATCH,
                                 "Map %u (%s) is no %s: a program of type %s goes into an entry of "
                                 "one",
                                 hook->map_id, map.name, kind_of(hook), hook->type->name);
        if (map.value_size != sizeof(Entry))
                return kern_fail(
                        diag, -EINVAL, KERN_ERROR_MAP_MISMATCH,
                        "Map %u (%s) has values of %u bytes, in which there is no room for "
                        "a program; those of a struct bpf_%s_val have %zu",
                        hook->map_id, map.name, map.value_size, kind_of(hook), sizeof(Entry));
        if (map.map_type != BPF_MAP_TYPE_DEVMAP_HASH && hook->key >= map.max_entries)
                return kern_fail(diag, -EINVAL, KERN_ERROR_INVALID_ARGUMENT,
                                 "key is %u; map %u (%s) has entries 0 to %u", hook->key,
                                 hook->map_id, map.name, map.max_entries - 1);
        return 0;
}

/* -ENOENT: the entry is empty. */
static int look(const KernHook *hook, Entry *ret)
{
        return bpf_map_lookup_elem(hook->map_fd, &hook->key, ret) < 0 ? -errno : 0;
}

static int put(const KernHook *hook, uint32_t target, int prog_fd)
{
        const Entry entry = {.target = target, .program.fd = prog_fd};

        return bpf_map_update_elem(hook->map_fd, &hook->key, &entry, BPF_EXIST) < 0 ? -errno : 0;
}

static int explain_look(int r, const KernHook *hook, KernDiag *diag)
{
        if (r == -ENOENT)
                return kern_fail(diag, r, KERN_ERROR_NO_SUCH_TARGET,
                                 "Entry %u of map %u is empty; write there first %s", hook->key,
                                 hook->map_id,
                                 is_devmap(hook) ? "which interface it redirects to"
                                                 : "how many packets its queue takes");
        return kern_fail(diag, r, KERN_ERROR_FAILED, "Can't read entry %u of map %u: %s", hook->key,
                         hook->map_id, strerror(-r));
}

static int explain_put(int r, const KernHook *hook, KernDiag *diag)
{
        switch (-r) {
        case EINVAL:
                return kern_fail(diag, r, KERN_ERROR_TYPE_MISMATCH,
                                 "The kernel doesn't take the program for entry %u of map %u "
                                 "(Invalid argument): programs of one map are all of sections "
                                 "xdp.frags, or none is",
                                 hook->key, hook->map_id);
        case EPERM:
                return kern_fail(diag, r, KERN_ERROR_NOT_SUPPORTED,
                                 "Map %u can't be written any more: it was frozen", hook->map_id);
        default:
                return kern_fail(diag, r, KERN_ERROR_FAILED, "Can't write entry %u of map %u: %s",
                                 hook->key, hook->map_id, strerror(-r));
        }
}

/* The entry as it is to be for the hook, but for its program. */
static int look_for(const KernHook *hook, Entry *ret, KernDiag *diag)
{
        int r = look(hook, ret);

        if (r < 0)
                return explain_look(r, hook, diag);
        /* By its number another namespace's would be meant. */
        if (is_devmap(hook) && ret->target != hook->ifindex)
                return kern_fail(diag, -EINVAL, KERN_ERROR_INVALID_ARGUMENT,
                                 "Entry %u of map %u redirects to the interface with index %u; the "
                                 "one that was given has index %u",
                                 hook->key, hook->map_id, ret->target, hook->ifindex);
        return 0;
}

int kern_attach_map_entry(int prog_fd, const KernHook *hook, KernAttachment *attachment,
                          KernDiag *diag)
{
        Entry entry;
        int r;

        (void)attachment;
        r = check_map(hook, diag);
        if (r >= 0)
                r = look_for(hook, &entry, diag);
        if (r < 0)
                return r;
        if (entry.program.id != 0)
                return kern_fail(diag, -EBUSY, KERN_ERROR_HOOK_BUSY,
                                 "Entry %u of map %u has program %u already; an entry has one",
                                 hook->key, hook->map_id, entry.program.id);
        r = put(hook, entry.target, prog_fd);
        return r < 0 ? explain_put(r, hook, diag) : 0;
}

int kern_map_entry_has(uint32_t prog_id, const KernHook *hook)
{
        Entry entry;
        int r = hook->map_fd < 0 ? -ENOENT : look(hook, &entry);

        if (r < 0)
                return r == -ENOENT ? 0 : r;
        return entry.program.id == prog_id;
}

int kern_map_entry_detach(uint32_t prog_id, const KernHook *hook, KernDiag *diag)
{
        Entry entry;
        int r = hook->map_fd < 0 ? -ENOENT : look(hook, &entry);

        if (r == -ENOENT || (r >= 0 && entry.program.id != prog_id))
                return 0;
        if (r < 0)
                return explain_look(r, hook, diag);
        r = put(hook, entry.target, -1);
        return r < 0 ? explain_put(r, hook, diag) : 0;
}

int kern_map_entry_replace(int new_fd, uint32_t old_id, const KernHook *hook, KernDiag *diag)
{
        KernProgramInfo program;
        Entry entry;
        int r;

        r = kern_program_info(new_fd, &program);
        if (r < 0)
                return kern_fail(diag, r, KERN_ERROR_FAILED, "Can't look at the program: %s",
                                 strerror(-r));
        r = look_for(hook, &entry, diag);
        /* By a worker that died over it. */
        if (r < 0 || entry.program.id == program.id)
                return r;
        if (entry.program.id != old_id)
                return kern_fail(diag, -EBUSY, KERN_ERROR_FAILED,
                                 "Program %u isn't in entry %u of map %u any more", old_id,
                                 hook->key, hook->map_id);
        r = put(hook, entry.target, new_fd);
        return r < 0 ? explain_put(r, hook, diag) : 0;
}
