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

/* A set of ids in the kernel. */
typedef struct Ids {
        uint32_t ids[8192];
        size_t n;
} Ids;

/* Others load and attach on the same kernel while this runs: ours are those that we were told of. */
static Ids our_programs, our_links;

static void add_id(Ids *ids, uint32_t id)
{
        if (ids->n == sizeof(ids->ids) / sizeof(ids->ids[0]))
                die("too many ids");
        ids->ids[ids->n++] = id;
}

static void list_ids(Ids *ret, int (*next)(uint32_t id, uint32_t *next_id))
{
        uint32_t id = 0;

        ret->n = 0;
        while (next(id, &id) == 0)
                add_id(ret, id);
}

static char *load_one(sd_bus *bus, const Object *object)
{
        char *program = service_load(bus, object);

        add_id(&our_programs, (uint32_t)strtoul(strrchr(program, '_') + 1, NULL, 10));
        return program;
}

static void attach_one(sd_bus *bus, const char *program, const char *tracepoint)
{
        sd_bus_error error = SD_BUS_ERROR_NULL;
        char *link = service_attach(bus, program, tracepoint);
        uint32_t id;

        check(sd_bus_get_property_trivial(bus, BUS_NAME, link, BUS_NAME ".Link", "KernelLinkId",
                                          &error, 'u', &id),
              "KernelLinkId", &error);
        add_id(&our_links, id);
        free(link);
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
                char *program = load_one(bus, object);
                Raw r;

                samples_add(keeper, now() - t);
                free(program);
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

/* How many programs the service calls its own, those of others on this kernel left out. */
static unsigned count_own(sd_bus *bus)
{
        sd_bus_error error = SD_BUS_ERROR_NULL;
        sd_bus_message *reply = NULL;
        unsigned n = 0;

        check(sd_bus_call_method(bus, BUS_NAME, BUS_ROOT, BUS_NAME ".Manager", "ListPrograms",
                                 &error, &reply, "a{sv}", 1, "managed", "b", 1),
              "ListPrograms", &error);
        check(sd_bus_message_enter_container(reply, 'a', "(oa{sv})"), "ListPrograms", NULL);
        while (sd_bus_message_skip(reply, "(oa{sv})") > 0)
                n++;
        sd_bus_message_unref(reply);
        return n;
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
static void restart(sd_bus *bus, Samples *name, Samples *ready)
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
        programs = count_own(bus);
        if (programs != our_programs.n || links != our_links.n)
                die("after the restart %u programs and %u links are on the bus, not %zu and %zu",
                    programs, links, our_programs.n, our_links.n);
}

int bench_scale(const Object *object, unsigned n_programs, unsigned n_links)
{
        Samples first = {0}, first_raw = {0}, last = {0}, last_raw = {0};
        Samples name = {0}, ready = {0}, list = {0};
        static Ids links, programs;
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
                program = load_one(bus, object);
                if (i < LOADS_MEASURED + n_links)
                        attach_one(bus, program,
                                   tracepoints[(i - LOADS_MEASURED) / LINKS_PER_TRACEPOINT]);
                free(program);
        }
        measure_loads(bus, object, &last, &last_raw);

        for (unsigned i = 0; i < RESTARTS; i++) {
                unsigned found_programs, found_links;
                double t;

                restart(bus, &name, &ready);
                t = now();
                check(count_managed(bus, &found_programs, &found_links), "GetManagedObjects", NULL);
                samples_add(&list, now() - t);
        }
        list_ids(&links, bpf_link_get_next_id);
        list_ids(&programs, bpf_prog_get_next_id);

        printf("{");
        samples_print("first", &first, true);
        samples_print("first_raw", &first_raw, false);
        samples_print("last", &last, false);
        samples_print("last_raw", &last_raw, false);
        samples_print("restart_name", &name, false);
        samples_print("restart_ready", &ready, false);
        samples_print("get_managed_objects", &list, false);
        printf(", \"links\": %zu, \"links_lost\": %u, \"programs\": %zu, \"programs_lost\": %u}\n",
               our_links.n, missing(&our_links, &links), our_programs.n,
               missing(&our_programs, &programs));
        sd_bus_flush_close_unref(bus);
        return EXIT_SUCCESS;
}
