/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>

#include "kern-attach-internal.h"
#include "kern-compat.h"
#include "kern-features.h"
#include "kern-tc.h"

/* r0 = 0; exit */
static const struct bpf_insn nothing[] = {
        {.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0},
        {.code = BPF_JMP | BPF_EXIT},
};

#define CLOSE_LATER_MAX 8

typedef struct Probe {
        struct btf *vmlinux; /* or NULL */
        int close_later[CLOSE_LATER_MAX];
        size_t n_close_later;
        int (*found)(const KernFeature *feature, void *userdata);
        void *userdata;
        int r; /* what found() returned first, if not 0 */
} Probe;

static void report(Probe *probe, const char *prefix, const char *name, bool available)
{
        char full[64];
        KernFeature feature = {full, available};

        if (probe->r != 0)
                return;
        snprintf(full, sizeof(full), "%s%s", prefix, name);
        probe->r = probe->found(&feature, probe->userdata);
}

static int load_nothing(enum bpf_prog_type type, struct bpf_prog_load_opts *opts)
{
        return bpf_prog_load(type, NULL, "GPL", nothing, KERN_ELEMENTSOF(nothing), opts);
}

/*
 * What a program of a type with a BTF target is loaded for here: functions that every kernel with
 * the type has, and that nothing calls but the kernel's own tests, or a hook that is seldom asked.
 */
static int btf_target(const KernType *type, const struct btf *vmlinux)
{
        switch (type->attach_type) {
        case BPF_TRACE_RAW_TP:
                return btf__find_by_name_kind(vmlinux, "btf_trace_sched_process_exit",
                                              BTF_KIND_TYPEDEF);
        case BPF_LSM_MAC:
        case BPF_LSM_CGROUP:
                return btf__find_by_name_kind(vmlinux, "bpf_lsm_sb_pivotroot", BTF_KIND_FUNC);
        case BPF_MODIFY_RETURN:
                return btf__find_by_name_kind(vmlinux, "bpf_modify_return_test", BTF_KIND_FUNC);
        case BPF_TRACE_ITER:
                return btf__find_by_name_kind(vmlinux, "bpf_iter_task", BTF_KIND_FUNC);
        default:
                return btf__find_by_name_kind(vmlinux, "bpf_fentry_test1", BTF_KIND_FUNC);
        }
}

static int load_type(const KernType *type, const struct btf *vmlinux)
{
        LIBBPF_OPTS(bpf_prog_load_opts, opts);

        if (type->attach_type != 0)
                opts.expected_attach_type = (enum bpf_attach_type)type->attach_type;
        else if (type->hooks)
                opts.expected_attach_type = (enum bpf_attach_type)type->hooks[0].number;
        opts.prog_flags = type->prog_flags;
        /* for the first function of what every kernel with networking has */
        if (type->prog_type == BPF_PROG_TYPE_STRUCT_OPS) {
                int id = vmlinux ? btf__find_by_name_kind(vmlinux, "tcp_congestion_ops",
                                                          BTF_KIND_STRUCT)
                                 : -ENOENT;

                if (id < 0)
                        return id;
                opts.attach_btf_id = (uint32_t)id;
        }
        if (type->needs_btf) {
                int id = vmlinux ? btf_target(type, vmlinux) : -ENOENT;

                if (id < 0)
                        return id;
                opts.attach_btf_id = (uint32_t)id;
        }
        return load_nothing(type->prog_type, &opts);
}

static bool file_number(const char *path)
{
        uint64_t v;

        return kern_read_number(path, "", &v) >= 0;
}

/*
 * A link on the loopback interface would run for real packets; one on an interface that can't be is
 * refused for the interface where the kernel knows the kind of link, and for the kind where not.
 */
static bool knows_link(int prog_fd, int attach_type)
{
        KERN_AUTO_CLOSE int link =
                bpf_link_create(prog_fd, INT32_MAX, (enum bpf_attach_type)attach_type, NULL);

        return link >= 0 || errno == ENODEV;
}

