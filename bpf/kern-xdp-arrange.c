/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <linux/if_link.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <xdp/libxdp.h>
#include <xdp/prog_dispatcher.h>

#include "kern-compat.h"
#include "kern-info.h"
#include "kern-libbpf.h"
#include "kern-util.h"
#include "kern-xdp-arrange.h"
#include "kern-xdp-internal.h"

#define DISPATCHER "xdp_dispatcher"

static void read_member(struct xdp_program *p, KernXdpMember *ret)
{
        memset(ret, 0, sizeof(*ret));
        ret->id = xdp_program__id(p);
        ret->priority = xdp_program__run_prio(p);
        ret->frags = xdp_program__xdp_frags_support(p);
        for (unsigned a = XDP_ABORTED; a <= XDP_REDIRECT; a++)
                if (xdp_program__chain_call_enabled(p, (enum xdp_action)a))
                        ret->proceed_on |= 1U << a;
        snprintf(ret->name, sizeof(ret->name), "%s", xdp_program__name(p));
}

static int read_members(const struct xdp_multiprog *mp, KernXdpMembers *ret)
{
        struct xdp_program *p = NULL;

        memset(ret, 0, sizeof(*ret));
        if (!mp)
                return 0;
        if (xdp_multiprog__is_legacy(mp))
                return -EBUSY;
        ret->dispatcher = xdp_program__id(xdp_multiprog__main_prog(mp));
        ret->mode = xdp_multiprog__attach_mode(mp) == XDP_MODE_SKB ? KERN_XDP_MODE_SKB
                                                                   : KERN_XDP_MODE_NATIVE;
        while ((p = xdp_multiprog__next_prog(p, mp)) && ret->n < KERN_XDP_MEMBERS_MAX)
                read_member(p, &ret->list[ret->n++]);
        return 0;
}

static KernXdpMember *find_member(KernXdpMembers *members, uint32_t id)
{
        for (size_t i = 0; i < members->n; i++)
                if (members->list[i].id == id)
                        return &members->list[i];
        return NULL;
}

/* As libxdp has it, whoever makes the next dispatcher. */
static int compare_members(const void *a, const void *b)
{
        const KernXdpMember *x = a, *y = b;

        if (x->priority != y->priority)
                return x->priority < y->priority ? -1 : 1;
        return strcmp(x->name, y->name);
}

void kern_xdp_rank(KernXdpMembers *members, KernNumbers fellows)
{
        const KernXdpMember *last = NULL;

        for (size_t i = 0; i < fellows.n; i++) {
                KernXdpMember *m = find_member(members, (uint32_t)fellows.list[i]);

                if (!m)
                        continue;
                m->priority = (uint32_t)(fellows.list[i] >> 32);
                if (last && compare_members(last, m) >= 0) {
                        m->priority = last->priority;
                        if (strcmp(last->name, m->name) >= 0 && m->priority < UINT32_MAX)
                                m->priority++;
                }
                last = m;
        }
        qsort(members->list, members->n, sizeof(members->list[0]), compare_members);
}

/* A dispatcher that isn't on an interface yet, with its members. */
typedef struct Dispatcher {
        struct xdp_program *program;
        int fd; /* the program's */
        uint32_t id;
        size_t n;
        int members[KERN_XDP_MEMBERS_MAX], links[KERN_XDP_MEMBERS_MAX];
} Dispatcher;

static void dispatcher_done(Dispatcher *d)
{
        for (size_t i = 0; i < d->n; i++) {
                kern_closep(&d->members[i]);
                kern_closep(&d->links[i]);
        }
        xdp_program__close(d->program);
}

