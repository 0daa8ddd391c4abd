/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Hooks: what an attachment costs beside many others on hooks of their own, and what a packet pays for
 * the programs that it meets. Interfaces are the caller's to make.
 */

#include "bench.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <sys/socket.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#define ROUNDS 100
#define PACKETS_AT_A_TIME 64
#define BURSTS 400

static char *attach_tc(sd_bus *bus, const char *program, unsigned interface)
{
        char name[IF_NAMESIZE];

        snprintf(name, sizeof(name), "hook%u", interface);
        return service_attach_tc(bus, program, name);
}

static void raw_cycle(int prog_fd, Samples *attach, Samples *detach)
{
        LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = (int)if_nametoindex("hook0"),
                    .attach_point = BPF_TC_EGRESS);
        LIBBPF_OPTS(bpf_tc_opts, opts, .prog_fd = prog_fd, .handle = 1, .priority = 1);
        double t = now();

        check(bpf_tc_attach(&hook, &opts), "libbpf can't attach", NULL);
        samples_add(attach, now() - t);
        t = now();
        opts.prog_fd = 0;
        opts.prog_id = 0;
        check(bpf_tc_detach(&hook, &opts), "libbpf can't detach", NULL);
        samples_add(detach, now() - t);
}

static void cycle(sd_bus *bus, const char *program, Samples *attach, Samples *detach)
{
        double t = now();
        char *link = attach_tc(bus, program, 0);

        samples_add(attach, now() - t);
        t = now();
        service_detach(bus, link);
        samples_add(detach, now() - t);
        free(link);
}

static int program_fd(const char *path)
{
        int fd = bpf_prog_get_fd_by_id((uint32_t)strtoul(strrchr(path, '_') + 1, NULL, 10));

        if (fd < 0)
                die("can't open the program: %s", strerror(errno));
        return fd;
}

int bench_hooks(const Object *object, unsigned n)
{
        LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = (int)if_nametoindex("hook0"),
                    .attach_point = BPF_TC_EGRESS);
        Samples attach[2] = {0}, detach[2] = {0}, raw_attach[2] = {0}, raw_detach[2] = {0};
        sd_bus *bus = service_open(0);
        /* What a program is attached to is a property of it, and longer with each: the others are not its. */
        char *program = service_load_tc(bus, object), *others = service_load_tc(bus, object);
        int fd = program_fd(program);

        check(bpf_tc_hook_create(&hook), "can't make a queueing discipline", NULL);
        free(attach_tc(bus, others, 1));
        cycle(bus, program, &(Samples){0}, &(Samples){0});
        for (unsigned part = 0; part < 2; part++) {
                for (unsigned i = 0; i < ROUNDS; i++) {
                        cycle(bus, program, &attach[part], &detach[part]);
                        raw_cycle(fd, &raw_attach[part], &raw_detach[part]);
                }
                for (unsigned i = 2; part == 0 && i <= n; i++)
                        free(attach_tc(bus, others, i));
        }
        service_unload(bus, program);
        service_unload(bus, others);
        printf("{");
        samples_print("attach", &attach[0], true);
        samples_print("attach_beside", &attach[1], false);
        samples_print("detach", &detach[0], false);
        samples_print("detach_beside", &detach[1], false);
        samples_print("raw_attach", &raw_attach[0], false);
        samples_print("raw_attach_beside", &raw_attach[1], false);
        samples_print("raw_detach", &raw_detach[0], false);
        samples_print("raw_detach_beside", &raw_detach[1], false);
        printf("}\n");
        free(program);
        free(others);
        sd_bus_flush_close_unref(bus);
        return EXIT_SUCCESS;
}

static int packet_socket(const char *interface)
{
        struct sockaddr_ll to = {.sll_family = AF_PACKET,
                                 .sll_ifindex = (int)if_nametoindex(interface)};
        int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);

        if (fd < 0 || to.sll_ifindex == 0 || bind(fd, (struct sockaddr *)&to, sizeof(to)) < 0)
                die("can't send on %s: %s", interface, strerror(errno));
        return fd;
}

/* Seconds for a packet, of so many that are sent with one call. */
static double burst(int fd)
{
        static char frame[ETH_ZLEN] = {[12] = (char)0x88, [13] = (char)0xb5};
        struct iovec data = {frame, sizeof(frame)};
        struct mmsghdr messages[PACKETS_AT_A_TIME] = {0};
        double t;

        for (unsigned i = 0; i < PACKETS_AT_A_TIME; i++)
                messages[i].msg_hdr = (struct msghdr){.msg_iov = &data, .msg_iovlen = 1};
        t = now();
        /* What a program drops was sent, and is an error to nobody. */
        if (sendmmsg(fd, messages, PACKETS_AT_A_TIME, 0) != PACKETS_AT_A_TIME)
                die("can't send: %s", strerror(errno));
        return (now() - t) / PACKETS_AT_A_TIME;
}

int bench_packets(char *const *interfaces, unsigned n)
{
        Samples *samples = calloc(n, sizeof(*samples));
        int *fds = calloc(n, sizeof(*fds));

        if (!samples || !fds)
                die("out of memory");
        for (unsigned i = 0; i < n; i++)
                fds[i] = packet_socket(interfaces[i]);
        for (unsigned k = 0; k < BURSTS; k++)
                for (unsigned i = 0; i < n; i++)
                        samples_add(&samples[i], burst(fds[i]));
        printf("{");
        for (unsigned i = 0; i < n; i++) {
                samples_print(interfaces[i], &samples[i], i == 0);
                samples_done(&samples[i]);
        }
        printf("}\n");
        free(samples);
        free(fds);
        return EXIT_SUCCESS;
}