/* Whether attaching works, where that can be told without a hook of somebody's choice; else -1. */
static int probe_attach(Probe *probe, const KernType *type, int prog_fd)
{
        int fd;

        if (strcmp(type->name, "netkit") == 0)
                return prog_fd >= 0 && knows_link(prog_fd, KERN_BPF_NETKIT_PRIMARY);

        if (type->attach_type == BPF_TRACE_KPROBE_MULTI)
                return prog_fd >= 0 && kern_probe_kprobe_multi(prog_fd) >= 0;
        if (type->attach_type == KERN_BPF_TRACE_UPROBE_MULTI)
                return prog_fd >= 0 && kern_probe_uprobe_multi(prog_fd) >= 0;
        if (type->prog_type == BPF_PROG_TYPE_KPROBE) {
                bool user = type->required & KERN_PARAM_BIT(KERN_PARAM_TARGET);

                /* A probe that was made would wait for a grace period when it goes. */
                return prog_fd >= 0 &&
                       file_number(user ? "/sys/bus/event_source/devices/uprobe/type"
                                        : "/sys/bus/event_source/devices/kprobe/type");
        }
        if (!type->needs_btf)
                return -1;
        if (prog_fd < 0 || (type->prog_type == BPF_PROG_TYPE_LSM && kern_lsm_active() == 0))
                return 0;
        /* A cgroup's needs one of somebody's, and beyond that what lsm needs; an iterator's nothing. */
        if (type->attach_type == BPF_LSM_CGROUP || type->attach_type == BPF_TRACE_ITER)
                return -1;
        fd = bpf_raw_tracepoint_open(NULL, prog_fd);
        if (fd < 0)
                return 0;
        if (probe->n_close_later < CLOSE_LATER_MAX)
                probe->close_later[probe->n_close_later++] = fd;
        else
                close(fd);
        return 1;
}

static void *close_all(void *fds)
{
        for (int *fd = fds; *fd >= 0; fd++)
                close(*fd);
        free(fds);
        return NULL;
}

/*
 * The kernel takes a program off a function only after a grace period of tasks, a tenth of a second
 * or more, and close() waits for it. Nobody needs to: a thread does. Where the process may have no
 * threads it waits after all.
 */
static void close_later(const Probe *probe)
{
        int *fds = calloc(CLOSE_LATER_MAX + 1, sizeof(*fds));
        pthread_t thread;

        if (!fds) {
                for (size_t i = 0; i < probe->n_close_later; i++)
                        close(probe->close_later[i]);
                return;
        }
        memcpy(fds, probe->close_later, probe->n_close_later * sizeof(*fds));
        fds[probe->n_close_later] = -1;
        if (probe->n_close_later == 0 || pthread_create(&thread, NULL, close_all, fds) != 0)
                close_all(fds);
        else
                pthread_detach(thread);
}

static void probe_types(Probe *probe)
{
        for (const KernType *t = kern_types; t->name; t++) {
                KERN_AUTO_CLOSE int fd = -1;
                int attach;

                /* Loads only beside another program, see probe_freplace() */
                if (t->prog_type == BPF_PROG_TYPE_EXT)
                        continue;
                fd = load_type(t, probe->vmlinux);
                attach = probe_attach(probe, t, fd);

                report(probe, "load.", t->name, fd >= 0);
                if (attach >= 0)
                        report(probe, "attach.", t->name, attach);
        }
}

/* BTF of "int probe(struct xdp_md *ctx)"; returns its id in @ret_func. */
static struct btf *make_btf(int *ret_func)
{
        KERN_AUTO_BTF struct btf *btf = btf__new_empty();
        struct btf *made;
        int number, context, pointer, prototype, func;

        if (!btf)
                return NULL;
        number = btf__add_int(btf, "int", 4, BTF_INT_SIGNED);
        context = btf__add_struct(btf, "xdp_md", 0);
        pointer = btf__add_ptr(btf, context);
        prototype = btf__add_func_proto(btf, number);
        if (number < 0 || context < 0 || pointer < 0 || prototype < 0 ||
            btf__add_func_param(btf, "ctx", pointer) < 0)
                return NULL;
        func = btf__add_func(btf, "probe", BTF_FUNC_GLOBAL, prototype);
        if (func < 0 || btf__load_into_kernel(btf) < 0)
                return NULL;
        *ret_func = func;
        made = btf;
        btf = NULL;
        return made;
}

