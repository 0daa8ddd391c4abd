/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "kern-libbpf.h"
#include "kern-util.h"
#include "kern-xdp-internal.h"

/*
 * r2 = 0; bpf_xdp_adjust_tail(ctx, 0); r0 = XDP_PASS; exit
 *
 * The call changes nothing, and says that packets may change here: without it the kernel would refuse
 * extensions that do. Whether they may in a dispatcher is then for the dispatcher to say.
 */
static const struct bpf_insn code[] = {
        {.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_2},
        {.code = BPF_JMP | BPF_CALL, .imm = BPF_FUNC_xdp_adjust_tail},
        {.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = XDP_PASS},
        {.code = BPF_JMP | BPF_EXIT},
};

/* BTF of "int target(struct xdp_md *ctx)", which is what a dispatcher's functions look like. */
static int make_btf(struct btf **ret, uint32_t *ret_func)
{
        KERN_AUTO_BTF struct btf *btf = btf__new_empty();
        int number, context, pointer, prototype, func, r;

        if (!btf)
                return -errno;
        number = btf__add_int(btf, "int", 4, BTF_INT_SIGNED);
        context = btf__add_struct(btf, "xdp_md", 0);
        pointer = btf__add_ptr(btf, context);
        prototype = btf__add_func_proto(btf, number);
        r = btf__add_func_param(btf, "ctx", pointer);
        func = btf__add_func(btf, "target", BTF_FUNC_GLOBAL, prototype);
        if (number < 0 || context < 0 || pointer < 0 || prototype < 0 || r < 0 || func < 0)
                return -ENOMEM;
        r = btf__load_into_kernel(btf);
        if (r < 0)
                return r;
        *ret = kern_take_pointer(&btf);
        *ret_func = (uint32_t)func;
        return 0;
}

int kern_xdp_target(int *ret_fd, uint32_t *ret_btf_id)
{
        KERN_AUTO_BTF struct btf *btf = NULL;
        struct bpf_func_info info = {0};
        /* A member's dispatcher must be of the attach type that this one is, and libbpf gives it that. */
        LIBBPF_OPTS(bpf_prog_load_opts, opts, .func_info = &info, .func_info_cnt = 1,
                    .func_info_rec_size = sizeof(info), .expected_attach_type = BPF_XDP);
        int fd, r;

        r = make_btf(&btf, &info.type_id);
        if (r < 0)
                return r;
        opts.prog_btf_fd = (uint32_t)btf__fd(btf);
        fd = bpf_prog_load(BPF_PROG_TYPE_XDP, "bpfkeeper", "GPL", code, KERN_ELEMENTSOF(code),
                           &opts);
        if (fd < 0)
                return fd;
        *ret_fd = fd;
        *ret_btf_id = info.type_id;
        return 0;
}
