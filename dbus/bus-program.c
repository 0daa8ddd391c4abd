/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stddef.h>

#include "bus-api-internal.h"
#include "bus-error.h"
#include "bus-options.h"

/* org.bpfkeeper1.Program: documented in org.bpfkeeper1.Program.xml */

void bus_attach_args_free(BusAttachArgs *args)
{
        if (!args)
                return;
        g_free(args->interface);
        g_free(args->direction);
        g_free(args->mode);
        g_strfreev(args->proceed_on);
        g_free(args->tracepoint);
        g_free(args->function);
        g_free(args->target);
        g_free(args->cgroup);
        g_free(args->event);
        g_strfreev(args->functions);
        if (args->cookies)
                g_array_unref(args->cookies);
        g_free(args);
}

/* These three take a name or, as the type says, something more direct. */
static int read_interface(sd_bus_message *m, const char *type, size_t offset, void *dest,
                          sd_bus_error *e)
{
        BusAttachArgs *args = dest;

        if (type[0] == 'u')
                return bus_option_u32(m, type, offsetof(BusAttachArgs, interface_index), args, e);
        return bus_option_string(m, type, offset, args, e);
}

static int read_target(sd_bus_message *m, const char *type, size_t offset, void *dest,
                       sd_bus_error *e)
{
        if (type[0] == 'h')
                return bus_option_fd(m, type, offsetof(BusAttachArgs, target_fd), dest, e);
        return bus_option_string(m, type, offset, dest, e);
}

static int read_cgroup(sd_bus_message *m, const char *type, size_t offset, void *dest,
                       sd_bus_error *e)
{
        if (type[0] == 'h')
                return bus_option_fd(m, type, offsetof(BusAttachArgs, cgroup_fd), dest, e);
        return bus_option_string(m, type, offset, dest, e);
}

static int read_functions(sd_bus_message *m, const char *type, size_t offset, void *dest,
                          sd_bus_error *e)
{
        BusAttachArgs *args = dest;
        g_autoptr(GPtrArray) functions = g_ptr_array_new_with_free_func(g_free);
        const char *s;
        int r;

        (void)type, (void)offset, (void)e;
        r = sd_bus_message_enter_container(m, 'a', "s");
        if (r < 0)
                return r;
        while ((r = sd_bus_message_read_basic(m, 's', &s)) > 0)
                g_ptr_array_add(functions, g_strdup(s));
        if (r < 0)
                return r;
        g_ptr_array_add(functions, NULL);
        args->functions = (char **)g_ptr_array_free(g_steal_pointer(&functions), FALSE);
        return sd_bus_message_exit_container(m);
}

static int read_cookies(sd_bus_message *m, const char *type, size_t offset, void *dest,
                        sd_bus_error *e)
{
        BusAttachArgs *args = dest;
        const void *cookies;
        size_t size;
        int r;

        (void)type, (void)offset, (void)e;
        r = sd_bus_message_read_array(m, 't', &cookies, &size);
        if (r < 0)
                return r;
        args->cookies = g_array_new(FALSE, FALSE, sizeof(uint64_t));
        g_array_append_vals(args->cookies, cookies, (guint)(size / sizeof(uint64_t)));
        return 0;
}

static int read_target_program(sd_bus_message *m, const char *type, size_t offset, void *dest,
                               sd_bus_error *reterr)
{
        BusAttachArgs *args = dest;

        (void)type, (void)offset;
        return bus_option_program(m, &args->target_program, reterr);
}

static int read_strings(sd_bus_message *m, const char *type, size_t offset, void *dest,
                        sd_bus_error *e)
{
        BusAttachArgs *args = dest;

        (void)type, (void)offset, (void)e;
        return sd_bus_message_read_strv(m, &args->proceed_on);
}

#define ARG(member) .offset = offsetof(BusAttachArgs, member)
#define HAS(member) .has_offset = offsetof(BusAttachArgs, has_##member)

static const BusOption attach_options[] = {
        {"interface", {"s", "u"}, read_interface, ARG(interface)},
        {"direction", {"s"}, bus_option_string, ARG(direction)},
        {"priority", {"u"}, bus_option_u32, ARG(priority), HAS(priority)},
        {"mode", {"s"}, bus_option_string, ARG(mode)},
        {"tracepoint", {"s"}, bus_option_string, ARG(tracepoint)},
        {"function", {"s"}, bus_option_string, ARG(function)},
        {"offset", {"t"}, bus_option_u64, ARG(offset), HAS(offset)},
        {"target", {"h", "s"}, read_target, ARG(target)},
        {"pid", {"i"}, bus_option_i32, ARG(pid), HAS(pid)},
        {"cgroup", {"h", "s"}, read_cgroup, ARG(cgroup)},
        {"event", {"s"}, bus_option_string, ARG(event)},
        {"frequency", {"t"}, bus_option_u64, ARG(frequency), HAS(frequency)},
        {"period", {"t"}, bus_option_u64, ARG(period), HAS(period)},
        {"cpu", {"i"}, bus_option_i32, ARG(cpu), HAS(cpu)},
        {"proceed_on", {"as"}, read_strings, ARG(proceed_on), HAS(proceed_on)},
        {"cookie", {"t"}, bus_option_u64, ARG(cookie), HAS(cookie)},
        {"functions", {"as"}, read_functions, ARG(functions)},
        {"cookies", {"at"}, read_cookies, ARG(cookies)},
        {"target_program", {"o"}, read_target_program},
        {}};

