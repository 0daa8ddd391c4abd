/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include <systemd/sd-bus.h>

#include "kern-attach.h"

/*
 * What bpfkeeperd and bpfkeeper-worker say to each other: sd-bus peer to peer on a socketpair, the
 * worker's end being descriptor 3. The worker has one object with the methods below and takes one
 * call at a time. Every answer begins with (us): a KernError and its message; the rest is empty or
 * 0 where that isn't KERN_ERROR_NONE.
 *
 * The daemon trusts no answer of a worker that has parsed a caller's bytes: ids, types and sizes are
 * asked of the kernel again.
 */

#define WORKER_FD 3
#define WORKER_PATH "/org/bpfkeeper1/worker"
#define WORKER_INTERFACE "org.bpfkeeper1.Worker"

/*
 * What a worker may do. It starts with everything below and gives up all but its role's at the first
 * call, for good.
 */
typedef enum WorkerRole {
        WORKER_ROLE_NONE,
        WORKER_ROLE_INSPECT,  /* parses bytes for anybody: as nobody, no file, no bpf(2) */
        WORKER_ROLE_LOAD,     /* parses the bytes of one uid and loads them */
        WORKER_ROLE_ATTACH,   /* attaches for one uid; parses nothing */
        WORKER_ROLE_DISPATCH, /* the same by dispatchers, which it loads; for libxdp it keeps pins */
        WORKER_ROLE_LOOK,     /* looks what is on hooks, and changes nothing */
        WORKER_ROLE_PROBE,    /* loads and attaches what it has made itself; is told nothing */
        _WORKER_ROLE_MAX,
} WorkerRole;

/* Seal(h) → (us)ah: a sealed memfd with the bytes of any readable file. Role inspect. */
#define WORKER_SEAL_IN "h"
#define WORKER_SEAL_OUT "usah"

/*
 * Inspect(h) → programs (function, section, type, whether optional), licence, maps (name, type, sizes of
 * key and value, entries, flags, whether shared by name), global variables (name, map, type, size,
 * value). Role inspect.
 */
#define WORKER_INSPECT_IN "h"
#define WORKER_OUTLINE_PROGRAM "sssb"
#define WORKER_OUTLINE_MAP "ssuuuub"
#define WORKER_OUTLINE_GLOBAL "sssts"
#define WORKER_INSPECT_OUT \
        "usa(" WORKER_OUTLINE_PROGRAM ")sa(" WORKER_OUTLINE_MAP ")a(" WORKER_OUTLINE_GLOBAL ")"

/*
 * Resolve(target, symbol) → (us)t: the symbol's offset in the file. Role inspect. What is looked for is
 * text in ResolveMany and ResolveUsdt as well.
 */
#define WORKER_RESOLVE_IN "hs"
#define WORKER_RESOLVE_OUT "ust"

/*
 * ResolveMany(target, names and patterns with commas between) → (us)atau: where functions are in the file,
 * and which of those meant each. Role inspect.
 */
#define WORKER_RESOLVE_MANY_OUT "usatau"

/*
 * ResolveUsdt(target, "PROVIDER:NAME") → places of a static probe and what is known of their arguments, as
 * in a KernHook. Role inspect.
 */
#define WORKER_RESOLVE_USDT_OUT "usatat"

/* CheckOffsets(target, offsets) → nothing more: that code is there. Role inspect. */
#define WORKER_CHECK_OFFSETS_IN "hat"
#define WORKER_CHECK_OFFSETS_OUT "us"

/*
 * Load(object, programs, globals, maps, their sizes, shared maps (those that there are with it), btf, log
 * level, whether to extend, whether the kernel has links of many uprobes, target program and its BTF, function of it) → names of shared maps that are
 * to be looked for first, and then nothing else; or programs (name, section, type, fd, and of XDP
 * programs the extension, priority and actions to proceed on), maps (name, fd, whether it is one of those
 * given, whether it is to be shared), log. Role load.
 */
#define WORKER_LOAD_IN "ha(ss)a{sv}a(shb)a(su)a(sah)ahubbahs"
#define WORKER_LOADED_PROGRAM "ssshahuu"
#define WORKER_LOADED_MAP "shbb"
#define WORKER_LOADED "asa(" WORKER_LOADED_PROGRAM ")a(" WORKER_LOADED_MAP ")"
#define WORKER_LOAD_OUT "us" WORKER_LOADED "ah"

/* TestRun(program, data, room for data, context, repeat) → retval, data, context, duration. Role load. */
#define WORKER_TEST_RUN_IN "hayuayu"
#define WORKER_TEST_RUN_OUT "usuayayt"

/*
 * A KernHook without its descriptors: its type, what was given, the parameters that the type takes, by
 * KernParam (numbers of all kinds as t, texts and lists of them as s, lists of numbers as at),,
 * whether an XDP program takes fragments and may share its interface, who of ours is on the hook, and
 * the places and specs of a static probe with the first number of these.
 */
#define WORKER_HOOK "(sta(yv)bbatatatatu)"

