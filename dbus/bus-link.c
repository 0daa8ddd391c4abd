/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stddef.h>
#include <string.h>

#include "bus-api-internal.h"
#include "bus-error.h"

/* org.bpfkeeper1.Link: documented in org.bpfkeeper1.Link.xml */

static int method_detach(sd_bus_message *m, void *userdata, sd_bus_error *reterr)
{
        BusLink *link = userdata;

        (void)reterr;
        link->api->ops->detach(link->api->service, m, link->id, NULL);
        return 1;
}

/* Has @op done what the options say. */
static int with_options(sd_bus_message *m, BusLink *link,
                        void (*op)(void *service, sd_bus_message *m, uint32_t id,
                                   BusAttachArgs *args),
                        sd_bus_error *reterr)
{
        g_autoptr(BusAttachArgs) args = NULL;
        int r;

        r = bus_attach_args_read(m, link->api, &args, reterr);
        if (r < 0)
                return r;
        op(link->api->service, m, link->id, g_steal_pointer(&args));
        return 1;
}

static int method_detach_with_options(sd_bus_message *m, void *userdata, sd_bus_error *reterr)
{
        BusLink *link = userdata;

        return with_options(m, link, link->api->ops->detach, reterr);
}

static int method_update(sd_bus_message *m, void *userdata, sd_bus_error *reterr)
{
        BusLink *link = userdata;

        return with_options(m, link, link->api->ops->update, reterr);
}

