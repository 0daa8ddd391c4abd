/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "kern-route-encap.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <linux/lwtunnel.h>
#include <linux/rtnetlink.h>
#include <linux/seg6_local.h>
#include <netlink/attr.h>

#include "kern-util.h"

#define OURS "bpfkeeper:"

static const struct {
        const char *type;
        int attribute; /* of LWTUNNEL_ENCAP_BPF */
} slots_of[_KERN_SLOT_MAX] = {
        [KERN_SLOT_IN] = {"lwt_in", LWT_BPF_IN},
        [KERN_SLOT_OUT] = {"lwt_out", LWT_BPF_OUT},
        [KERN_SLOT_XMIT] = {"lwt_xmit", LWT_BPF_XMIT},
        [KERN_SLOT_SEGMENT] = {"lwt_seg6local", 0},
};

/* As ip-route(8) calls them. */
static const char *const kinds[] = {
        [LWTUNNEL_ENCAP_MPLS] = "mpls",
        [LWTUNNEL_ENCAP_IP] = "ip",
        [LWTUNNEL_ENCAP_ILA] = "ila",
        [LWTUNNEL_ENCAP_IP6] = "ip6",
        [LWTUNNEL_ENCAP_SEG6] = "seg6",
        [LWTUNNEL_ENCAP_BPF] = "bpf",
        [LWTUNNEL_ENCAP_SEG6_LOCAL] = "seg6local",
        [LWTUNNEL_ENCAP_RPL] = "rpl",
        [LWTUNNEL_ENCAP_IOAM6] = "ioam6",
};

KernSlot kern_slot_of(const KernType *type)
{
        switch (type->prog_type) {
        case BPF_PROG_TYPE_LWT_IN:
                return KERN_SLOT_IN;
        case BPF_PROG_TYPE_LWT_OUT:
                return KERN_SLOT_OUT;
        case BPF_PROG_TYPE_LWT_XMIT:
                return KERN_SLOT_XMIT;
        default:
                return KERN_SLOT_SEGMENT;
        }
}

const char *kern_slot_type(KernSlot slot)
{
        return slots_of[slot].type;
}

static void read_name(const struct nlattr *program, int which, char ret[static KERN_ENCAP_NAME_MAX])
{
        const struct nlattr *name =
                program ? nla_find(nla_data(program), nla_len(program), which) : NULL;

        /* One that has no name is there all the same. */
        if (program)
                snprintf(ret, KERN_ENCAP_NAME_MAX, "?");
        if (name && nla_len(name) > 1)
                snprintf(ret, KERN_ENCAP_NAME_MAX, "%.*s", nla_len(name),
                         (const char *)nla_data(name));
}

static void read_programs(const struct nlattr *encap, KernEncap *ret)
{
        for (int slot = KERN_SLOT_IN; slot <= KERN_SLOT_XMIT; slot++)
                read_name(nla_find(nla_data(encap), nla_len(encap), slots_of[slot].attribute),
                          LWT_BPF_PROG_NAME, ret->names[slot]);
        ret->programs = true;
}

static void read_segment(const struct nlattr *encap, KernEncap *ret)
{
        const struct nlattr *action = nla_find(nla_data(encap), nla_len(encap), SEG6_LOCAL_ACTION);
        const struct nlattr *program = nla_find(nla_data(encap), nla_len(encap), SEG6_LOCAL_BPF);
        const struct nlattr *id;

        if (action && nla_len(action) == sizeof(uint32_t))
                ret->action = nla_get_u32(action);
        if (ret->action != SEG6_LOCAL_ACTION_END_BPF || !program)
                return;
        read_name(program, SEG6_LOCAL_BPF_PROG_NAME, ret->names[KERN_SLOT_SEGMENT]);
        id = nla_find(nla_data(program), nla_len(program), SEG6_LOCAL_BPF_PROG);
        if (id && nla_len(id) == sizeof(uint32_t))
                ret->program_id = nla_get_u32(id);
        ret->programs = true;
}

void kern_encap_read(const struct nlattr *type, const struct nlattr *encap, KernEncap *ret)
{
        memset(ret, 0, sizeof(*ret));
        if (type && nla_len(type) == sizeof(uint16_t))
                ret->type = nla_get_u16(type);
        if (!encap)
                return;
        if (ret->type == LWTUNNEL_ENCAP_BPF)
                read_programs(encap, ret);
        else if (ret->type == LWTUNNEL_ENCAP_SEG6_LOCAL)
                read_segment(encap, ret);
}

