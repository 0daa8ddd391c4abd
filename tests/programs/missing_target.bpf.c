/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "program.h"
#include <bpf/bpf_tracing.h>

/* Programs for what no kernel has. */

SEC("fentry/bpfkeeper_no_such_function")
int BPF_PROG(missing_function)
{
        return 0;
}

SEC("tp_btf/bpfkeeper_no_such_tracepoint")
int BPF_PROG(missing_tracepoint)
{
        return 0;
}

SEC("lsm/bpfkeeper_no_such_hook")
int BPF_PROG(missing_hook)
{
        return 0;
}

SEC("fentry")
int BPF_PROG(missing_target)
{
        return 0;
}