static int method_replace_program(sd_bus_message *m, void *userdata, sd_bus_error *reterr)
{
        BusLink *link = userdata;
        g_autoptr(BusAttachArgs) args = NULL;
        const char *path;
        uint32_t program;
        int r;

        r = sd_bus_message_read_basic(m, 'o', &path);
        if (r < 0)
                return r;
        if (!bus_path_parse(path, BUS_PROGRAM, &program))
                return bus_error_setf(reterr, BPFKEEPER_ERROR_NO_SUCH_OBJECT,
                                      "%s isn't the path of a program.", path);
        r = bus_attach_args_read(m, link->api, &args, reterr);
        if (r < 0)
                return r;
        link->api->ops->replace_program(link->api->service, m, link->id, program,
                                        g_steal_pointer(&args));
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

static int method_open_iterator(sd_bus_message *m, void *userdata, sd_bus_error *reterr)
{
        BusLink *link = userdata;

        (void)reterr;
        link->api->ops->open_iterator(link->api->service, m, link->id);
        return 1;
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

/* "ProceedOn" is what the option proceed_on said. */
static bool is_named(const char *property, const char *option)
{
        const char *o = option;

        for (const char *p = property; *p; p++) {
                if (g_ascii_isupper(*p) && p > property && *o++ != '_')
                        return false;
                if (g_ascii_tolower(*p) != *o++)
                        return false;
        }
        return *o == '\0';
}

static int get_param(sd_bus *bus, const char *path, const char *interface, const char *property,
                     sd_bus_message *reply, void *userdata, sd_bus_error *reterr)
{
        const BusLink *link = userdata;
        const BusApi *api = link->api;
        g_auto(BusValue) value = {0};
        size_t i = 0;

        (void)bus, (void)path, (void)interface;
        while (i < api->n_attach_options && !is_named(property, api->attach_options[i].name))
                i++;
        if (i == api->n_attach_options)
                return bus_error_setf(reterr, BPFKEEPER_ERROR_FAILED, "%s isn't served.", property);
        api->ops->link_param(api->service, link, i, &value);
        if (strcmp(value.type, "as") == 0)
                return sd_bus_message_append_strv(reply, value.strings);
        if (strcmp(value.type, "at") == 0)
                return sd_bus_message_append_array(reply, 't', value.numbers->data,
                                                   value.numbers->len * sizeof(uint64_t));
        if (strcmp(value.type, "s") == 0)
                return sd_bus_message_append_basic(reply, 's', value.s);
        return sd_bus_message_append_basic(reply, value.type[0], &value.t);
}

/* What an option of Attach() said. */
#define PARAM_PROPERTY(name, signature) \
        SD_BUS_PROPERTY(name, signature, get_param, 0, SD_BUS_VTABLE_PROPERTY_CONST)
#define CHANGING_PROPERTY(name, signature, member)                        \
        SD_BUS_PROPERTY(name, signature, NULL, offsetof(BusLink, member), \
                        SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE)
#define CONST_PROPERTY(name, signature, member)                           \
        SD_BUS_PROPERTY(name, signature, NULL, offsetof(BusLink, member), \
                        SD_BUS_VTABLE_PROPERTY_CONST)

const sd_bus_vtable bus_link_vtable[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_METHOD_WITH_ARGS("Detach", SD_BUS_NO_ARGS, SD_BUS_NO_RESULT, method_detach,
                                SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("DetachWithOptions", SD_BUS_ARGS("a{sv}", options),
                                SD_BUS_NO_RESULT, method_detach_with_options,
                                SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("OpenIterator", SD_BUS_NO_ARGS, SD_BUS_RESULT("h", fd),
                                method_open_iterator, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Update", SD_BUS_ARGS("a{sv}", options), SD_BUS_NO_RESULT,
                                method_update, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("ReplaceProgram", SD_BUS_ARGS("o", program, "a{sv}", options),
                                SD_BUS_NO_RESULT, method_replace_program,
                                SD_BUS_VTABLE_UNPRIVILEGED),
        CONST_PROPERTY("Id", "u", id),
        CONST_PROPERTY("Type", "s", type),
        SD_BUS_PROPERTY("Program", "o", get_program, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        CHANGING_PROPERTY("ProgramId", "u", program_id),
        CHANGING_PROPERTY("ProgramName", "s", program_name),
        CONST_PROPERTY("OwnerUid", "u", owner_uid),
        CONST_PROPERTY("AttachTime", "t", attach_time),
        SD_BUS_PROPERTY("KernelLinkId", "u", get_kernel_link_id, 0,
                        SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("KernelLinkIds", "au", get_kernel_link_ids, 0,
                        SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        PARAM_PROPERTY("Interface", "s"),
        CONST_PROPERTY("InterfaceIndex", "u", interface_index),
        PARAM_PROPERTY("Netns", "s"),
        CONST_PROPERTY("NetnsInode", "t", netns_inode),
        PARAM_PROPERTY("Route", "s"),
        PARAM_PROPERTY("Table", "u"),
        PARAM_PROPERTY("Metric", "u"),
        PARAM_PROPERTY("Direction", "s"),
        SD_BUS_PROPERTY("Priority", "u", get_param, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        PARAM_PROPERTY("Mode", "s"),
        CONST_PROPERTY("Sharing", "s", sharing),
        SD_BUS_PROPERTY("ProceedOn", "as", get_param, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        PARAM_PROPERTY("Tracepoint", "s"),
        PARAM_PROPERTY("Function", "s"),
        PARAM_PROPERTY("Offset", "t"),
        PARAM_PROPERTY("Target", "s"),
        PARAM_PROPERTY("Pid", "i"),
        PARAM_PROPERTY("Cgroup", "s"),
        CONST_PROPERTY("CgroupId", "t", cgroup_id),
        PARAM_PROPERTY("AttachFlags", "s"),
        PARAM_PROPERTY("Device", "s"),
        CONST_PROPERTY("DeviceNumber", "t", device_number),
        PARAM_PROPERTY("Index", "u"),
        PARAM_PROPERTY("Event", "s"),
        PARAM_PROPERTY("Cpu", "i"),
        PARAM_PROPERTY("Cookie", "t"),
        PARAM_PROPERTY("Functions", "as"),
        PARAM_PROPERTY("Cookies", "at"),
        PARAM_PROPERTY("Hook", "s"),
        PARAM_PROPERTY("Offsets", "at"),
        CONST_PROPERTY("TargetProgramId", "u", target_program_id),
        CHANGING_PROPERTY("TargetMapId", "u", target_map_id),
        PARAM_PROPERTY("Key", "u"),
        PARAM_PROPERTY("Family", "s"),
        PARAM_PROPERTY("HookPriority", "i"),
        PARAM_PROPERTY("Defragment", "s"),
        SD_BUS_VTABLE_END,
};