uint32_t kern_encap_id(const KernEncap *encap, KernSlot slot)
{
        const char *name = encap->names[slot];
        char again[KERN_ENCAP_NAME_MAX];
        unsigned long long id;

        if (strncmp(name, OURS, strlen(OURS)) != 0)
                return 0;
        id = strtoull(name + strlen(OURS), NULL, 10);
        /* There is one way to write it. */
        snprintf(again, sizeof(again), OURS "%llu", id);
        return id <= UINT32_MAX && strcmp(name, again) == 0 ? (uint32_t)id : 0;
}

const char *kern_encap_describe(const KernEncap *encap, char *ret, size_t size)
{
        const char *kind = encap->type < KERN_ELEMENTSOF(kinds) ? kinds[encap->type] : NULL;
        size_t n = 0;

        ret[0] = '\0';
        for (int slot = 0; encap->programs && slot < _KERN_SLOT_MAX && n < size; slot++)
                if (encap->names[slot][0])
                        n += (size_t)snprintf(ret + n, size - n, "%s%s program (%s)",
                                              n > 0 ? " and a " : "a ", slots_of[slot].type,
                                              encap->names[slot]);
        if (n > 0)
                return ret;
        if (encap->type == LWTUNNEL_ENCAP_SEG6_LOCAL)
                snprintf(ret, size, "an encapsulation of kind seg6local, action %u", encap->action);
        else if (kind)
                snprintf(ret, size, "an encapsulation of kind %s", kind);
        else
                snprintf(ret, size, "an encapsulation of kind %u", encap->type);
        return ret;
}

static int put_program(struct nl_msg *message, int attribute, int which_fd, int which_name,
                       const KernSlots *slots, int slot)
{
        struct nlattr *nest = nla_nest_start(message, attribute);
        char name[KERN_ENCAP_NAME_MAX];

        snprintf(name, sizeof(name), OURS "%u", slots->ids[slot]);
        if (!nest || nla_put_u32(message, which_fd, (uint32_t)slots->fds[slot]) < 0 ||
            nla_put_string(message, which_name, name) < 0)
                return -EMSGSIZE;
        nla_nest_end(message, nest);
        return 0;
}

static int put_programs(struct nl_msg *message, const KernSlots *slots)
{
        int r = nla_put_u16(message, RTA_ENCAP_TYPE, LWTUNNEL_ENCAP_BPF) < 0 ? -EMSGSIZE : 0;
        struct nlattr *encap = nla_nest_start(message, RTA_ENCAP);

        if (!encap)
                return -EMSGSIZE;
        for (int slot = KERN_SLOT_IN; r >= 0 && slot <= KERN_SLOT_XMIT; slot++)
                if (slots->ids[slot] != 0)
                        r = put_program(message, slots_of[slot].attribute, LWT_BPF_PROG_FD,
                                        LWT_BPF_PROG_NAME, slots, slot);
        nla_nest_end(message, encap);
        return r;
}

static int put_segment(struct nl_msg *message, const KernSlots *slots)
{
        struct nlattr *encap;
        int r;

        if (nla_put_u16(message, RTA_ENCAP_TYPE, LWTUNNEL_ENCAP_SEG6_LOCAL) < 0)
                return -EMSGSIZE;
        encap = nla_nest_start(message, RTA_ENCAP);
        if (!encap || nla_put_u32(message, SEG6_LOCAL_ACTION, SEG6_LOCAL_ACTION_END_BPF) < 0)
                return -EMSGSIZE;
        r = put_program(message, SEG6_LOCAL_BPF, SEG6_LOCAL_BPF_PROG, SEG6_LOCAL_BPF_PROG_NAME,
                        slots, KERN_SLOT_SEGMENT);
        nla_nest_end(message, encap);
        return r;
}

int kern_encap_put(struct nl_msg *message, const KernSlots *slots)
{
        if (slots->ids[KERN_SLOT_SEGMENT] != 0)
                return put_segment(message, slots);
        for (int slot = KERN_SLOT_IN; slot <= KERN_SLOT_XMIT; slot++)
                if (slots->ids[slot] != 0)
                        return put_programs(message, slots);
        return 0;
}
