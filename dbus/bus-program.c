/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stddef.h>

#include "bus-api-internal.h"
#include "bus-error.h"
#include "bus-options.h"

/* org.bpfkeeper1.Program: documented in org.bpfkeeper1.Program.xml */

void bus_attach_args_free(BusAttachArgs *args)
{
        for (size_t i = 0; args && i < args->n; i++)
                bus_value_clear(&args->values[i]);
        g_free(args);
}

BusOption *bus_attach_options(const BusHookParam *params, size_t *ret_n)
{
        BusOption *options;
        size_t n = 0;

        while (params[n].name)
                n++;
        options = g_new0(BusOption, n + 1);
        for (size_t i = 0; i < n; i++) {
                options[i] = (BusOption){
                        .name = params[i].name,
                        .read = bus_option_value,
                        .offset = offsetof(BusAttachArgs, values) + i * sizeof(BusValue),
                };
                for (size_t t = 0; params[i].types[t]; t++)
                        options[i].types[t] = params[i].types[t];
        }
        *ret_n = n;
        return options;
}

int bus_attach_args_read(sd_bus_message *m, const BusApi *api, BusAttachArgs **ret,
                         sd_bus_error *reterr)
{
        g_autoptr(BusAttachArgs) args =
                g_malloc0(sizeof(*args) + api->n_attach_options * sizeof(BusValue));
        int r;

        args->n = api->n_attach_options;
        r = bus_options_read(m, api->attach_options, args, reterr);
        if (r < 0)
                return r;
        *ret = g_steal_pointer(&args);
        return 0;
}

static int method_attach(sd_bus_message *m, void *userdata, sd_bus_error *reterr)
{
        BusProgram *program = userdata;
        BusApi *api = program->api;
        g_autoptr(BusAttachArgs) args = NULL;
        int r;

        r = bus_attach_args_read(m, api, &args, reterr);
        if (r < 0)
                return r;
        api->ops->attach(api->service, m, program->id, g_steal_pointer(&args));
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
