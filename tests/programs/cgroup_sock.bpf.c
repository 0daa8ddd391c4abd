/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "program.h"

/* Sockets are made, bound and closed as if nobody looked. */

SEC("cgroup/sock_create")
int on_sock_create(struct bpf_sock *sk)
{
        count(0);
        return 1;
}

SEC("cgroup/sock_release")
int on_sock_release(struct bpf_sock *sk)
{
        count(1);
        return 1;
}

SEC("cgroup/post_bind4")
int on_post_bind4(struct bpf_sock *sk)
{
        count(2);
        return 1;
}

SEC("cgroup/post_bind6")
int on_post_bind6(struct bpf_sock *sk)
{
        count(3);
        return 1;
}
