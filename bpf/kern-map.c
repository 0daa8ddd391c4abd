/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <stdint.h>
#include <string.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "kern-compat.h"
#include "kern-info.h"

bool kern_map_is_per_cpu(enum bpf_map_type type)
{
        return type == BPF_MAP_TYPE_PERCPU_HASH || type == BPF_MAP_TYPE_PERCPU_ARRAY ||
               type == BPF_MAP_TYPE_LRU_PERCPU_HASH || type == BPF_MAP_TYPE_PERCPU_CGROUP_STORAGE;
}

bool kern_map_has_elements(enum bpf_map_type type)
{
        switch ((int)type) {
        case BPF_MAP_TYPE_UNSPEC:
        case BPF_MAP_TYPE_RINGBUF:
        case BPF_MAP_TYPE_USER_RINGBUF:
        case BPF_MAP_TYPE_BLOOM_FILTER: /* push and peek only, and no peek without a value */
        case BPF_MAP_TYPE_STRUCT_OPS:
        case KERN_BPF_MAP_TYPE_ARENA: /* memory, not elements */
                return false;
        default:
                return true;
        }
}

bool kern_map_takes_plain_values(enum bpf_map_type type)
{
        switch (type) {
        case BPF_MAP_TYPE_HASH:
        case BPF_MAP_TYPE_ARRAY:
        case BPF_MAP_TYPE_PERCPU_HASH:
        case BPF_MAP_TYPE_PERCPU_ARRAY:
        case BPF_MAP_TYPE_LRU_HASH:
        case BPF_MAP_TYPE_LRU_PERCPU_HASH:
        case BPF_MAP_TYPE_LPM_TRIE:
        case BPF_MAP_TYPE_CGROUP_STORAGE:
        case BPF_MAP_TYPE_PERCPU_CGROUP_STORAGE:
        case BPF_MAP_TYPE_QUEUE:
        case BPF_MAP_TYPE_STACK:
        case BPF_MAP_TYPE_DEVMAP:
        case BPF_MAP_TYPE_DEVMAP_HASH:
                return true;
        default:
                return false;
        }
}

bool kern_map_takes_plain_keys(enum bpf_map_type type)
{
        switch (type) {
        /* The values of these are descriptors going in and ids coming out. */
        case BPF_MAP_TYPE_PROG_ARRAY:
        case BPF_MAP_TYPE_PERF_EVENT_ARRAY:
        case BPF_MAP_TYPE_CGROUP_ARRAY:
        case BPF_MAP_TYPE_ARRAY_OF_MAPS:
        case BPF_MAP_TYPE_HASH_OF_MAPS:
        case BPF_MAP_TYPE_CPUMAP:
        case BPF_MAP_TYPE_XSKMAP:
        case BPF_MAP_TYPE_SOCKMAP:
        case BPF_MAP_TYPE_SOCKHASH:
        case BPF_MAP_TYPE_REUSEPORT_SOCKARRAY:
        case BPF_MAP_TYPE_STACK_TRACE:
                return true;
        default:
                return kern_map_takes_plain_values(type);
        }
}

bool kern_map_value_is_plain(enum bpf_map_type type, const void *value, size_t size)
{
        struct bpf_devmap_val entry;

        if ((type != BPF_MAP_TYPE_DEVMAP && type != BPF_MAP_TYPE_DEVMAP_HASH) ||
            size != sizeof(entry))
                return true;
        memcpy(&entry, value, sizeof(entry));
        return entry.bpf_prog.fd <= 0;
}

int kern_map_value_size(const KernMapInfo *info, size_t *ret)
{
        size_t size = info->value_size;

        /* Maps of maps, and of programs, take a descriptor and give an id: 4 bytes, as value_size. */
        if (kern_map_is_per_cpu(info->map_type)) {
                int cpus = libbpf_num_possible_cpus();

                if (cpus < 0)
                        return cpus;
                size = ((size + 7) & ~(size_t)7) * (size_t)cpus;
        }
        *ret = size;
        return 0;
}

int kern_map_lookup(int fd, const void *key, void *ret_value)
{
        return bpf_map_lookup_elem(fd, key, ret_value) < 0 ? -errno : 0;
}

int kern_map_update(int fd, const void *key, const void *value, uint64_t flags)
{
        return bpf_map_update_elem(fd, key, value, flags) < 0 ? -errno : 0;
}

int kern_map_delete(int fd, const void *key)
{
        return bpf_map_delete_elem(fd, key) < 0 ? -errno : 0;
}

int kern_map_next_key(int fd, const void *key, void *ret_key)
{
        return bpf_map_get_next_key(fd, key, ret_key) < 0 ? -errno : 0;
}

int kern_test_run(int prog_fd, KernTestRun *run)
{
        /* The kernel refuses a pointer to nothing, which is what an empty array off the bus is; and
         * for some types it refuses to be told how often, even if that is once. */
        LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = run->data_in_size > 0 ? run->data_in : NULL,
                    .data_size_in = (uint32_t)run->data_in_size, .data_out = run->data_out,
                    .data_size_out = run->data_out ? (uint32_t)run->data_out_size : 0,
                    .ctx_in = run->ctx_in_size > 0 ? run->ctx_in : NULL,
                    .ctx_size_in = (uint32_t)run->ctx_in_size, .ctx_out = run->ctx_out,
                    .ctx_size_out = run->ctx_out ? (uint32_t)run->ctx_out_size : 0,
                    .repeat = run->repeat > 1 ? (int)run->repeat : 0);
        KernProgramInfo info;
        int r;

        /* A syscall program's context is written back where it was read from. */
        if (run->ctx_out && run->ctx_in_size > 0 && run->ctx_out_size >= run->ctx_in_size &&
            kern_program_info(prog_fd, &info) >= 0 && info.prog_type == BPF_PROG_TYPE_SYSCALL) {
                memcpy(run->ctx_out, run->ctx_in, run->ctx_in_size);
                opts.ctx_in = run->ctx_out;
                opts.ctx_out = NULL;
                opts.ctx_size_out = 0;
        }
        if (run->data_in_size > UINT32_MAX || run->data_out_size > UINT32_MAX ||
            run->ctx_in_size > UINT32_MAX || run->ctx_out_size > UINT32_MAX ||
            run->repeat > INT32_MAX)
                return -EINVAL;

        r = bpf_prog_test_run_opts(prog_fd, &opts) < 0 ? -errno : 0;
        /* -ENOSPC: the program ran, the packet is larger than the room, and its size is known. */
        if (r < 0 && r != -ENOSPC)
                return r;
        run->data_out_size = opts.data_size_out;
        run->ctx_out_size = opts.ctx_out ? opts.ctx_size_out : run->ctx_in_size;
        run->retval = opts.retval;
        run->duration_ns = opts.duration;
        return r;
}