static int load_dispatcher(const KernXdpMembers *members, Dispatcher *d)
{
        struct xdp_dispatcher_config config = {
                .magic = XDP_DISPATCHER_MAGIC,
                .dispatcher_version = XDP_DISPATCHER_VERSION,
                .num_progs_enabled = (uint8_t)members->n,
                .is_xdp_frags = 1,
        };
        struct xdp_program_opts opts;
        struct bpf_object *object;
        struct bpf_program *p;
        KernProgramInfo info;
        struct bpf_map *map;
        int r;

        for (size_t i = 0; i < members->n; i++) {
                const KernXdpMember *m = &members->list[i];

                config.chain_call_actions[i] = m->proceed_on | 1U << XDP_DISPATCHER_RETVAL;
                config.run_prios[i] = m->priority;
                config.program_flags[i] = m->frags ? BPF_F_XDP_HAS_FRAGS : 0;
                config.is_xdp_frags &= m->frags;
        }
        memset(&opts, 0, sizeof(opts));
        opts.sz = sizeof(opts);
        opts.find_filename = "xdp-dispatcher.o";
        opts.prog_name = DISPATCHER;
        d->program = xdp_program__create(&opts);
        r = (int)libxdp_get_error(d->program);
        if (r < 0) {
                d->program = NULL;
                return r;
        }
        object = xdp_program__bpf_obj(d->program);
        map = bpf_object__next_map(object, NULL);
        if (!map || bpf_map__value_size(map) != sizeof(config))
                return -EOPNOTSUPP;
        r = bpf_map__set_initial_value(map, &config, sizeof(config));
        if (r < 0)
                return r;
        bpf_object__for_each_program(p, object)
                bpf_program__set_autoload(p, strcmp(bpf_program__name(p), DISPATCHER) == 0);
        p = bpf_object__find_program_by_name(object, DISPATCHER);
        if (!p)
                return -EOPNOTSUPP;
        if (config.is_xdp_frags)
                bpf_program__set_flags(p, bpf_program__flags(p) | BPF_F_XDP_HAS_FRAGS);
        r = bpf_object__load(object);
        if (r < 0)
                return r;
        d->fd = bpf_program__fd(p);
        r = kern_program_info(d->fd, &info);
        d->id = info.id;
        return r;
}

/* Each goes in place of a function of the dispatcher, or of all of it where there is but one. */
static int link_members(Dispatcher *d, size_t n)
{
        KERN_AUTO_BTF struct btf *btf = NULL;
        KernProgramInfo info;
        int r;

        r = kern_program_info(d->fd, &info);
        if (r < 0)
                return r;
        btf = btf__load_from_kernel_by_id(info.btf_id);
        if (!btf)
                return -errno;
        for (size_t i = 0; i < n; i++) {
                LIBBPF_OPTS(bpf_link_create_opts, opts);
                char function[32];
                int id;

                snprintf(function, sizeof(function), "prog%zu", i);
                id = btf__find_by_name_kind(btf, n == 1 ? DISPATCHER : function, BTF_KIND_FUNC);
                if (id < 0)
                        return id;
                opts.target_btf_id = (uint32_t)id;
                d->links[i] = bpf_link_create(d->members[i], d->fd, (enum bpf_attach_type)0, &opts);
                if (d->links[i] < 0)
                        return -errno;
        }
        return 0;
}

static void directory_of(uint32_t ifindex, uint32_t dispatcher, char ret[static 64])
{
        snprintf(ret, 64, KERN_XDP_DIR "/dispatch-%u-%u", ifindex, dispatcher);
}

static void unpin(uint32_t ifindex, uint32_t dispatcher)
{
        char directory[64], path[96];

        directory_of(ifindex, dispatcher, directory);
        for (unsigned i = 0; i < KERN_XDP_MEMBERS_MAX; i++) {
                snprintf(path, sizeof(path), "%s/prog%u-link", directory, i);
                (void)unlink(path);
                snprintf(path, sizeof(path), "%s/prog%u-prog", directory, i);
                (void)unlink(path);
        }
        (void)rmdir(directory);
}

static int pin(uint32_t ifindex, const Dispatcher *d)
{
        char directory[64], path[96];
        int r = 0;

        directory_of(ifindex, d->id, directory);
        if (mkdir(directory, 0700) < 0 && errno != EEXIST)
                return -errno;
        for (size_t i = 0; r >= 0 && i < d->n; i++) {
                snprintf(path, sizeof(path), "%s/prog%zu-link", directory, i);
                r = kern_pin(d->links[i], path);
                if (r < 0)
                        break;
                snprintf(path, sizeof(path), "%s/prog%zu-prog", directory, i);
                r = kern_pin(d->members[i], path);
        }
        if (r < 0)
                unpin(ifindex, d->id);
        return r;
}

/* The new one in place of the old one, if it is that one still. Pins are there before, and go after. */
static int swap(uint32_t ifindex, const KernXdpMembers *members, int old_fd, const Dispatcher *d)
{
        LIBBPF_OPTS(bpf_xdp_attach_opts, opts, .old_prog_fd = old_fd);
        KERN_AUTO_CLOSE int lock = kern_xdp_lock();
        const uint32_t mode =
                members->mode == KERN_XDP_MODE_SKB ? XDP_FLAGS_SKB_MODE : XDP_FLAGS_DRV_MODE;
        int r;

        if (lock < 0)
                return lock;
        r = pin(ifindex, d);
        if (r < 0)
                return r;
        r = bpf_xdp_attach((int)ifindex, d->fd, mode | XDP_FLAGS_REPLACE, &opts);
        unpin(ifindex, r < 0 ? d->id : members->dispatcher);
        return r;
}

