/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <bpf/bpf.h>

#include "kern-compat.h"
#include "kern-info.h"
#include "kern-util.h"

static int64_t clock_usec(clockid_t id)
{
        struct timespec ts;

        clock_gettime(id, &ts);
        return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

/*
 * The kernel dates a program by CLOCK_BOOTTIME. The difference is taken once: otherwise a program's
 * load time would wander by some microseconds from one look at it to the next.
 */
static int64_t boottime_offset_usec(void)
{
        static int64_t offset;
        int64_t have = __atomic_load_n(&offset, __ATOMIC_RELAXED);

        if (have == 0) {
                have = clock_usec(CLOCK_REALTIME) - clock_usec(CLOCK_BOOTTIME);
                __atomic_store_n(&offset, have, __ATOMIC_RELAXED);
        }
        return have;
}

/* The name that kernel/bpf/syscall.c gives the file, here without "anon_inode:". */
static bool has_name(int fd, const char *name)
{
        char path[32], link[64];
        ssize_t n;

        snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
        n = readlink(path, link, sizeof(link) - 1);
        if (n < 0)
                return false;
        link[n] = '\0';
        return strncmp(link, "anon_inode:", strlen("anon_inode:")) == 0 &&
               strcmp(link + strlen("anon_inode:"), name) == 0;
}

bool kern_is_program(int fd)
{
        return has_name(fd, "bpf-prog");
}

bool kern_is_map(int fd)
{
        return has_name(fd, "bpf-map");
}

bool kern_is_link(int fd)
{
        return has_name(fd, "bpf_link") || has_name(fd, "bpf-link");
}

int kern_program_info(int fd, KernProgramInfo *ret)
{
        KernProgramInfo p = {0};
        struct bpf_prog_info info = {
                .map_ids = kern_pointer(p.map_ids),
                .nr_map_ids = KERN_MAPS_MAX,
        };
        uint32_t len = sizeof(info);

        if (bpf_prog_get_info_by_fd(fd, &info, &len) < 0)
                return -errno;

        p.id = info.id;
        p.prog_type = info.type;
        memcpy(p.name, info.name, sizeof(p.name));
        p.name[sizeof(p.name) - 1] = '\0';
        for (size_t i = 0; i < BPF_TAG_SIZE; i++)
                snprintf(p.tag + 2 * i, 3, "%02x", info.tag[i]);
        p.gpl_compatible = info.gpl_compatible;
        p.load_time_usec = (uint64_t)((int64_t)(info.load_time / 1000) + boottime_offset_usec());
        p.created_by_uid = info.created_by_uid;
        p.bytes_xlated = info.xlated_prog_len;
        p.bytes_jited = info.jited_prog_len;
        p.verified_insns = info.verified_insns;
        p.btf_id = info.btf_id;
        p.attach_btf_id = info.attach_btf_id;
        p.attach_btf_obj_id = info.attach_btf_obj_id;
        p.ifindex = info.ifindex;
        p.run_time_ns = info.run_time_ns;
        p.run_count = info.run_cnt;
        p.recursion_misses = info.recursion_misses;
        /* The kernel says how many there are, and filled in no more than there was room for. */
        p.n_map_ids = info.nr_map_ids < KERN_MAPS_MAX ? info.nr_map_ids : KERN_MAPS_MAX;

        *ret = p;
        return 0;
}

int kern_map_info(int fd, KernMapInfo *ret)
{
        struct bpf_map_info info = {0};
        uint32_t len = sizeof(info);

        if (bpf_map_get_info_by_fd(fd, &info, &len) < 0)
                return -errno;

        *ret = (KernMapInfo){
                .id = info.id,
                .map_type = info.type,
                .key_size = info.key_size,
                .value_size = info.value_size,
                .max_entries = info.max_entries,
                .flags = info.map_flags,
                .btf_id = info.btf_id,
                .btf_key_type_id = info.btf_key_type_id,
                .btf_value_type_id = info.btf_value_type_id,
                .ifindex = info.ifindex,
        };
        memcpy(ret->name, info.name, sizeof(ret->name));
        ret->name[sizeof(ret->name) - 1] = '\0';
        return 0;
}

int kern_link_info(int fd, KernLinkInfo *ret)
{
        struct bpf_link_info info = {0};
        uint32_t len = sizeof(info);
        KernLinkInfo l;

        if (bpf_link_get_info_by_fd(fd, &info, &len) < 0)
                return -errno;

        l = (KernLinkInfo){
                .id = info.id,
                .prog_id = info.prog_id,
                .link_type = info.type,
        };
        /* Older headers have no info.tcx and info.netkit: two numbers as info.netns has them. */
        switch ((int)info.type) {
        case BPF_LINK_TYPE_XDP:
                l.ifindex = info.xdp.ifindex;
                break;
        case KERN_BPF_LINK_TYPE_TCX:
        case KERN_BPF_LINK_TYPE_NETKIT:
                l.ifindex = info.netns.netns_ino;
                l.attach_type = info.netns.attach_type;
                break;
        case BPF_LINK_TYPE_CGROUP:
                l.cgroup_id = info.cgroup.cgroup_id;
                l.attach_type = info.cgroup.attach_type;
                break;
        case BPF_LINK_TYPE_NETNS:
                l.netns_inode = info.netns.netns_ino;
                l.attach_type = info.netns.attach_type;
                break;
        case KERN_BPF_LINK_TYPE_NETFILTER:
                /* Likewise three numbers as info.tracing has them. */
                l.family = info.tracing.attach_type;
                l.hook = info.tracing.target_obj_id;
                l.hook_priority = (int32_t)info.tracing.target_btf_id;
                break;
        case BPF_LINK_TYPE_STRUCT_OPS:
                /* It is where others have the interface; Debian 12's headers don't tell. */
                l.map_id = info.xdp.ifindex;
                break;
        default:
                break;
        }
        *ret = l;
        return 0;
}

bool kern_is_sockmap(int fd)
{
        KernMapInfo info;

        return kern_map_info(fd, &info) >= 0 &&
               (info.map_type == BPF_MAP_TYPE_SOCKMAP || info.map_type == BPF_MAP_TYPE_SOCKHASH);
}

bool kern_link_is_alive(const KernLinkInfo *info)
{
        switch ((int)info->link_type) {
        case BPF_LINK_TYPE_XDP:
        case KERN_BPF_LINK_TYPE_TCX:
        case KERN_BPF_LINK_TYPE_NETKIT:
                return info->ifindex != 0;
        case BPF_LINK_TYPE_CGROUP:
                return info->cgroup_id != 0;
        case BPF_LINK_TYPE_NETNS:
                return info->netns_inode != 0;
        default:
                return true;
        }
}

/* The number behind "KEY:" in the descriptor's fdinfo. */
static int fdinfo_number(int fd, const char *key, uint64_t *ret)
{
        char path[64], line[256];
        KERN_AUTO_FCLOSE FILE *f = NULL;
        size_t n = strlen(key);

        snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
        f = fopen(path, "re");
        if (!f)
                return -errno;
        while (fgets(line, sizeof(line), f)) {
                char *end;
                uint64_t v;

                if (strncmp(line, key, n) != 0 || line[n] != ':')
                        continue;
                v = strtoull(line + n + 1, &end, 10);
                if (end == line + n + 1)
                        return -EINVAL;
                *ret = v;
                return 0;
        }
        return -ENODATA;
}

int kern_memlock(int fd, uint64_t *ret)
{
        return fdinfo_number(fd, "memlock", ret);
}

int kern_map_frozen(int fd, bool *ret)
{
        uint64_t v;
        int r = fdinfo_number(fd, "frozen", &v);

        if (r < 0)
                return r;
        *ret = v != 0;
        return 0;
}

int kern_program_open_id(uint32_t id)
{
        int fd = bpf_prog_get_fd_by_id(id);

        return fd < 0 ? -errno : fd;
}

int kern_btf_open_id(uint32_t id)
{
        int fd = bpf_btf_get_fd_by_id(id);

        return fd < 0 ? -errno : fd;
}

int kern_map_open_id(uint32_t id)
{
        return kern_map_open_id_access(id, KERN_ACCESS_READ_WRITE);
}

int kern_link_open_id(uint32_t id)
{
        int fd = bpf_link_get_fd_by_id(id);

        return fd < 0 ? -errno : fd;
}

int kern_map_open_id_access(uint32_t id, KernAccess access)
{
        LIBBPF_OPTS(bpf_get_fd_by_id_opts, opts,
                    .open_flags = access == KERN_ACCESS_READ    ? BPF_F_RDONLY
                                  : access == KERN_ACCESS_WRITE ? BPF_F_WRONLY
                                                                : 0);
        int fd = bpf_map_get_fd_by_id_opts(id, &opts);

        return fd < 0 ? -errno : fd;
}

int kern_program_next_id(uint32_t id, uint32_t *ret)
{
        uint32_t next;

        if (bpf_prog_get_next_id(id, &next) < 0)
                return -errno;
        *ret = next;
        return 0;
}

int kern_map_next_id(uint32_t id, uint32_t *ret)
{
        uint32_t next;

        if (bpf_map_get_next_id(id, &next) < 0)
                return -errno;
        *ret = next;
        return 0;
}

int kern_link_next_id(uint32_t id, uint32_t *ret)
{
        uint32_t next;

        if (bpf_link_get_next_id(id, &next) < 0)
                return -errno;
        *ret = next;
        return 0;
}

int kern_pin(int fd, const char *path)
{
        return bpf_obj_pin(fd, path) < 0 ? -errno : 0;
}

int kern_open_pin(const char *path)
{
        int fd = bpf_obj_get(path);

        return fd < 0 ? -errno : fd;
}