static int method_attach(sd_bus_message *m, void *userdata, sd_bus_error *reterr)
{
        BusProgram *program = userdata;
        g_autoptr(BusAttachArgs) args = g_new0(BusAttachArgs, 1);
        int r;

        args->interface = g_strdup("");
        args->direction = g_strdup("");
        args->mode = g_strdup("");
        args->tracepoint = g_strdup("");
        args->function = g_strdup("");
        args->target = g_strdup("");
        args->cgroup = g_strdup("");
        args->event = g_strdup("");
        args->target_fd = -1;
        args->cgroup_fd = -1;
        args->cpu = -1;
        r = bus_options_read(m, attach_options, args, reterr);
        if (r < 0)
                return r;
        program->api->ops->attach(program->api->service, m, program->id, g_steal_pointer(&args));
        return 1;
}

static int method_unload(sd_bus_message *m, void *userdata, sd_bus_error *reterr)
{
        BusProgram *program = userdata;

        (void)reterr;
        program->api->ops->unload(program->api->service, m, program->id);
        return 1;
}

static int method_open_fd(sd_bus_message *m, void *userdata, sd_bus_error *reterr)
{
        BusProgram *program = userdata;

        (void)reterr;
        program->api->ops->program_open_fd(program->api->service, m, program->id);
        return 1;
}

static int method_get_log(sd_bus_message *m, void *userdata, sd_bus_error *reterr)
{
        BusProgram *program = userdata;

        (void)reterr;
        program->api->ops->program_log(program->api->service, m, program->id);
        return 1;
}

static int read_context(sd_bus_message *m, const char *type, size_t offset, void *dest,
                        sd_bus_error *e)
{
        BusTestRunArgs *args = dest;

        (void)type, (void)offset, (void)e;
        return bus_read_bytes(m, &args->context, &args->context_size);
}

#define TEST_RUN_REPEAT_MAX 1000000
#define TEST_RUN_DATA_MAX (1024 * 1024)

static const BusOption test_run_options[] = {
        {"repeat", {"u"}, bus_option_u32, offsetof(BusTestRunArgs, repeat)},
        {"context", {"ay"}, read_context},
        {"data_size", {"u"}, bus_option_u32, offsetof(BusTestRunArgs, data_out_size)},
        {}};

static int method_test_run(sd_bus_message *m, void *userdata, sd_bus_error *reterr)
{
        BusProgram *program = userdata;
        BusTestRunArgs args = {.repeat = 1, .data_out_size = G_MAXUINT32};
        int r;

        r = bus_read_bytes(m, &args.data, &args.data_size);
        if (r < 0)
                return r;
        r = bus_options_read(m, test_run_options, &args, reterr);
        if (r < 0)
                return r;
        if (args.data_out_size == G_MAXUINT32)
                args.data_out_size = (uint32_t)MIN(args.data_size + 256, TEST_RUN_DATA_MAX);
        if (args.repeat < 1 || args.repeat > TEST_RUN_REPEAT_MAX)
                return bus_error_setf(reterr, BPFKEEPER_ERROR_INVALID_ARGUMENT,
                                      "Option 'repeat' is %u; it goes from 1 to %u.", args.repeat,
                                      TEST_RUN_REPEAT_MAX);
        if (args.data_size > TEST_RUN_DATA_MAX || args.context_size > TEST_RUN_DATA_MAX ||
            args.data_out_size > TEST_RUN_DATA_MAX)
                return bus_error_setf(reterr, BPFKEEPER_ERROR_LIMIT_EXCEEDED,
                                      "Data, context and data_size are %zu, %zu and %u bytes; "
                                      "each may be at most %u.",
                                      args.data_size, args.context_size, args.data_out_size,
                                      TEST_RUN_DATA_MAX);
        program->api->ops->test_run(program->api->service, m, program->id, &args);
        return 1;
}

