/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "kern-tc.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "kern-attach-internal.h"
#include "kern-embed.h"
#include "kern-info.h"

KERN_EMBED(kern_tc_dispatcher, KERN_TC_DISPATCHER_OBJECT);

#define DISPATCHER_NAME "bpfkeeper_tc"

void kern_tc_chain_done(KernTcChain *chain)
{
        kern_closep(&chain->programs_fd);
        kern_closep(&chain->order_fd);
        *chain = KERN_TC_CHAIN_INIT;
}

static void close_object(struct bpf_object **object)
{
        bpf_object__close(*object);
}

static int take_map(struct bpf_object *object, const char *name, int *ret)
{
        int fd = fcntl(bpf_object__find_map_fd_by_name(object, name), F_DUPFD_CLOEXEC, 3);

        if (fd < 0)
                return -errno;
        *ret = fd;
        return 0;
}

/* @ret_fd is the program's, of the caller. */
static int load_dispatcher(KernTcChain *chain, int *ret_fd)
{
        KERN_CLEANUP(close_object) struct bpf_object *object = NULL;
        const struct bpf_program *program;
        KERN_AUTO_CLOSE int fd = -1;
        KernProgramInfo info;
        int r;

        object = bpf_object__open_mem(kern_tc_dispatcher_object, kern_tc_dispatcher_size, NULL);
        if (!object)
                return -errno;
        r = bpf_object__load(object);
        if (r < 0)
                return r;
        program = bpf_object__find_program_by_name(object, DISPATCHER_NAME);
        fd = fcntl(bpf_program__fd(program), F_DUPFD_CLOEXEC, 3);
        if (fd < 0)
                return -errno;
        r = kern_program_info(fd, &info);
        if (r < 0)
                return r;
        chain->program_id = info.id;
        r = take_map(object, "programs", &chain->programs_fd);
        if (r >= 0)
                r = take_map(object, "order", &chain->order_fd);
        if (r >= 0)
                *ret_fd = kern_take_fd(&fd);
        return r;
}

bool kern_tc_can_dispatch(void)
{
        KERN_CLEANUP(kern_tc_chain_done) KernTcChain chain = KERN_TC_CHAIN_INIT;
        KERN_AUTO_CAPTURE KernCapture capture;
        KERN_AUTO_CLOSE int fd = -1;

        kern_capture_begin(&capture);
        return load_dispatcher(&chain, &fd) >= 0;
}

/* The hook as that of the dispatcher's filter. */
static KernHook filter_of(const KernHook *hook, uint32_t handle)
{
        KernHook filter = *hook;

        filter.priority = KERN_TC_PRIORITY;
        filter.tc_handle = handle;
        return filter;
}

int kern_tc_chain_begin(const KernHook *hook, uint32_t handle, KernTcChain *ret,
                        KernDiag *reterr_diag)
{
        KERN_CLEANUP(kern_tc_chain_done) KernTcChain chain = KERN_TC_CHAIN_INIT;
        KERN_CLEANUP(kern_attachment_done) KernAttachment attachment = KERN_ATTACHMENT_INIT;
        const KernHook filter = filter_of(hook, handle);
        KERN_AUTO_CAPTURE KernCapture capture;
        KERN_AUTO_CLOSE int fd = -1;
        int r;

        kern_capture_begin(&capture);
        r = load_dispatcher(&chain, &fd);
        kern_capture_end(&capture);
        if (r < 0)
                return kern_fail(reterr_diag, r, KERN_ERROR_FAILED,
                                 "Can't load the dispatcher for tc programs: %s", strerror(-r));
        r = kern_attach_tc(fd, &filter, &attachment, reterr_diag);
        if (r < 0)
                return r;
        *ret = chain;
        chain = KERN_TC_CHAIN_INIT;
        return 0;
}

