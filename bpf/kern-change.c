/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "kern-attach-internal.h"
#include "kern-change.h"
#include "kern-compat.h"
#include "kern-info.h"
#include "kern-libbpf.h"
#include "kern-order.h"

#define TCX_NEXT (-1)
/* BPF_LD | BPF_DW | BPF_IMM, two of which are 0 */
#define BPF_LD_MAP BPF_DW

/* The old link of a program that moved is gone when whoever holds it lets it go. */
#define ATTEMPTS 200
#define PAUSE_MSEC 10

static int replace_link(int new_fd, int old_fd, int link_fd)
{
        LIBBPF_OPTS(bpf_link_update_opts, opts, .flags = BPF_F_REPLACE,
                    .old_prog_fd = (uint32_t)old_fd);

        return bpf_link_update(link_fd, new_fd, &opts) < 0 ? -errno : 0;
}

/* Which kinds of link know a replacement; the others say EINVAL, as they do to programs that don't fit. */
static bool can_replace(int link_fd)
{
        KernLinkInfo info;

        if (kern_link_info(link_fd, &info) < 0)
                return false;
        switch ((int)info.link_type) {
        case BPF_LINK_TYPE_CGROUP:
        case BPF_LINK_TYPE_XDP:
        case BPF_LINK_TYPE_NETNS:
        case KERN_BPF_LINK_TYPE_TCX:
        case KERN_BPF_LINK_TYPE_NETKIT:
                return true;
        default:
                return false;
        }
}

int kern_replace(int new_fd, uint32_t old_id, int old_fd, const KernHook *hook,
                 const KernAttachment *attachment, KernDiag *diag)
{
        int r;

        if (strcmp(hook->type->name, "tc") == 0)
                return kern_replace_tc(new_fd, old_id, hook, attachment, diag);
        if (attachment->n_links != 1 || !can_replace(attachment->link_fds[0]))
                return -EOPNOTSUPP;
        r = replace_link(new_fd, old_fd, attachment->link_fds[0]);
        switch (-r) {
        case 0:
                return 0;
        case EEXIST:
                return kern_fail(diag, r, KERN_ERROR_HOOK_BUSY,
                                 "The program that is to take the place is on the hook already");
        case EPERM:
                return kern_fail(diag, r, KERN_ERROR_HOOK_BUSY,
                                 "Somebody else has replaced the program meanwhile");
        case ENOLINK:
        case ENODEV:
                return kern_fail(diag, r, KERN_ERROR_FAILED, "What it was attached to is gone");
        case EINVAL:
                return kern_fail(diag, r, KERN_ERROR_TYPE_MISMATCH,
                                 "The kernel doesn't take the program in the other one's place "
                                 "(Invalid argument): it was loaded for something else");
        default:
                return kern_fail(diag, r, KERN_ERROR_FAILED,
                                 "Can't put the program in the other one's place: %s",
                                 strerror(-r));
        }
}

bool kern_runs_beside(const KernType *type)
{
        /* Of the map that tells it where arguments are each link has a part, which would have to be changed, too. */
        if (strcmp(type->name, "usdt") == 0)
                return false;
        switch ((int)type->prog_type) {
        case BPF_PROG_TYPE_KPROBE:
        case BPF_PROG_TYPE_TRACEPOINT:
        case BPF_PROG_TYPE_PERF_EVENT:
        case BPF_PROG_TYPE_RAW_TRACEPOINT:
        case BPF_PROG_TYPE_RAW_TRACEPOINT_WRITABLE:
                return true;
        case BPF_PROG_TYPE_TRACING:
                return type->attach_type != BPF_TRACE_ITER;
        case BPF_PROG_TYPE_LSM:
                return type->attach_type != BPF_LSM_CGROUP;
        default:
                return false;
        }
}

static bool takes_once(const KernHook *hook)
{
        KernPoint point;

        return kern_point_of(hook, &point) >= 0 && !point.is_cgroup;
}

