/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Many programs: what the load of one more takes, and how long it is from the daemon's violent end
 * until all of them are on the bus again.
 */

#include "bench.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <bpf/bpf.h>

#define LOADS_MEASURED 50
#define PAUSE_USEC 20000
#define RESTARTS 5
#define READY_SEC_MAX 30
/* The kernel takes 64 on one tracepoint, and somebody else may want some of these. */
#define LINKS_PER_TRACEPOINT 40
#define OBJECT_MANAGER "org.freedesktop.DBus.ObjectManager"

/* Those that don't happen all the time: a busy one with 40 programs would measure them. */
static const char *const tracepoints[] = {
        "sched:sched_process_fork",     "sched:sched_process_exec", "sched:sched_process_exit",
        "sched:sched_process_free",     "sched:sched_process_wait", "sched:sched_kthread_stop",
        "sched:sched_kthread_stop_ret", "sched:sched_process_hang",
};

#define LINKS_MAX (LINKS_PER_TRACEPOINT * sizeof(tracepoints) / sizeof(tracepoints[0]))

/* A set of ids in the kernel, of all programs or all links. */
typedef struct Ids {
        uint32_t ids[8192];
        size_t n;
} Ids;

static void ids_of_links(Ids *ret)
{
        uint32_t id = 0;

        ret->n = 0;
        while (bpf_link_get_next_id(id, &id) == 0 &&
               ret->n < sizeof(ret->ids) / sizeof(ret->ids[0]))
                ret->ids[ret->n++] = id;
}

static void ids_of_programs(Ids *ret)
{
        uint32_t id = 0;

        ret->n = 0;
        while (bpf_prog_get_next_id(id, &id) == 0 &&
               ret->n < sizeof(ret->ids) / sizeof(ret->ids[0]))
                ret->ids[ret->n++] = id;
}

static unsigned missing(const Ids *before, const Ids *after)
{
        unsigned n = 0;

        for (size_t i = 0; i < before->n; i++) {
                bool found = false;

                for (size_t j = 0; j < after->n && !found; j++)
                        found = after->ids[j] == before->ids[i];
                n += !found;
        }
        return n;
}

/*
 * One more by the bus, and beside it one with libbpf, which doesn't stay. Spread over a second, so
 * that a burst of something else's doesn't hit all of them.
 */
static void measure_loads(sd_bus *bus, const Object *object, Samples *keeper, Samples *raw)
{
        for (unsigned i = 0; i < LOADS_MEASURED; i++) {
                double t = now();
                Raw r;

                free(service_load(bus, object));
                samples_add(keeper, now() - t);
                t = now();
                raw_load(object, &r);
                samples_add(raw, now() - t);
                raw_unload(&r);
                usleep(PAUSE_USEC);
        }
}

/* How many objects of the service the bus has, or a negative errno where it doesn't answer. */
static int count_managed(sd_bus *bus, unsigned *ret_programs, unsigned *ret_links)
{
        sd_bus_message *reply = NULL;
        const char *path;
        int r;

        *ret_programs = *ret_links = 0;
        r = sd_bus_call_method(bus, BUS_NAME, BUS_ROOT, OBJECT_MANAGER, "GetManagedObjects", NULL,
                               &reply, NULL);
        if (r < 0)
                return r;
        check(sd_bus_message_enter_container(reply, 'a', "{oa{sa{sv}}}"), "GetManagedObjects",
              NULL);
        while (sd_bus_message_enter_container(reply, 'e', "oa{sa{sv}}") > 0) {
                check(sd_bus_message_read_basic(reply, 'o', &path), "GetManagedObjects", NULL);
                check(sd_bus_message_skip(reply, "a{sa{sv}}"), "GetManagedObjects", NULL);
                check(sd_bus_message_exit_container(reply), "GetManagedObjects", NULL);
                *ret_programs +=
                        strncmp(path, BUS_ROOT "/program/", strlen(BUS_ROOT "/program/")) == 0;
                *ret_links += strncmp(path, BUS_ROOT "/link/", strlen(BUS_ROOT "/link/")) == 0;
        }
        sd_bus_message_unref(reply);
        return 0;
}