static int take_members(const struct xdp_multiprog *mp, const KernXdpMembers *members,
                        const KernXdpChange *change, Dispatcher *d)
{
        for (d->n = 0; d->n < members->n; d->n++)
                d->members[d->n] = d->links[d->n] = -1;
        for (size_t i = 0; i < members->n; i++) {
                struct xdp_program *p = NULL;
                int fd = -1;

                if (members->list[i].id == change->extension && change->replacement_fd >= 0)
                        fd = change->replacement_fd;
                while (fd < 0 && (p = xdp_multiprog__next_prog(p, mp)))
                        if (xdp_program__id(p) == members->list[i].id)
                                fd = xdp_program__fd(p);
                d->members[i] = fcntl(fd, F_DUPFD_CLOEXEC, 3);
                if (d->members[i] < 0)
                        return -errno;
        }
        return 0;
}

static int make(uint32_t ifindex, const struct xdp_multiprog *mp, const KernXdpMembers *members,
                const KernXdpChange *change)
{
        __attribute__((cleanup(dispatcher_done))) Dispatcher d = {.fd = -1};
        const int old_fd = xdp_program__fd(xdp_multiprog__main_prog(mp));
        struct xdp_dispatcher_config config;
        int r;

        r = kern_xdp_config(old_fd, &config);
        if (r >= 0)
                r = take_members(mp, members, change, &d);
        if (r >= 0)
                r = load_dispatcher(members, &d);
        if (r >= 0)
                r = link_members(&d, members->n);
        return r < 0 ? r : swap(ifindex, members, old_fd, &d);
}

static bool is_same(const KernXdpMembers *a, const KernXdpMembers *b)
{
        for (size_t i = 0; i < a->n; i++)
                if (a->list[i].id != b->list[i].id || a->list[i].priority != b->list[i].priority ||
                    a->list[i].proceed_on != b->list[i].proceed_on)
                        return false;
        return true;
}

/* Where libxdp will look for it. */
static int take_name(const KernXdpChange *change, KernXdpMember *m)
{
        struct xdp_program *p = xdp_program__from_fd(change->replacement_fd);
        int r = (int)libxdp_get_error(p);

        if (r < 0)
                return r;
        snprintf(m->name, sizeof(m->name), "%s", xdp_program__name(p));
        m->frags = change->frags;
        xdp_program__close(p);
        return 0;
}

/* 1: done, 0: try again, or a negative errno. */
static int try_arrange(uint32_t ifindex, KernNumbers fellows, const KernXdpChange *change)
{
        KERN_AUTO_MULTIPROG struct xdp_multiprog *mp = NULL;
        KernXdpMembers now, wanted;
        KernXdpMember *m;
        int r;

        r = kern_xdp_look(ifindex, &mp);
        if (r < 0)
                return r;
        r = read_members(mp, &now);
        if (r < 0)
                return r;
        wanted = now;
        m = change->extension != 0 ? find_member(&wanted, change->extension) : NULL;
        if (change->extension != 0 && !m)
                return -ENOENT;
        if (m) {
                m->proceed_on = change->proceed_on;
                r = change->replacement_fd >= 0 ? take_name(change, m) : 0;
                if (r < 0)
                        return r;
        }
        kern_xdp_rank(&wanted, fellows);
        if (change->replacement_fd < 0 && is_same(&now, &wanted))
                return 1;
        r = make(ifindex, mp, &wanted, change);
        /* Another dispatcher is there by now. */
        if (r == -EEXIST || r == -EBUSY || r == -EAGAIN)
                return 0;
        return r < 0 ? r : 1;
}

int kern_xdp_arrange(uint32_t ifindex, KernNumbers fellows, const KernXdpChange *change,
                     KernDiag *diag)
{
        KERN_AUTO_CAPTURE KernCapture capture;
        int r = 0;

        kern_xdp_be_quiet();
        kern_capture_begin(&capture);
        for (int i = 0; i < KERN_XDP_ATTEMPTS && r == 0; i++) {
                if (i > 0)
                        kern_xdp_pause();
                r = try_arrange(ifindex, fellows, change);
        }
        if (r > 0)
                return 0;
        if (r == -EOPNOTSUPP)
                return kern_fail(diag, r, KERN_ERROR_NOT_SUPPORTED,
                                 "The dispatcher on interface %u is of another version of libxdp "
                                 "than ours",
                                 ifindex);
        if (r == -ENOENT || r == -ENODEV)
                return kern_fail(diag, r, KERN_ERROR_FAILED,
                                 "The program isn't on interface %u any more", ifindex);
        return kern_fail(diag, r < 0 ? r : -EBUSY, KERN_ERROR_FAILED,
                         "The XDP programs on interface %u can't be arranged anew: %s", ifindex,
                         r < 0 ? strerror(-r) : "others change them all the time");
}
