/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Load, attach, detach, unload: by the bus and with the same calls of libbpf in this process, in
 * turns, so that whatever else the machine does happens to both.
 */

#include "bench.h"

#include <stdlib.h>

#define ROUNDS_WARM 5

enum { LOAD, ATTACH, DETACH, UNLOAD, CYCLE, _N_PHASES };

static const char *const phases[_N_PHASES] = {"load", "attach", "detach", "unload", "cycle"};

static void note(Samples *samples, const double *t)
{
        for (int i = 0; i < CYCLE; i++)
                samples_add(&samples[i], t[i + 1] - t[i]);
        samples_add(&samples[CYCLE], t[CYCLE] - t[0]);
}

static void run_raw(const Object *object, Samples *samples)
{
        double t[CYCLE + 1];
        Raw raw;

        t[0] = now();
        raw_load(object, &raw);
        t[1] = now();
        raw_attach(&raw);
        t[2] = now();
        raw_detach(&raw);
        t[3] = now();
        raw_unload(&raw);
        t[4] = now();
        note(samples, t);
}

static void run_bus(sd_bus *bus, const Object *object, Samples *samples)
{
        char *program, *link;
        double t[CYCLE + 1];

        t[0] = now();
        program = service_load(bus, object);
        t[1] = now();
        link = service_attach(bus, program, NULL);
        t[2] = now();
        service_detach(bus, link);
        t[3] = now();
        service_unload(bus, program);
        t[4] = now();
        note(samples, t);
        free(program);
        free(link);
}

static void forget(Samples *samples)
{
        for (int i = 0; i < _N_PHASES; i++)
                samples_done(&samples[i]);
}

static void print(const char *name, const Samples *samples)
{
        printf("\"%s\": {", name);
        for (int i = 0; i < _N_PHASES; i++)
                samples_print(phases[i], &samples[i], i == 0);
        printf("}");
}

int bench_cycle(const Object *object, unsigned rounds, uint32_t uid)
{
        Samples raw[_N_PHASES] = {0}, keeper[_N_PHASES] = {0};
        sd_bus *bus = service_open(uid);

        for (unsigned i = 0; i < ROUNDS_WARM + rounds; i++) {
                if (i == ROUNDS_WARM) {
                        forget(raw);
                        forget(keeper);
                }
                /* Who comes second finds warmer caches, so they take turns in that too. */
                if (i % 2)
                        run_raw(object, raw);
                run_bus(bus, object, keeper);
                if (i % 2 == 0)
                        run_raw(object, raw);
        }
        printf("{");
        print("raw", raw);
        printf(", ");
        print("bus", keeper);
        printf("}\n");
        forget(raw);
        forget(keeper);
        sd_bus_flush_close_unref(bus);
        return EXIT_SUCCESS;
}
