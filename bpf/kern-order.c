/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include <bpf/bpf.h>

#include "kern-attach-internal.h"
#include "kern-cgroup.h"
#include "kern-compat.h"
#include "kern-info.h"
#include "kern-order.h"
#include "kern-util.h"

/* So often is tried again what others got ahead of. */
#define ATTEMPTS 100

#define BIT(p) KERN_PARAM_BIT(KERN_PARAM_##p)

int kern_neighbour_parse(const char *text, KernNeighbour *ret)
{
        static const char *const kinds[] = {
                [KERN_NEIGHBOUR_PROGRAM] = "program:",
                [KERN_NEIGHBOUR_LINK] = "link:",
                [KERN_NEIGHBOUR_KERNEL_LINK] = "kernel-link:",
        };

        for (size_t i = 0; i < KERN_ELEMENTSOF(kinds); i++) {
                size_t n = strlen(kinds[i]);
                unsigned long long id;
                char *end;

                if (strncmp(text, kinds[i], n) != 0 || text[n] < '1' || text[n] > '9')
                        continue;
                id = strtoull(text + n, &end, 10);
                if (*end != '\0' || id > UINT32_MAX)
                        continue;
                *ret = (KernNeighbour){(KernNeighbourKind)i, (uint32_t)id};
                return 0;
        }
        return -EINVAL;
}

static int check_neighbour(const char *option, const char *text, KernDiag *diag)
{
        KernNeighbour neighbour;

        if (text[0] == '\0' || kern_neighbour_parse(text, &neighbour) >= 0)
                return 0;
        return kern_fail(diag, -EINVAL, KERN_ERROR_INVALID_ARGUMENT,
                         "%s is \"%s\"; it must be program:ID, link:ID or, of others, "
                         "kernel-link:ID",
                         option, text);
}

int kern_order_check(const KernHook *hook, KernDiag *diag)
{
        const uint64_t neighbours = BIT(BEFORE) | BIT(AFTER);
        int r;

        if (kern_cgroup_holds(hook) && (hook->given & (neighbours | BIT(PRIORITY))))
                return kern_fail(diag, -EINVAL, KERN_ERROR_INVALID_ARGUMENT,
                                 "With attach_flags \"%s\" a program has its cgroup's hook to "
                                 "itself: there is no order, and it takes no priority, before or "
                                 "after",
                                 kern_attach_flags_to_string(hook->attach_flags));
        r = check_neighbour("before", hook->before, diag);
        if (r >= 0)
                r = check_neighbour("after", hook->after, diag);
        if (r < 0)
                return r;
        if ((hook->given & neighbours) == neighbours)
                return kern_fail(diag, -EINVAL, KERN_ERROR_INVALID_ARGUMENT,
                                 "before and after both say where the program goes: give one of "
                                 "them");
        if ((hook->given & neighbours) && (hook->given & BIT(PRIORITY)))
                return kern_fail(diag, -EINVAL, KERN_ERROR_INVALID_ARGUMENT,
                                 "%s and priority both say where the program goes: give one of "
                                 "them",
                                 hook->given & BIT(BEFORE) ? "before" : "after");
        return 0;
}

/* The kernel's number for what a program on an interface is there for. */
static int interface_attach_type(const KernHook *hook)
{
        const KernHookName *name =
                hook->type->hooks ? kern_type_find_hook(hook->type, hook->name) : NULL;

        if (name)
                return name->number;
        return hook->direction == KERN_DIRECTION_EGRESS ? KERN_BPF_TCX_EGRESS
                                                        : KERN_BPF_TCX_INGRESS;
}

int kern_point_of(const KernHook *hook, KernPoint *ret)
{

        /* The kernel keeps an order where the table says that neighbours are taken. */
        if (!kern_type_takes(hook->type, BIT(BEFORE)))
                return -EOPNOTSUPP;
        if (kern_type_takes(hook->type, BIT(CGROUP)))
                *ret = (KernPoint){kern_cgroup_attach_type(hook), hook->cgroup_fd, true};
        else
                *ret = (KernPoint){interface_attach_type(hook), (int)hook->ifindex, false};
        return 0;
}

