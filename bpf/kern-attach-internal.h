/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <net/if.h>

#include "kern-attach.h"
#include "kern-libbpf.h"
#include "kern-util.h"

/* What the files kern-attach*.c share: one function for each family of hooks. */

typedef int (*KernAttachFunc)(int prog_fd, const KernHook *hook, KernAttachment *attachment,
                              KernDiag *diag);

int kern_attach_xdp(int prog_fd, const KernHook *hook, KernAttachment *attachment, KernDiag *diag);
int kern_attach_tc(int prog_fd, const KernHook *hook, KernAttachment *attachment, KernDiag *diag);
int kern_attach_tcx(int prog_fd, const KernHook *hook, KernAttachment *attachment, KernDiag *diag);
int kern_attach_action(int prog_fd, const KernHook *hook, KernAttachment *attachment,
                       KernDiag *diag);
int kern_attach_cgroup(int prog_fd, const KernHook *hook, KernAttachment *attachment,
                       KernDiag *diag);
/* The kernel's number for what a program on a cgroup is there for. */
int kern_cgroup_attach_type(const KernHook *hook);
int kern_attach_lsm_cgroup(int prog_fd, const KernHook *hook, KernAttachment *attachment,
                           KernDiag *diag);
int kern_attach_netns(int prog_fd, const KernHook *hook, KernAttachment *attachment,
                      KernDiag *diag);
int kern_attach_sockmap(int prog_fd, const KernHook *hook, KernAttachment *attachment,
                        KernDiag *diag);
int kern_attach_struct_ops(int prog_fd, const KernHook *hook, KernAttachment *attachment,
                           KernDiag *diag);
int kern_attach_netfilter(int prog_fd, const KernHook *hook, KernAttachment *attachment,
                          KernDiag *diag);
int kern_attach_tracepoint(int prog_fd, const KernHook *hook, KernAttachment *attachment,
                           KernDiag *diag);
int kern_attach_raw_tracepoint(int prog_fd, const KernHook *hook, KernAttachment *attachment,
                               KernDiag *diag);
int kern_attach_btf(int prog_fd, const KernHook *hook, KernAttachment *attachment, KernDiag *diag);
int kern_attach_iter(int prog_fd, const KernHook *hook, KernAttachment *attachment, KernDiag *diag);
int kern_attach_freplace(int prog_fd, const KernHook *hook, KernAttachment *attachment,
                         KernDiag *diag);
int kern_attach_kprobe(int prog_fd, const KernHook *hook, KernAttachment *attachment,
                       KernDiag *diag);
int kern_attach_ksyscall(int prog_fd, const KernHook *hook, KernAttachment *attachment,
                         KernDiag *diag);
int kern_attach_kprobe_multi(int prog_fd, const KernHook *hook, KernAttachment *attachment,
                             KernDiag *diag);
int kern_attach_uprobe(int prog_fd, const KernHook *hook, KernAttachment *attachment,
                       KernDiag *diag);
int kern_attach_uprobe_multi(int prog_fd, const KernHook *hook, KernAttachment *attachment,
                             KernDiag *diag);
int kern_attach_usdt(int prog_fd, const KernHook *hook, KernAttachment *attachment, KernDiag *diag);
int kern_attach_lirc(int prog_fd, const KernHook *hook, KernAttachment *attachment, KernDiag *diag);
int kern_attach_map_entry(int prog_fd, const KernHook *hook, KernAttachment *attachment,
                          KernDiag *diag);
int kern_attach_route(int prog_fd, const KernHook *hook, KernAttachment *attachment,
                      KernDiag *diag);
int kern_attach_socket(int prog_fd, const KernHook *hook, KernAttachment *attachment,
                       KernDiag *diag);
int kern_attach_perf_event(int prog_fd, const KernHook *hook, KernAttachment *attachment,
                           KernDiag *diag);

/* Places in a file, with what each has. */
typedef struct KernUprobes {
        uint64_t *offsets, *cookies;
        uint64_t *semaphores; /* or NULL */
        size_t n;
} KernUprobes;

/* By one link each, on a perf event, or by one for all, which a program has to be loaded for. */
int kern_attach_uprobe_at(int prog_fd, const KernHook *hook, uint64_t offset, uint64_t semaphore,
                          uint64_t cookie, KernAttachment *attachment, KernDiag *diag);
int kern_attach_uprobes_at(int prog_fd, const KernHook *hook, const KernUprobes *places,
                           KernAttachment *attachment, KernDiag *diag);

/* Whether there is such a filter: 1, 0 or a negative errno; @ret_prog_id is its program's id. */
int kern_tc_filter(const KernHook *hook, uint32_t handle, uint32_t priority, uint32_t *ret_prog_id);
int kern_detach_tc(uint32_t prog_id, const KernHook *hook, const KernAttachment *attachment,
                   KernDiag *diag);
int kern_replace_tc(int prog_fd, uint32_t old_id, const KernHook *hook,
                    const KernAttachment *attachment, KernDiag *diag);
int kern_is_attached_tc(uint32_t prog_id, const KernHook *hook, const KernAttachment *attachment);

/* The function that attaches a type's programs; every row of the table has one. */
KernAttachFunc kern_attach_func(const KernType *type);

/* -ESRCH where the process that the hook has a descriptor of has ended, so that its number may be another's. */
int kern_check_process(const KernHook *hook, KernDiag *diag);

/* As if_indextoname(), by the one family of sockets that the worker has. */
const char *kern_interface_name(uint32_t ifindex, char ret[static IF_NAMESIZE]);
int kern_no_such_interface(uint32_t ifindex, KernDiag *diag);

/*
 * Whether it went while something was tried on it: then the kernel's error may be any, EINVAL from
 * XDP for one, and says nothing of the program.
 */
bool kern_interface_is_gone(uint32_t ifindex);

/* @r says that the kernel lacks what the type needs, which its row must say. */
int kern_cant_attach(int r, const KernHook *hook, KernDiag *diag);

/* Hands @link_fd over to the attachment, also where it fails. */
int kern_attachment_add(KernAttachment *attachment, int link_fd, KernDiag *diag);

/* Whether the kernel has links for kprobe_multi programs, such as this one: 0 or a negative errno. */
int kern_probe_kprobe_multi(int prog_fd);

/* Whether an LSM program was loaded for the hook's function, and will be asked: 0 or an error. */
int kern_check_lsm(int prog_fd, const KernHook *hook, KernDiag *diag);

/* The same of uprobe_multi programs. */
int kern_probe_uprobe_multi(int prog_fd);

/* And whether these can be for one process, with all its threads. */
bool kern_uprobe_multi_knows_processes(int prog_fd);

/* Whether BPF is among the active LSMs: 1, 0, or a negative errno where the kernel doesn't say. */
int kern_lsm_active(void);

/* libbpf's globs: "*" is any number of characters, "?" is one. */
bool kern_glob_matches(const char *pattern, const char *s);

/* Reads a small number that a file in /sys holds ("6", "config:0" with @prefix "config:"). */
int kern_read_number(const char *path, const char *prefix, uint64_t *ret);
