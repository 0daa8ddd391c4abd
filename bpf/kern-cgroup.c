/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "kern-cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include <bpf/bpf.h>

#include "kern-attach-internal.h"
#include "kern-info.h"
#include "kern-order.h"

/* So often is tried again what others got ahead of. */
#define ATTEMPTS 100

bool kern_cgroup_holds(const KernHook *hook)
{
        return hook->attach_flags != KERN_ATTACH_FLAGS_MULTI &&
               kern_type_takes(hook->type, KERN_PARAM_BIT(KERN_PARAM_ATTACH_FLAGS));
}

KernAttachFlags kern_attach_flags_from(uint32_t flags)
{
        return flags & BPF_F_ALLOW_MULTI      ? KERN_ATTACH_FLAGS_MULTI
               : flags & BPF_F_ALLOW_OVERRIDE ? KERN_ATTACH_FLAGS_OVERRIDE
                                              : KERN_ATTACH_FLAGS_EXCLUSIVE;
}

static KernPoint point_of(const KernHook *hook)
{
        return (KernPoint){kern_cgroup_attach_type(hook), hook->cgroup_fd, true};
}

/* No cgroup, or one that was removed, whose descriptor is still there. */
static bool is_gone(int r)
{
        return r == -EBADF || r == -ENOENT || r == -ENODEV;
}

/* "program 12 (deny)", of the first one. */
static const char *call_first(const KernChain *chain, char *ret, size_t size)
{
        const uint32_t id = chain->entries[0].prog_id;
        KERN_AUTO_CLOSE int fd = kern_program_open_id(id);
        KernProgramInfo info;

        if (fd >= 0 && kern_program_info(fd, &info) >= 0 && info.name[0] != '\0')
                snprintf(ret, size, "program %u (%s)", id, info.name);
        else
                snprintf(ret, size, "program %u", id);
        return ret;
}

static int somebody_is_there(const KernHook *hook, const KernChain *chain, KernDiag *diag)
{
        char program[64], others[32] = "";

        if (chain->n > 1)
                snprintf(others, sizeof(others), " and %zu more", chain->n - 1);
        return kern_fail(diag, -EBUSY, KERN_ERROR_HOOK_BUSY,
                         "The cgroup has %s%s on that hook already, with attach_flags \"%s\"; with "
                         "\"%s\" there is none but one",
                         call_first(chain, program, sizeof(program)), others,
                         kern_attach_flags_to_string(chain->attach_flags),
                         kern_attach_flags_to_string(hook->attach_flags));
}

static int changes_all_the_time(KernDiag *diag)
{
        return kern_fail(diag, -EBUSY, KERN_ERROR_HOOK_BUSY,
                         "The program on the cgroup is changed by others all the time; try again");
}

static int put(int prog_fd, const KernHook *hook, const KernPoint *point, const KernChain *chain)
{
        LIBBPF_OPTS(bpf_prog_attach_opts, opts,
                    .flags = hook->attach_flags == KERN_ATTACH_FLAGS_OVERRIDE ? BPF_F_ALLOW_OVERRIDE
                                                                              : 0,
                    .expected_revision = chain->revision);

        return bpf_prog_attach_opts(prog_fd, point->target,
                                    (enum bpf_attach_type)point->attach_type, &opts);
}

int kern_cgroup_attach(int prog_fd, const KernHook *hook, KernDiag *diag)
{
        const KernPoint point = point_of(hook);
        KernChain chain;

        for (int i = 0; i < ATTEMPTS; i++) {
                int r = kern_chain_query(&point, false, &chain);

                if (r < 0)
                        return r;
                if (chain.n > 0)
                        return somebody_is_there(hook, &chain, diag);
                r = put(prog_fd, hook, &point, &chain);
                if (r != -ESTALE)
                        return r;
        }
        return changes_all_the_time(diag);
}

/* 1: the cgroup holds that program, 0: it doesn't, or is gone. */
static int find(uint32_t prog_id, const KernPoint *point, KernChain *ret)
{
        int r = kern_chain_query(point, false, ret);

        if (is_gone(r))
                return 0;
        if (r < 0)
                return r;
        return ret->n == 1 && ret->attach_flags != KERN_ATTACH_FLAGS_MULTI &&
               ret->entries[0].prog_id == prog_id;
}

int kern_cgroup_has(uint32_t prog_id, const KernHook *hook)
{
        const KernPoint point = point_of(hook);
        KernChain chain;

        return hook->cgroup_fd < 0 ? 0 : find(prog_id, &point, &chain);
}

static int take_away(uint32_t prog_id, const KernPoint *point)
{
        for (int i = 0; i < ATTEMPTS; i++) {
                LIBBPF_OPTS(bpf_prog_detach_opts, opts);
                KernChain chain;
                int r = find(prog_id, point, &chain);

                if (r <= 0)
                        return r;
                opts.expected_revision = chain.revision;
                r = bpf_prog_detach_opts(0, point->target, (enum bpf_attach_type)point->attach_type,
                                         &opts);
                if (is_gone(r))
                        return 0;
                if (r != -ESTALE)
                        return r;
        }
        return -EBUSY;
}

