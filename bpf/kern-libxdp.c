/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdarg.h>
#include <string.h>

#include <xdp/libxdp.h>

#include "kern-xdp-internal.h"

static int print_nothing(enum libxdp_print_level level, const char *format, va_list ap)
{
        (void)level, (void)format, (void)ap;
        return 0;
}

void kern_xdp_be_quiet(void)
{
        libxdp_set_print(print_nothing);
}

struct xdp_program *kern_xdp_program_of(struct bpf_object *object, const char *name)
{
        struct xdp_program_opts opts;

        /* libxdp wants the structure's padding zeroed as well, which no initializer promises. */
        memset(&opts, 0, sizeof(opts));
        opts.sz = sizeof(opts);
        opts.obj = object;
        opts.prog_name = name;
        return xdp_program__create(&opts);
}
