/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "kern-action.h"
#include "kern-attach-internal.h"
#include "kern-cgroup.h"
#include "kern-change.h"
#include "kern-compat.h"
#include "kern-holder.h"
#include "kern-info.h"
#include "kern-libbpf.h"
#include "kern-map-entry.h"
#include "kern-order.h"
#include "kern-route.h"

/* It has no name outside of the kernel. */
#define ENOTSUPP 524

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

static bool is_iterator(const KernType *type)
{
        return type->prog_type == BPF_PROG_TYPE_TRACING && type->attach_type == BPF_TRACE_ITER;
}

/*
 * What an iterator's program reads and writes of a map's keys and values the kernel compares with their
 * sizes when a link is made, and never again. So one is made, which nobody reads.
 */
static int try_iterator(int prog_fd, const KernHook *hook, KernDiag *diag)
{
        __attribute__((cleanup(kern_attachment_done))) KernAttachment attachment =
                KERN_ATTACHMENT_INIT;
        KernHook trial = *hook;

        trial.given &= ~(KERN_PARAM_BIT(KERN_PARAM_PID) | KERN_PARAM_BIT(KERN_PARAM_CGROUP));
        return kern_attach_iter(prog_fd, &trial, &attachment, diag);
}

static int explain_struct_ops(int r, const KernHook *hook, KernDiag *diag)
{
        if (r == -EINVAL)
                return kern_fail(diag, r, KERN_ERROR_TYPE_MISMATCH,
                                 "The kernel doesn't take map %u in the other one's place (Invalid "
                                 "argument): it must be of the same struct and have the same name",
                                 hook->map_id);
        return kern_fail(diag, r, KERN_ERROR_NOT_SUPPORTED,
                         "The kernel lets no struct_ops of this kind be replaced (%s); detach the "
                         "one that is there, then attach the other",
                         strerror(EOPNOTSUPP));
}

/* By what holds the program; without it the kernel puts none in its place. */
static int (*const exchange[_KERN_HOLDER_MAX])(int new_fd, uint32_t old_id, const KernHook *hook,
                                               KernDiag *diag) = {
        [KERN_HOLDER_CGROUP] = kern_cgroup_replace,
        [KERN_HOLDER_MAP_ENTRY] = kern_map_entry_replace,
        [KERN_HOLDER_ROUTE] = kern_route_replace,
};

int kern_replace(int new_fd, uint32_t old_id, int old_fd, const KernHook *hook,
                 const KernAttachment *attachment, KernDiag *diag)
{
        int r;

        if (strcmp(hook->type->name, "tc") == 0)
                return kern_replace_tc(new_fd, old_id, hook, attachment, diag);
        if (kern_is_action(hook->type))
                return kern_action_replace(new_fd, old_id, hook, attachment, diag);
        if (exchange[kern_holder(hook)])
                return exchange[kern_holder(hook)](new_fd, old_id, hook, diag);
        if (attachment->n_links != 1 || kern_succession(hook->type) != KERN_SUCCESSION_IN_PLACE)
                return kern_fail(diag, -EOPNOTSUPP, KERN_ERROR_NOT_SUPPORTED,
                                 "The kernel puts no program in the place of a %s program",
                                 hook->type->name);
        r = is_iterator(hook->type) ? try_iterator(new_fd, hook, diag) : 0;
        if (r < 0)
                return r;
        r = replace_link(new_fd, old_fd, attachment->link_fds[0]);
        if (hook->type->prog_type == BPF_PROG_TYPE_STRUCT_OPS &&
            (r == -EINVAL || r == -EOPNOTSUPP || r == -ENOTSUPP))
                return explain_struct_ops(r, hook, diag);
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

/* Nothing else comes between two priorities of which one is the next one. */
static int attach_next_to(int prog_fd, const KernHook *hook, KernAttachment *ret, KernDiag *diag)
{
        static const int32_t sides[] = {1, -1};

        for (size_t i = 0; i < KERN_ELEMENTSOF(sides); i++) {
                KernHook next = *hook;
                int r;

                if (__builtin_add_overflow(hook->hook_priority, sides[i], &next.hook_priority))
                        continue;
                kern_diag_clear(diag);
                r = kern_attach(prog_fd, &next, ret, diag);
                /* ERANGE: there is no place beyond what is the last one. */
                if (r != -EBUSY && r != -ERANGE)
                        return r;
        }
        kern_diag_clear(diag);
        return kern_fail(diag, -EBUSY, KERN_ERROR_HOOK_BUSY,
                         "The new program goes by one of the priorities next to %d, which are both "
                         "taken; attach it at another one, then detach the old one",
                         hook->hook_priority);
}

int kern_move_begin(int prog_fd, const KernHook *hook, bool again, KernAttachment *ret,
                    int *ret_table, KernDiag *diag)
{
        KERN_AUTO_CLOSE int stand_in = -1, table = -1;
        KERN_AUTO_CAPTURE KernCapture capture;
        int r;

        kern_capture_begin(&capture);
        if (kern_succession(hook->type) == KERN_SUCCESSION_IN_TURNS) {
                *ret_table = -1;
                return attach_next_to(prog_fd, hook, ret, diag);
        }
        if (again && takes_once(hook)) {
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

static void detach_all(KernAttachment *old)
{
        for (size_t i = 0; i < old->n_links; i++)
                (void)bpf_link_detach(old->link_fds[i]);
        kern_attachment_done(old);
}

static void wait_a_little(void)
{
        struct timespec pause = {.tv_nsec = PAUSE_MSEC * 1000000L};

        (void)nanosleep(&pause, NULL);
}

int kern_move_home(int prog_fd, const KernHook *hook, KernAttachment *old, KernAttachment *ret,
                   KernDiag *diag)
{
        int r = -EBUSY;

        detach_all(old);
        for (int i = 0; r == -EBUSY && i < ATTEMPTS; i++) {
                if (i > 0)
                        wait_a_little();
                kern_diag_clear(diag);
                r = kern_attach(prog_fd, hook, ret, diag);
        }
        return r;
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

        detach_all(old);
        if (is_itself(prog_fd, link_fd))
                return 0;
        for (int i = 0; i < ATTEMPTS; i++) {
                r = bpf_link_update(link_fd, prog_fd, NULL) < 0 ? -errno : 0;
                if (r != -EEXIST)
                        break;
                wait_a_little();
        }
        return r >= 0 ? 0
                      : kern_fail(diag, r, KERN_ERROR_FAILED,
                                  "Can't put the program where it was moved to: %s", strerror(-r));
}