/*
 * Attach(program, hook, the hook's files, extension, tc handle, target program, map, pidfd) → links, tc handle and
 * priority, xdp mode and member. Role attach. Join is the same with an extension, role dispatch.
 */
#define WORKER_ATTACH_IN "h" WORKER_HOOK "ahahuahahah"
#define WORKER_ATTACH_OUT "usahuuuu"

/*
 * Detach(program id, hook, network namespace to enter, cgroup or device that holds it, links, tc handle, priority, old
 * priority and slot, xdp mode and member) → nothing more. Role attach. Leave is the same for a member of libxdp's dispatcher, role dispatch.
 */
#define WORKER_DETACH_IN "u" WORKER_HOOK "ahahahuuuuuu"
#define WORKER_DETACH_OUT "us"

/*
 * BeginTc(hook, network namespace to enter, handle) → the maps of a dispatcher for tc programs that is on the hook from now on, the
 * one with the programs first, and the dispatcher's id. Role dispatch. Detach of its last member ends it.
 */
#define WORKER_BEGIN_TC_IN WORKER_HOOK "ahu"
#define WORKER_BEGIN_TC_OUT "usahu"

/*
 * Arrange(interface, fellows, member to change or 0, actions to proceed on, extension that takes its
 * place, whether that takes fragments). Role dispatch, as those that follow.
 */
#define WORKER_ARRANGE_IN "uatuuahb"
#define WORKER_ARRANGE_OUT "us"

/*
 * Replace(new program and old program, or the maps that are struct_ops, the old program's id or 0, hook, network
 * namespace to enter, cgroup that holds it, link, tc handle and priority, map that an iterator goes over)
 */
#define WORKER_REPLACE_IN "hhu" WORKER_HOOK "ahahahuuah"
#define WORKER_REPLACE_OUT "us"

/* MoveFilter(program, hook, network namespace to enter, tc handle, priority and old priority) */
#define WORKER_MOVE_FILTER_IN "h" WORKER_HOOK "ahuuu"
#define WORKER_MOVE_FILTER_OUT "us"

/*
 * Move(program, hook, the hook's files, pidfd, map of a static probe's specs, whether it is the program that
 * is there already) → links, table of what stands in for the program. AttachBeside is the same, role attach,
 * for what is attached to no interface and no cgroup.
 */
#define WORKER_MOVE_IN "h" WORKER_HOOK "ahahahb"
#define WORKER_MOVE_OUT "usahah"

/*
 * EndMove(program, new link or, of several, the first, old links, hook, network namespace to enter, whether
 * the program is next to where they are): detaches the old ones → a link in their place, where it was next
 * to it.
 */
#define WORKER_END_MOVE_IN "hahah" WORKER_HOOK "ahb"
#define WORKER_END_MOVE_OUT "usah"

/*
 * Look(interface or 0, cgroup, device, network namespace to enter, family and hook of netfilter, kernel links that
 * are elsewhere) → KernOccupants: type, direction, position, program, link, priority, actions, mode,
 * whether a member, tc handle, whether inherited, cgroup and its flags, family and priority of netfilter,
 * index of an action, name, hook, route with its table and metric. Role look.
 */
#define WORKER_LOOK_IN "uahahahusat"
#define WORKER_OCCUPANT "(suuuuuuububtuuiusssuu)"
#define WORKER_LOOK_OUT "usa" WORKER_OCCUPANT

/* Probe() → a(sb). Role probe. */
#define WORKER_PROBE_OUT "usa(sb)"

/*
 * The hook as WORKER_HOOK. -EINVAL when what is read can't be a hook. What was read borrows from the
 * message.
 */
int worker_hook_append(sd_bus_message *m, const KernHook *hook);
int worker_hook_read(sd_bus_message *m, KernHook *ret);

/* The most files that a hook has. */
#define WORKER_FILES_MAX 5

/*
 * The hook's files as "ah": a descriptor for each that was given, in the order of KernParam. Those
 * that are read are @ret's (room for WORKER_FILES_MAX), and the hook borrows them; -EINVAL when they are
 * not as many as were given.
 */
int worker_hook_files_append(sd_bus_message *m, const KernHook *hook);
int worker_hook_files_take(sd_bus_message *m, KernHook *hook, int *ret, size_t *ret_n);

/* Numbers from "at"; they are the message's. */
int worker_numbers_read(sd_bus_message *m, KernNumbers *ret);

/* Descriptors as "ah". */
int worker_fds_append(sd_bus_message *m, const int *fds, size_t n);

/* One, or none where it is negative. */
int worker_fd_append(sd_bus_message *m, int fd);

/*
 * Takes at most @max descriptors of an "ah" out of @m into @ret; the caller owns them. The message
 * keeps its numbers, but they are standard input from then on: closing what was taken is the last
 * close, and a link that isn't pinned is detached by it.
 */
int worker_fds_take(sd_bus_message *m, int *ret, size_t max, size_t *ret_n);

/* One; where there is none @ret stays as it is. */
int worker_fd_take(sd_bus_message *m, int *ret);
