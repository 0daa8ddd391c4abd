/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bench.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* As @uid: the bus asks the kernel who connects, once, so it's enough to be that user here. */
sd_bus *service_open(uint32_t uid)
{
        const char *name;
        sd_bus *bus;

        if (seteuid(uid) < 0)
                die("can't become uid %u: %s", uid, strerror(errno));
        check(sd_bus_open_system(&bus), "can't connect to the bus", NULL);
        check(sd_bus_get_unique_name(bus, &name), "no name on the bus", NULL);
        if (seteuid(0) < 0)
                die("can't become root again: %s", strerror(errno));
        return bus;
}

static char *call_for_path(sd_bus *bus, sd_bus_message *m, const char *signature, const char *what)
{
        sd_bus_error error = SD_BUS_ERROR_NULL;
        sd_bus_message *reply = NULL;
        const char *path;
        char *copy;

        check(sd_bus_call(bus, m, 0, &error, &reply), what, &error);
        if (signature[0] == 'a')
                check(sd_bus_message_enter_container(reply, 'a', "o"), what, NULL);
        check(sd_bus_message_read_basic(reply, 'o', &path), what, NULL);
        copy = strdup(path);
        if (!copy)
                die("out of memory");
        sd_bus_message_unref(reply);
        sd_bus_message_unref(m);
        return copy;
}

static char *load_named(sd_bus *bus, const Object *object, const char *name, const char *type)
{
        sd_bus_message *m = NULL;

        check(sd_bus_message_new_method_call(bus, &m, BUS_NAME, BUS_ROOT, BUS_NAME ".Manager",
                                             "Load"),
              "can't make a message", NULL);
        check(sd_bus_message_append(m, "ha(ss)a{sv}", object->fd, 1, name, type, 0),
              "can't make a message", NULL);
        return call_for_path(bus, m, "ao", "Load");
}

char *service_load(sd_bus *bus, const Object *object)
{
        return load_named(bus, object, PROGRAM_NAME, PROGRAM_TYPE);
}

char *service_load_tc(sd_bus *bus, const Object *object)
{
        return load_named(bus, object, TC_PROGRAM_NAME, "tc");
}

char *service_attach_tc(sd_bus *bus, const char *program, const char *interface)
{
        sd_bus_message *m = NULL;

        check(sd_bus_message_new_method_call(bus, &m, BUS_NAME, program, BUS_NAME ".Program",
                                             "Attach"),
              "can't make a message", NULL);
        check(sd_bus_message_append(m, "a{sv}", 2, "interface", "s", interface, "direction", "s",
                                    "egress"),
              "can't make a message", NULL);
        return call_for_path(bus, m, "o", "Attach");
}

char *service_attach(sd_bus *bus, const char *program, const char *tracepoint)
{
        sd_bus_message *m = NULL;

        check(sd_bus_message_new_method_call(bus, &m, BUS_NAME, program, BUS_NAME ".Program",
                                             "Attach"),
              "can't make a message", NULL);
        check(tracepoint ? sd_bus_message_append(m, "a{sv}", 1, "tracepoint", "s", tracepoint)
                         : sd_bus_message_append(m, "a{sv}", 0),
              "can't make a message", NULL);
        return call_for_path(bus, m, "o", "Attach");
}

void service_call(sd_bus *bus, const char *path, const char *interface, const char *method)
{
        sd_bus_error error = SD_BUS_ERROR_NULL;

        check(sd_bus_call_method(bus, BUS_NAME, path, interface, method, &error, NULL, NULL),
              method, &error);
}

void service_detach(sd_bus *bus, const char *link)
{
        service_call(bus, link, BUS_NAME ".Link", "Detach");
}

void service_unload(sd_bus *bus, const char *program)
{
        service_call(bus, program, BUS_NAME ".Program", "Unload");
}

uint32_t service_pid(sd_bus *bus)
{
        sd_bus_error error = SD_BUS_ERROR_NULL;
        sd_bus_message *reply = NULL;
        uint32_t pid;

        check(sd_bus_call_method(bus, "org.freedesktop.DBus", "/org/freedesktop/DBus",
                                 "org.freedesktop.DBus", "GetConnectionUnixProcessID", &error,
                                 &reply, "s", BUS_NAME),
              "GetConnectionUnixProcessID", &error);
        check(sd_bus_message_read_basic(reply, 'u', &pid), "GetConnectionUnixProcessID", NULL);
        sd_bus_message_unref(reply);
        return pid;
}
