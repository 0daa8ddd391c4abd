/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Reading properties, against a Ping of the same object: the bus's own cost is in both. */

#include "bench.h"

#include <stdlib.h>

#define ROUNDS_WARM 100

static void ping(sd_bus *bus, const char *path)
{
        service_call(bus, path, "org.freedesktop.DBus.Peer", "Ping");
}

static void call_properties(sd_bus *bus, const char *path, const char *method, const char *property)
{
        sd_bus_error error = SD_BUS_ERROR_NULL;
        sd_bus_message *reply = NULL;
        int r;

        r = sd_bus_call_method(bus, BUS_NAME, path, "org.freedesktop.DBus.Properties", method,
                               &error, &reply, property ? "ss" : "s", BUS_NAME ".Program",
                               property);
        check(r, method, &error);
        sd_bus_message_unref(reply);
}

static void get(sd_bus *bus, const char *path)
{
        call_properties(bus, path, "Get", "Name");
}

static void get_all(sd_bus *bus, const char *path)
{
        call_properties(bus, path, "GetAll", NULL);
}

int bench_property(const Object *object, unsigned rounds)
{
        static void (*const calls[])(sd_bus * bus, const char *path) = {ping, get, get_all};
        static const char *const names[] = {"ping", "get", "get_all"};
        Samples samples[3] = {0};
        sd_bus *bus = service_open(0);
        char *program = service_load(bus, object);

        for (unsigned i = 0; i < ROUNDS_WARM + rounds; i++)
                for (unsigned j = 0; j < 3; j++) {
                        double t = now();

                        calls[j](bus, program);
                        if (i >= ROUNDS_WARM)
                                samples_add(&samples[j], now() - t);
                }
        service_unload(bus, program);
        printf("{");
        for (unsigned j = 0; j < 3; j++) {
                samples_print(names[j], &samples[j], j == 0);
                samples_done(&samples[j]);
        }
        printf("}\n");
        free(program);
        sd_bus_flush_close_unref(bus);
        return EXIT_SUCCESS;
}