int kern_cgroup_detach(uint32_t prog_id, const KernHook *hook, KernDiag *diag)
{
        const KernPoint point = point_of(hook);
        int r = hook->cgroup_fd < 0 ? 0 : take_away(prog_id, &point);

        return r >= 0 ? 0
                      : kern_fail(diag, r, KERN_ERROR_FAILED,
                                  "Can't detach program %u from the cgroup: %s", prog_id,
                                  strerror(-r));
}

static int replace(int new_fd, uint32_t old_id, const KernHook *hook)
{
        const KernPoint point = point_of(hook);

        for (int i = 0; i < ATTEMPTS; i++) {
                KernChain chain;
                int r = find(old_id, &point, &chain);

                if (r < 0)
                        return r;
                if (r == 0 || chain.attach_flags != hook->attach_flags)
                        return -ENOENT;
                r = put(new_fd, hook, &point, &chain);
                if (r != -ESTALE)
                        return r;
        }
        return -EBUSY;
}

int kern_cgroup_replace(int new_fd, uint32_t old_id, const KernHook *hook, KernDiag *diag)
{
        int r = replace(new_fd, old_id, hook);

        switch (-r) {
        case ENOENT:
                return kern_fail(diag, r, KERN_ERROR_FAILED,
                                 "Program %u isn't on the cgroup any more: somebody else has "
                                 "detached or replaced it, or the cgroup is gone",
                                 old_id);
        case EBUSY:
                return changes_all_the_time(diag);
        case EINVAL:
                return kern_fail(diag, r, KERN_ERROR_TYPE_MISMATCH,
                                 "The kernel doesn't take the program in the other one's place "
                                 "(Invalid argument): it was loaded for something else");
        default:
                return r >= 0 ? 0
                              : kern_fail(diag, r, KERN_ERROR_FAILED,
                                          "Can't put the program in the other one's place: %s",
                                          strerror(-r));
        }
}

/* Asks no file system for news, which somebody's own could be long in giving. */
static int look(int fd, struct statx *ret)
{
        return statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_INO, ret) < 0 ? -errno : 0;
}

int kern_cgroup_above(int fd)
{
        KERN_AUTO_CLOSE int above = openat(fd, "..", O_PATH | O_DIRECTORY | O_CLOEXEC);
        struct statx here, there;
        int r;

        if (above < 0)
                return -errno;
        r = look(fd, &here);
        if (r >= 0)
                r = look(above, &there);
        if (r < 0)
                return r;
        /* What is above the hierarchy's root, or where it is mounted, is another one, or the same directory. */
        if (here.stx_dev_major != there.stx_dev_major ||
            here.stx_dev_minor != there.stx_dev_minor || here.stx_ino == there.stx_ino)
                return -ENOENT;
        return kern_take_fd(&above);
}

/* As this process sees it; "above it" where it sees nothing. */
static const char *call_cgroup(int fd, char *ret, size_t size)
{
        char link[32];
        ssize_t n;

        snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
        n = readlink(link, ret, size - 1);
        if (n <= 0)
                return "above it";
        ret[n] = '\0';
        return ret;
}

static int explain_here(const KernHook *hook, const KernChain *chain, KernDiag *diag)
{
        char program[64];

        return kern_fail(diag, -EPERM, KERN_ERROR_HOOK_BUSY,
                         "The cgroup has %s on that hook, with attach_flags \"%s\", and the kernel "
                         "takes none with \"%s\" beside it; detach that one first",
                         call_first(chain, program, sizeof(program)),
                         kern_attach_flags_to_string(chain->attach_flags),
                         kern_attach_flags_to_string(hook->attach_flags));
}

static int explain_above(int fd, const KernChain *chain, KernDiag *diag)
{
        char program[64], path[256];

        return kern_fail(diag, -EPERM, KERN_ERROR_HOOK_BUSY,
                         "The cgroup %s has %s on that hook, with attach_flags \"%s\", and the "
                         "kernel takes none on the cgroups below it",
                         call_cgroup(fd, path, sizeof(path)),
                         call_first(chain, program, sizeof(program)),
                         kern_attach_flags_to_string(chain->attach_flags));
}

int kern_cgroup_explain(const KernHook *hook, KernDiag *diag)
{
        KernPoint point = point_of(hook);
        KERN_AUTO_CLOSE int fd = -1;
        KernChain chain;

        if (kern_chain_query(&point, false, &chain) >= 0 && chain.n > 0 &&
            chain.attach_flags != hook->attach_flags)
                return explain_here(hook, &chain, diag);
        for (;;) {
                int above = kern_cgroup_above(point.target);

                kern_closep(&fd);
                fd = point.target = above;
                if (above < 0 || kern_chain_query(&point, false, &chain) < 0)
                        break;
                if (chain.n > 0 && chain.attach_flags == KERN_ATTACH_FLAGS_EXCLUSIVE)
                        return explain_above(above, &chain, diag);
        }
        return kern_fail(diag, -EPERM, KERN_ERROR_HOOK_BUSY,
                         "The kernel refuses the program (Operation not permitted): the cgroup, "
                         "or one above it, has a program that was attached as the only one");
}
