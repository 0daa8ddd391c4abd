/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "kern-commands.h"

#include <linux/bpf.h>

#include "kern-util.h"

static const uint64_t load_commands[] = {
        BPF_PROG_LOAD,       BPF_BTF_LOAD,         BPF_MAP_CREATE,         BPF_MAP_UPDATE_ELEM,
        BPF_MAP_FREEZE,      BPF_PROG_BIND_MAP,    BPF_OBJ_GET_INFO_BY_FD, BPF_PROG_TEST_RUN,
        BPF_BTF_GET_NEXT_ID, BPF_BTF_GET_FD_BY_ID, BPF_MAP_LOOKUP_ELEM,
};

static const uint64_t attach_commands[] = {
        BPF_LINK_CREATE,        BPF_LINK_DETACH,       BPF_RAW_TRACEPOINT_OPEN,
        BPF_OBJ_GET_INFO_BY_FD, BPF_PROG_GET_FD_BY_ID, BPF_BTF_GET_FD_BY_ID,
        BPF_PROG_QUERY,         BPF_MAP_UPDATE_ELEM,   BPF_PROG_ATTACH,
        BPF_PROG_DETACH,        BPF_MAP_LOOKUP_ELEM,
};

/* Loading dispatchers and pinning them with what they have, which are strangers' programs, too. */
static const uint64_t xdp_commands[] = {
        BPF_PROG_LOAD,           BPF_BTF_LOAD,          BPF_MAP_CREATE,       BPF_MAP_UPDATE_ELEM,
        BPF_MAP_LOOKUP_ELEM,     BPF_MAP_FREEZE,        BPF_PROG_BIND_MAP,    BPF_PROG_TEST_RUN,
        BPF_LINK_CREATE,         BPF_LINK_DETACH,       BPF_OBJ_PIN,          BPF_OBJ_GET,
        BPF_OBJ_GET_INFO_BY_FD,  BPF_PROG_GET_FD_BY_ID, BPF_MAP_GET_FD_BY_ID, BPF_BTF_GET_FD_BY_ID,
        BPF_RAW_TRACEPOINT_OPEN, BPF_LINK_UPDATE,
};

static const uint64_t look_commands[] = {
        BPF_PROG_QUERY,       BPF_OBJ_GET_INFO_BY_FD, BPF_OBJ_GET,          BPF_PROG_GET_FD_BY_ID,
        BPF_MAP_GET_FD_BY_ID, BPF_MAP_LOOKUP_ELEM,    BPF_LINK_GET_NEXT_ID, BPF_LINK_GET_FD_BY_ID,
};

const KernCommands kern_load_commands = {load_commands, KERN_ELEMENTSOF(load_commands)};
const KernCommands kern_attach_commands = {attach_commands, KERN_ELEMENTSOF(attach_commands)};
const KernCommands kern_look_commands = {look_commands, KERN_ELEMENTSOF(look_commands)};
const KernCommands kern_xdp_commands = {xdp_commands, KERN_ELEMENTSOF(xdp_commands)};