/* A table with the program, and one that calls what is in it. */
static int make_stand_in(int prog_fd, int expected_attach_type, int *ret_fd, int *ret_table)
{
        LIBBPF_OPTS(bpf_prog_load_opts, opts,
                    .expected_attach_type = (enum bpf_attach_type)expected_attach_type);
        KERN_AUTO_CLOSE int table = -1, fd = -1;
        const uint32_t key = 0, value = (uint32_t)prog_fd;
        struct bpf_insn code[] = {
                /* r1 is the context */
                {.code = BPF_LD_MAP, .dst_reg = 2, .src_reg = BPF_PSEUDO_MAP_FD},
                {0},
                {.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 3},
                {.code = BPF_JMP | BPF_CALL, .imm = BPF_FUNC_tail_call},
                {.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 0, .imm = TCX_NEXT},
                {.code = BPF_JMP | BPF_EXIT},
        };

        table = bpf_map_create(BPF_MAP_TYPE_PROG_ARRAY, "bpfkeeper", sizeof(key), sizeof(value), 1,
                               NULL);
        if (table < 0)
                return -errno;
        code[0].imm = table;
        fd = bpf_prog_load(BPF_PROG_TYPE_SCHED_CLS, "bpfkeeper", "GPL", code, KERN_ELEMENTSOF(code),
                           &opts);
        if (fd < 0)
                return fd;
        /* Refused where the two aren't alike in what they were loaded for. */
        if (bpf_map_update_elem(table, &key, &value, BPF_ANY) < 0)
                return -errno;
        *ret_fd = kern_take_fd(&fd);
        *ret_table = kern_take_fd(&table);
        return 0;
}

static int stand_in_for(int prog_fd, const KernHook *hook, int *ret_fd, int *ret_table)
{
        KernPoint point;
        int r;

        r = kern_point_of(hook, &point);
        if (r < 0)
                return r;
        /* What it was loaded for the kernel doesn't tell, and later ones want it to be the same. */
        r = make_stand_in(prog_fd, point.attach_type, ret_fd, ret_table);
        return r == -EINVAL ? make_stand_in(prog_fd, 0, ret_fd, ret_table) : r;
}

int kern_move_begin(int prog_fd, const KernHook *hook, KernAttachment *ret, int *ret_table,
                    KernDiag *diag)
{
        KERN_AUTO_CLOSE int stand_in = -1, table = -1;
        KERN_AUTO_CAPTURE KernCapture capture;
        int r;

        kern_capture_begin(&capture);
        if (takes_once(hook)) {
                r = stand_in_for(prog_fd, hook, &stand_in, &table);
                if (r < 0)
                        return kern_fail(diag, r, KERN_ERROR_FAILED,
                                         "Can't have the program called from where it is to go: %s",
                                         strerror(-r));
        }
        r = kern_attach(stand_in >= 0 ? stand_in : prog_fd, hook, ret, diag);
        if (r < 0)
                return r;
        *ret_table = kern_take_fd(&table);
        return 0;
}

static bool is_itself(int prog_fd, int link_fd)
{
        KernProgramInfo program;
        KernLinkInfo link;

        return kern_program_info(prog_fd, &program) >= 0 && kern_link_info(link_fd, &link) >= 0 &&
               link.prog_id == program.id;
}

int kern_move_end(int prog_fd, int link_fd, KernAttachment *old, KernDiag *diag)
{
        int r = 0;

        for (size_t i = 0; i < old->n_links; i++)
                (void)bpf_link_detach(old->link_fds[i]);
        kern_attachment_done(old);
        if (is_itself(prog_fd, link_fd))
                return 0;
        for (int i = 0; i < ATTEMPTS; i++) {
                struct timespec pause = {.tv_nsec = PAUSE_MSEC * 1000000L};

                r = bpf_link_update(link_fd, prog_fd, NULL) < 0 ? -errno : 0;
                if (r != -EEXIST)
                        break;
                (void)nanosleep(&pause, NULL);
        }
        return r >= 0 ? 0
                      : kern_fail(diag, r, KERN_ERROR_FAILED,
                                  "Can't put the program where it was moved to: %s", strerror(-r));
}