/* As libbpf 1.4 has it but for cgroups, whose neighbours came later. */
static int create_link(int prog_fd, const KernPoint *point, uint32_t flags, uint32_t neighbour,
                       uint64_t revision)
{
        struct {
                uint32_t prog_fd, target, attach_type, flags;
                uint32_t relative, padding;
                uint64_t expected_revision;
        } attr = {
                .prog_fd = (uint32_t)prog_fd,
                .target = (uint32_t)point->target,
                .attach_type = (uint32_t)point->attach_type,
                .flags = flags,
                .relative = neighbour,
                .expected_revision = revision,
        };
        long fd = syscall(SYS_bpf, BPF_LINK_CREATE, &attr, sizeof(attr));

        return fd < 0 ? -errno : (int)fd;
}

/* The kernel says which programs a cgroup has, links say which cgroup they are of. */
static int find_links(const KernPoint *point, KernChain *chain)
{
        uint32_t id = 0;
        struct stat st;
        int r;

        if (fstat(point->target, &st) < 0)
                return -errno;
        while ((r = kern_link_next_id(id, &id)) >= 0) {
                KERN_AUTO_CLOSE int fd = kern_link_open_id(id);
                KernLinkInfo info;

                /* the inode's number is the cgroup's id */
                if (fd < 0 || kern_link_info(fd, &info) < 0 ||
                    info.link_type != BPF_LINK_TYPE_CGROUP || info.cgroup_id != st.st_ino ||
                    info.attach_type != (uint32_t)point->attach_type)
                        continue;
                /* Of a program that is there more than once the older link comes first. */
                for (size_t i = 0; i < chain->n; i++)
                        if (chain->entries[i].prog_id == info.prog_id &&
                            chain->entries[i].link_id == 0) {
                                chain->entries[i].link_id = id;
                                break;
                        }
        }
        return r == -ENOENT ? 0 : r;
}

int kern_chain_query(const KernPoint *point, bool with_links, KernChain *ret)
{
        uint32_t programs[KERN_CHAIN_MAX], links[KERN_CHAIN_MAX] = {0};
        LIBBPF_OPTS(bpf_prog_query_opts, opts, .prog_ids = programs, .count = KERN_CHAIN_MAX);

        /* Kernels that know of no links for this refuse the question. */
        if (!point->is_cgroup)
                opts.link_ids = links;
        if (bpf_prog_query_opts(point->target, (enum bpf_attach_type)point->attach_type, &opts) < 0)
                return -errno;
        memset(ret, 0, sizeof(*ret));
        ret->revision = opts.revision;
        ret->attach_flags = kern_attach_flags_from(opts.attach_flags);
        ret->n = opts.count < KERN_CHAIN_MAX ? opts.count : KERN_CHAIN_MAX;
        for (size_t i = 0; i < ret->n; i++)
                ret->entries[i] = (KernChainEntry){programs[i], links[i]};
        return point->is_cgroup && with_links ? find_links(point, ret) : 0;
}

bool kern_chain_has(const KernChain *chain, uint32_t prog_id)
{
        for (size_t i = 0; i < chain->n; i++)
                if (chain->entries[i].prog_id == prog_id)
                        return true;
        return false;
}

static const char *list_chain(const KernChain *chain, char *ret, size_t size)
{
        size_t n = 0;

        snprintf(ret, size, "nothing");
        for (size_t i = 0; i < chain->n && n < size; i++) {
                const KernChainEntry *e = &chain->entries[i];

                n += (size_t)snprintf(ret + n, size - n, "%sprogram:%u", i > 0 ? ", " : "",
                                      e->prog_id);
                if (e->link_id != 0 && n < size)
                        n += (size_t)snprintf(ret + n, size - n, " (kernel-link:%u)", e->link_id);
        }
        return ret;
}

static const KernChainEntry *find_entry(const KernChain *chain, const KernNeighbour *neighbour)
{
        for (size_t i = 0; i < chain->n; i++) {
                const KernChainEntry *e = &chain->entries[i];

                if (neighbour->id ==
                    (neighbour->kind == KERN_NEIGHBOUR_PROGRAM ? e->prog_id : e->link_id))
                        return e;
        }
        return NULL;
}