static int get_metadata(sd_bus *bus, const char *path, const char *interface, const char *property,
                        sd_bus_message *reply, void *userdata, sd_bus_error *reterr)
{
        const BusProgram *program = userdata;
        int r;

        (void)bus, (void)path, (void)interface, (void)property, (void)reterr;
        r = sd_bus_message_open_container(reply, 'a', "{ss}");
        if (r < 0)
                return r;
        for (char **m = program->metadata; m && m[0]; m += 2) {
                r = sd_bus_message_append(reply, "{ss}", m[0], m[1]);
                if (r < 0)
                        return r;
        }
        return sd_bus_message_close_container(reply);
}

static int get_maps(sd_bus *bus, const char *path, const char *interface, const char *property,
                    sd_bus_message *reply, void *userdata, sd_bus_error *reterr)
{
        const BusProgram *program = userdata;

        (void)bus, (void)path, (void)interface, (void)property, (void)reterr;
        return bus_append_paths(reply, BUS_MAP, (const uint32_t *)program->maps->data,
                                program->maps->len);
}

static int get_links(sd_bus *bus, const char *path, const char *interface, const char *property,
                     sd_bus_message *reply, void *userdata, sd_bus_error *reterr)
{
        const BusProgram *program = userdata;

        (void)bus, (void)path, (void)interface, (void)property, (void)reterr;
        return bus_append_paths(reply, BUS_LINK, (const uint32_t *)program->links->data,
                                program->links->len);
}

static int get_stats(sd_bus *bus, const char *path, const char *interface, const char *property,
                     sd_bus_message *reply, void *userdata, sd_bus_error *reterr)
{
        const BusProgramStats *stats = bus_program_stats(userdata);

        (void)bus, (void)path, (void)interface, (void)reterr;
        if (g_str_equal(property, "RunTimeNSec"))
                return sd_bus_message_append_basic(reply, 't', &stats->run_time_nsec);
        if (g_str_equal(property, "RunCount"))
                return sd_bus_message_append_basic(reply, 't', &stats->run_count);
        if (g_str_equal(property, "RecursionMisses"))
                return sd_bus_message_append_basic(reply, 't', &stats->recursion_misses);
        return sd_bus_message_append_basic(reply, 't', &stats->bytes_memlock);
}

#define CONST_PROPERTY(name, signature, member)                              \
        SD_BUS_PROPERTY(name, signature, NULL, offsetof(BusProgram, member), \
                        SD_BUS_VTABLE_PROPERTY_CONST)

const sd_bus_vtable bus_program_vtable[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_METHOD_WITH_ARGS("Attach", SD_BUS_ARGS("a{sv}", options), SD_BUS_RESULT("o", link),
                                method_attach, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Unload", SD_BUS_NO_ARGS, SD_BUS_NO_RESULT, method_unload,
                                SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("OpenFd", SD_BUS_NO_ARGS, SD_BUS_RESULT("h", fd), method_open_fd,
                                SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("GetLog", SD_BUS_NO_ARGS, SD_BUS_RESULT("h", log), method_get_log,
                                SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("TestRun", SD_BUS_ARGS("ay", data, "a{sv}", options),
                                SD_BUS_RESULT("u", retval, "ay", data_out, "a{sv}", results),
                                method_test_run, SD_BUS_VTABLE_UNPRIVILEGED),
        CONST_PROPERTY("Id", "u", id),
        CONST_PROPERTY("Name", "s", name),
        CONST_PROPERTY("Type", "s", type),
        CONST_PROPERTY("KernelType", "s", kernel_type),
        CONST_PROPERTY("Section", "s", section),
        CONST_PROPERTY("Tag", "s", tag),
        CONST_PROPERTY("Managed", "b", managed),
        CONST_PROPERTY("OwnerUid", "u", owner_uid),
        CONST_PROPERTY("Application", "s", application),
        SD_BUS_PROPERTY("Metadata", "a{ss}", get_metadata, 0, SD_BUS_VTABLE_PROPERTY_CONST),
        CONST_PROPERTY("SourceDigest", "s", source_digest),
        CONST_PROPERTY("LoadTime", "t", load_time),
        CONST_PROPERTY("GplCompatible", "b", gpl_compatible),
        CONST_PROPERTY("BytesXlated", "u", bytes_xlated),
        CONST_PROPERTY("BytesJited", "u", bytes_jited),
        SD_BUS_PROPERTY("BytesMemlock", "t", get_stats, 0, SD_BUS_VTABLE_PROPERTY_CONST),
        CONST_PROPERTY("VerifiedInstructions", "u", verified_instructions),
        CONST_PROPERTY("BtfId", "u", btf_id),
        SD_BUS_PROPERTY("RunTimeNSec", "t", get_stats, 0, 0),
        SD_BUS_PROPERTY("RunCount", "t", get_stats, 0, 0),
        SD_BUS_PROPERTY("RecursionMisses", "t", get_stats, 0, 0),
        SD_BUS_PROPERTY("Maps", "ao", get_maps, 0, SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_PROPERTY("Links", "ao", get_links, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_VTABLE_END,
};