/* The name has an owner again: the first moment in which a property can be read. */
static int read_version(sd_bus *bus)
{
        char *version = NULL;
        int r = sd_bus_get_property_string(bus, BUS_NAME, BUS_ROOT, BUS_NAME ".Manager", "Version",
                                           NULL, &version);

        free(version);
        return r;
}

/*
 * A call that meets the dying process, or that the bus sends before it has seen that the name is
 * free, fails; the next one starts the service.
 */
static void restart(sd_bus *bus, unsigned n_programs, unsigned n_links, Samples *name,
                    Samples *ready)
{
        pid_t pid = (pid_t)service_pid(bus);
        unsigned programs, links;
        double start = now();

        if (kill(pid, SIGKILL) < 0)
                die("can't kill the service: %s", strerror(errno));
        while (read_version(bus) < 0)
                if (now() - start > READY_SEC_MAX)
                        die("the service doesn't come back");
        samples_add(name, now() - start);
        check(count_managed(bus, &programs, &links), "GetManagedObjects", NULL);
        samples_add(ready, now() - start);
        if (service_pid(bus) == (uint32_t)pid)
                die("the service was not killed");
        if (programs < n_programs || links < n_links)
                die("after the restart there are %u programs and %u links on the bus, not %u and "
                    "%u",
                    programs, links, n_programs, n_links);
}

int bench_scale(const Object *object, unsigned n_programs, unsigned n_links)
{
        Samples first = {0}, first_raw = {0}, last = {0}, last_raw = {0};
        Samples name = {0}, ready = {0}, list = {0};
        static Ids links_before, links_after, programs_before, programs_after;
        sd_bus *bus = service_open(0);
        char *program = NULL;

        if (n_links > LINKS_MAX || n_programs < LOADS_MEASURED + n_links)
                die("there can be %zu links, and fewer than programs", LINKS_MAX);
        /* A warm service is what is compared, at both ends. */
        for (unsigned i = 0; i < 5; i++) {
                program = service_load(bus, object);
                service_unload(bus, program);
                free(program);
        }
        measure_loads(bus, object, &first, &first_raw);
        for (unsigned i = LOADS_MEASURED; i < n_programs; i++) {
                program = service_load(bus, object);
                if (i < LOADS_MEASURED + n_links)
                        free(service_attach(
                                bus, program,
                                tracepoints[(i - LOADS_MEASURED) / LINKS_PER_TRACEPOINT]));
                free(program);
        }
        measure_loads(bus, object, &last, &last_raw);

        ids_of_links(&links_before);
        ids_of_programs(&programs_before);
        for (unsigned i = 0; i < RESTARTS; i++) {
                unsigned programs, links;
                double t;

                restart(bus, n_programs, n_links, &name, &ready);
                t = now();
                check(count_managed(bus, &programs, &links), "GetManagedObjects", NULL);
                samples_add(&list, now() - t);
        }
        ids_of_links(&links_after);
        ids_of_programs(&programs_after);

        printf("{");
        samples_print("first", &first, true);
        samples_print("first_raw", &first_raw, false);
        samples_print("last", &last, false);
        samples_print("last_raw", &last_raw, false);
        samples_print("restart_name", &name, false);
        samples_print("restart_ready", &ready, false);
        samples_print("get_managed_objects", &list, false);
        printf(", \"links\": %zu, \"links_lost\": %u, \"programs\": %zu, \"programs_lost\": %u}\n",
               links_before.n, missing(&links_before, &links_after), programs_before.n,
               missing(&programs_before, &programs_after));
        sd_bus_flush_close_unref(bus);
        return EXIT_SUCCESS;
}