/* Replaces a program of our own, that is nowhere attached, as libxdp's dispatcher has it done. */
static bool probe_freplace(bool *ret_loads)
{
        KERN_AUTO_BTF struct btf *btf = NULL;
        KERN_AUTO_CLOSE int target = -1, extension = -1, link = -1;
        int func;
        struct bpf_func_info info = {0};
        LIBBPF_OPTS(bpf_prog_load_opts, opts, .func_info = &info, .func_info_cnt = 1,
                    .func_info_rec_size = sizeof(info));
        LIBBPF_OPTS(bpf_link_create_opts, link_opts);

        *ret_loads = false;
        btf = make_btf(&func);
        if (!btf)
                return false;
        info.type_id = (uint32_t)func;
        opts.prog_btf_fd = (uint32_t)btf__fd(btf);
        target = load_nothing(BPF_PROG_TYPE_XDP, &opts);
        if (target < 0)
                return false;
        opts.attach_prog_fd = (uint32_t)target;
        opts.attach_btf_id = (uint32_t)func;
        extension = load_nothing(BPF_PROG_TYPE_EXT, &opts);
        *ret_loads = extension >= 0;
        if (extension < 0)
                return false;
        link_opts.target_btf_id = (uint32_t)func;
        link = bpf_link_create(extension, target, (enum bpf_attach_type)0, &link_opts);
        return link >= 0;
}

static bool probe_tcx_link(void)
{
        KERN_AUTO_CLOSE int prog = load_nothing(BPF_PROG_TYPE_SCHED_CLS, NULL);

        return prog >= 0 && knows_link(prog, KERN_BPF_TCX_INGRESS);
}

/* Whether usdt programs get one link rather than one for each place of a probe. */
static bool probe_uprobe_link(void)
{
        LIBBPF_OPTS(bpf_prog_load_opts, opts,
                    .expected_attach_type = (enum bpf_attach_type)KERN_BPF_TRACE_UPROBE_MULTI);
        KERN_AUTO_CLOSE int prog = load_nothing(BPF_PROG_TYPE_KPROBE, &opts);

        return prog >= 0 && kern_uprobe_multi_knows_processes(prog);
}

/* Likewise with a descriptor that is no perf event: EBADF comes after the kind of link is known. */
static bool probe_perf_link(void)
{
        KERN_AUTO_CLOSE int prog = load_nothing(BPF_PROG_TYPE_TRACEPOINT, NULL);
        KERN_AUTO_CLOSE int link = -1;

        if (prog < 0)
                return false;
        link = bpf_link_create(prog, -1, BPF_PERF_EVENT, NULL);
        return link >= 0 || errno == EBADF;
}

static bool probe_map(enum bpf_map_type type, uint32_t key, uint32_t value, uint32_t entries)
{
        KERN_AUTO_CLOSE int fd = bpf_map_create(type, NULL, key, value, entries, NULL);

        return fd >= 0;
}

int kern_features_probe(int (*found)(const KernFeature *feature, void *userdata), void *userdata)
{
        KERN_AUTO_CAPTURE KernCapture capture;
        KERN_AUTO_BTF struct btf *vmlinux = NULL;
        Probe probe = {.found = found, .userdata = userdata};
        uint32_t page = (uint32_t)sysconf(_SC_PAGESIZE);
        bool loads, attaches;

        kern_capture_begin(&capture);
        vmlinux = btf__parse_raw("/sys/kernel/btf/vmlinux");
        probe.vmlinux = vmlinux;

        probe_types(&probe);
        report(&probe, "", "btf", vmlinux != NULL);
        attaches = probe_freplace(&loads);
        report(&probe, "load.", "freplace", loads);
        report(&probe, "attach.", "freplace", attaches);
        report(&probe, "", "freplace", attaches);
        report(&probe, "", "tc_dispatcher", kern_tc_can_dispatch());
        report(&probe, "link.", "tcx", probe_tcx_link());
        report(&probe, "link.", "perf_event", probe_perf_link());
        report(&probe, "link.", "uprobe_multi", probe_uprobe_link());
        report(&probe, "map.", "ringbuf", probe_map(BPF_MAP_TYPE_RINGBUF, 0, 0, page));
        report(&probe, "", "lsm", kern_lsm_active() > 0);
        report(&probe, "", "tracefs",
               access("/sys/kernel/tracing/events", F_OK) == 0 ||
                       access("/sys/kernel/debug/tracing/events", F_OK) == 0);
        close_later(&probe);
        return probe.r;
}
