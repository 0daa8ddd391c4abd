/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stddef.h>

#include "bus-api-internal.h"

/* org.bpfkeeper1.Link: documented in org.bpfkeeper1.Link.xml */

static int method_detach(sd_bus_message *m, void *userdata, sd_bus_error *reterr)
{
        BusLink *link = userdata;

        (void)reterr;
        link->api->ops->detach(link->api->service, m, link->id);
        return 1;
}

static int get_program(sd_bus *bus, const char *path, const char *interface, const char *property,
                       sd_bus_message *reply, void *userdata, sd_bus_error *reterr)
{
        const BusLink *link = userdata;
        char program[BUS_PATH_MAX];

        (void)bus, (void)path, (void)interface, (void)property, (void)reterr;
        return sd_bus_message_append_basic(reply, 'o',
                                           bus_path(BUS_PROGRAM, link->program_id, program));
}

static int get_kernel_link_id(sd_bus *bus, const char *path, const char *interface,
                              const char *property, sd_bus_message *reply, void *userdata,
                              sd_bus_error *reterr)
{
        const BusLink *link = userdata;
        uint32_t id =
                link->kernel_link_ids->len ? g_array_index(link->kernel_link_ids, uint32_t, 0) : 0;

        (void)bus, (void)path, (void)interface, (void)property, (void)reterr;
        return sd_bus_message_append_basic(reply, 'u', &id);
}

static int get_kernel_link_ids(sd_bus *bus, const char *path, const char *interface,
                               const char *property, sd_bus_message *reply, void *userdata,
                               sd_bus_error *reterr)
{
        const BusLink *link = userdata;

        (void)bus, (void)path, (void)interface, (void)property, (void)reterr;
        return sd_bus_message_append_array(reply, 'u', link->kernel_link_ids->data,
                                           link->kernel_link_ids->len * sizeof(uint32_t));
}

static int get_functions(sd_bus *bus, const char *path, const char *interface, const char *property,
                         sd_bus_message *reply, void *userdata, sd_bus_error *reterr)
{
        const BusLink *link = userdata;
        g_auto(GStrv) functions = g_strsplit(link->functions, ",", -1);

        (void)bus, (void)path, (void)interface, (void)property, (void)reterr;
        return sd_bus_message_append_strv(reply, functions);
}

static int get_cookies(sd_bus *bus, const char *path, const char *interface, const char *property,
                       sd_bus_message *reply, void *userdata, sd_bus_error *reterr)
{
        const BusLink *link = userdata;

        (void)bus, (void)path, (void)interface, (void)property, (void)reterr;
        return sd_bus_message_append_array(reply, 't', link->cookies->data,
                                           link->cookies->len * sizeof(uint64_t));
}

static int get_proceed_on(sd_bus *bus, const char *path, const char *interface,
                          const char *property, sd_bus_message *reply, void *userdata,
                          sd_bus_error *reterr)
{
        const BusLink *link = userdata;

        (void)bus, (void)path, (void)interface, (void)property, (void)reterr;
        return sd_bus_message_append_strv(reply, link->proceed_on);
}

#define CONST_PROPERTY(name, signature, member)                           \
        SD_BUS_PROPERTY(name, signature, NULL, offsetof(BusLink, member), \
                        SD_BUS_VTABLE_PROPERTY_CONST)

const sd_bus_vtable bus_link_vtable[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_METHOD_WITH_ARGS("Detach", SD_BUS_NO_ARGS, SD_BUS_NO_RESULT, method_detach,
                                SD_BUS_VTABLE_UNPRIVILEGED),
        CONST_PROPERTY("Id", "u", id),
        CONST_PROPERTY("Type", "s", type),
        SD_BUS_PROPERTY("Program", "o", get_program, 0, SD_BUS_VTABLE_PROPERTY_CONST),
        CONST_PROPERTY("ProgramId", "u", program_id),
        CONST_PROPERTY("ProgramName", "s", program_name),
        CONST_PROPERTY("OwnerUid", "u", owner_uid),
        CONST_PROPERTY("AttachTime", "t", attach_time),
        SD_BUS_PROPERTY("KernelLinkId", "u", get_kernel_link_id, 0, SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_PROPERTY("KernelLinkIds", "au", get_kernel_link_ids, 0,
                        SD_BUS_VTABLE_PROPERTY_CONST),
        CONST_PROPERTY("Interface", "s", interface),
        CONST_PROPERTY("InterfaceIndex", "u", interface_index),
        CONST_PROPERTY("Direction", "s", direction),
        CONST_PROPERTY("Priority", "u", priority),
        CONST_PROPERTY("Mode", "s", mode),
        CONST_PROPERTY("Sharing", "s", sharing),
        SD_BUS_PROPERTY("ProceedOn", "as", get_proceed_on, 0, SD_BUS_VTABLE_PROPERTY_CONST),
        CONST_PROPERTY("Tracepoint", "s", tracepoint),
        CONST_PROPERTY("Function", "s", function),
        CONST_PROPERTY("Offset", "t", offset),
        CONST_PROPERTY("Target", "s", target),
        CONST_PROPERTY("Pid", "i", pid),
        CONST_PROPERTY("Cgroup", "s", cgroup),
        CONST_PROPERTY("CgroupId", "t", cgroup_id),
        CONST_PROPERTY("Event", "s", event),
        CONST_PROPERTY("Cpu", "i", cpu),
        CONST_PROPERTY("Cookie", "t", cookie),
        SD_BUS_PROPERTY("Functions", "as", get_functions, 0, SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_PROPERTY("Cookies", "at", get_cookies, 0, SD_BUS_VTABLE_PROPERTY_CONST),
        CONST_PROPERTY("TargetProgramId", "u", target_program_id),
        SD_BUS_VTABLE_END,
};