static int no_order(KernDiag *diag)
{
        return kern_fail(diag, -EOPNOTSUPP, KERN_ERROR_NOT_SUPPORTED,
                         "This kernel runs the programs of a cgroup in the order of their "
                         "attachment, and knows no other (that came with Linux 6.17); leave "
                         "priority, before and after out");
}

static int not_there(const KernHook *hook, const KernChain *chain, KernDiag *diag)
{
        char list[1024];

        return kern_fail(diag, -ENOENT, KERN_ERROR_INVALID_ARGUMENT,
                         "%s is not on the hook, so that nothing goes %s it; there is: %s",
                         hook->before[0] ? hook->before : hook->after,
                         hook->before[0] ? "before" : "behind",
                         list_chain(chain, list, sizeof(list)));
}

/* Beside a link: of a cgroup's the kernel knows whether it is there, of the others the chain says it. */
static int try_beside(int prog_fd, const KernPoint *point, const KernHook *hook,
                      const KernNeighbour *neighbour, const KernChain *chain, KernDiag *diag)
{
        const uint32_t side = hook->before[0] ? KERN_BPF_F_BEFORE : KERN_BPF_F_AFTER;
        const bool by_link = neighbour->kind == KERN_NEIGHBOUR_KERNEL_LINK;
        const KernChainEntry *entry = find_entry(chain, neighbour);
        int r;

        if (!entry && !(point->is_cgroup && by_link))
                return not_there(hook, chain, diag);
        if (point->is_cgroup && !by_link)
                return kern_fail(diag, -EOPNOTSUPP, KERN_ERROR_NOT_SUPPORTED,
                                 "%s was attached to the cgroup without a link, and the kernel "
                                 "lets none go beside such a program",
                                 hook->before[0] ? hook->before : hook->after);
        r = create_link(prog_fd, point, side | KERN_BPF_F_ID | (by_link ? KERN_BPF_F_LINK : 0),
                        neighbour->id, chain->revision);
        if (point->is_cgroup && (r == -ENOENT || r == -EINVAL))
                return not_there(hook, chain, diag);
        return r;
}

static int link_beside(int prog_fd, const KernPoint *point, const KernHook *hook, KernDiag *diag)
{
        KernNeighbour neighbour;

        if (kern_neighbour_parse(hook->before[0] ? hook->before : hook->after, &neighbour) < 0 ||
            neighbour.kind == KERN_NEIGHBOUR_LINK)
                return -EINVAL;
        for (int i = 0; i < ATTEMPTS; i++) {
                KernChain chain;
                int r;

                r = kern_chain_query(point, false, &chain);
                if (r < 0)
                        return r;
                if (chain.revision == 0)
                        return no_order(diag);
                r = try_beside(prog_fd, point, hook, &neighbour, &chain, diag);
                /* ESTALE: something came or went since; the neighbour itself may have. */
                if (r != -ESTALE)
                        return r;
        }
        return kern_fail(diag, -EBUSY, KERN_ERROR_HOOK_BUSY,
                         "The programs on the hook are changed by others all the time; try again");
}

int kern_order_link(int prog_fd, const KernPoint *point, const KernHook *hook, KernDiag *diag)
{
        KernChain chain;
        int r;

        if (hook->before[0] || hook->after[0])
                return link_beside(prog_fd, point, hook, diag);
        if (point->is_cgroup && (hook->given & BIT(PRIORITY))) {
                r = kern_chain_query(point, false, &chain);
                if (r < 0)
                        return r;
                if (chain.revision == 0)
                        return no_order(diag);
        }
        for (size_t i = 0; i < hook->followers.n; i++) {
                r = create_link(prog_fd, point, KERN_BPF_F_BEFORE | KERN_BPF_F_ID | KERN_BPF_F_LINK,
                                (uint32_t)hook->followers.list[i], 0);
                /* It isn't there any more: somebody detached it. */
                if (r != -ENOENT)
                        return r;
        }
        return create_link(prog_fd, point, 0, 0, 0);
}