int kern_tc_chain_is_there(const KernHook *hook, uint32_t handle, uint32_t program_id)
{
        uint32_t id = 0;
        int r = kern_tc_filter(hook, handle, KERN_TC_PRIORITY, &id);

        return r > 0 ? program_id == 0 || id == program_id : r;
}

int kern_tc_chain_end(const KernHook *hook, uint32_t handle, KernDiag *reterr_diag)
{
        const KernAttachment attachment = {.tc_handle = handle, .tc_priority = KERN_TC_PRIORITY};
        KERN_AUTO_CLOSE int fd = -1;
        KernProgramInfo info;
        uint32_t id = 0;
        int r;

        r = kern_tc_filter(hook, handle, KERN_TC_PRIORITY, &id);
        if (r <= 0)
                return r < 0 ? kern_fail(reterr_diag, r, KERN_ERROR_FAILED,
                                         "Can't look for filter %#x on %s of interface %u: %s",
                                         handle, kern_direction_to_string(hook->direction),
                                         hook->ifindex, strerror(-r))
                             : 0;
        /* Handles are for everybody to choose: what isn't a dispatcher is somebody else's. */
        fd = bpf_prog_get_fd_by_id(id);
        if (fd < 0 || kern_program_info(fd, &info) < 0 || strcmp(info.name, DISPATCHER_NAME) != 0)
                return 0;
        return kern_detach_tc(id, hook, &attachment, reterr_diag);
}

int kern_tc_chain_put(int programs_fd, unsigned slot, int prog_fd)
{
        return bpf_map_update_elem(programs_fd, &slot, &prog_fd, BPF_ANY) < 0 ? -errno : 0;
}

int kern_tc_chain_clear(int programs_fd, unsigned slot)
{
        return bpf_map_delete_elem(programs_fd, &slot) < 0 && errno != ENOENT ? -errno : 0;
}

int kern_tc_chain_get(int programs_fd, unsigned slot, uint32_t *ret)
{
        *ret = 0;
        return bpf_map_lookup_elem(programs_fd, &slot, ret) < 0 && errno != ENOENT ? -errno : 0;
}

static void order_unmap(struct kern_tc_order **order)
{
        if (*order != MAP_FAILED)
                munmap(*order, sizeof(**order));
}

#define AUTO_ORDER KERN_CLEANUP(order_unmap)

/* The map's value itself, as the dispatcher reads it; MAP_FAILED with errno. */
static struct kern_tc_order *order_map(int order_fd)
{
        return mmap(NULL, sizeof(struct kern_tc_order), PROT_READ | PROT_WRITE, MAP_SHARED,
                    order_fd, 0);
}

/*
 * Into the map's memory, since bpf(2) promises no order of the bytes that it copies, and one store of
 * a word is all or nothing.
 */
int kern_tc_chain_set_proceed_on(int order_fd, unsigned slot, uint32_t verdicts)
{
        AUTO_ORDER struct kern_tc_order *order = order_map(order_fd);

        if (order == MAP_FAILED)
                return -errno;
        if (slot == 0 || slot >= KERN_TC_SLOTS)
                return -EINVAL;
        __atomic_store_n(&order->proceed_on[slot], verdicts, __ATOMIC_RELEASE);
        return 0;
}

int kern_tc_chain_set_order(int order_fd, const uint8_t *slots, size_t n)
{
        AUTO_ORDER struct kern_tc_order *order = order_map(order_fd);
        uint64_t word = 0;

        if (order == MAP_FAILED)
                return -errno;
        if (n > KERN_TC_MEMBERS_MAX)
                return -E2BIG;
        for (size_t i = 0; i < n; i++) {
                if (slots[i] == 0 || slots[i] >= KERN_TC_SLOTS)
                        return -EINVAL;
                word |= (uint64_t)slots[i] << (i * KERN_TC_SLOT_BITS);
        }
        __atomic_store_n(&order->slots, word, __ATOMIC_RELEASE);
        return 0;
}
