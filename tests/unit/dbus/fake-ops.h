/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <string.h>

#include "bus-ops.h"

/*
 * A service with three objects, which answers at once and writes down what it was asked: one word for
 * the operation and then its arguments. Program 42 uses map 7 and is attached as link 1.
 */

typedef struct Fake {
        GString *asked;
        unsigned n_activities;
        unsigned n_stats; /* how often stats were asked for */
        BusProgram program;
        BusMap map;
        BusLink link;
        char *metadata[5];
} Fake;

G_GNUC_UNUSED static Fake fake;

static inline GArray *fake_ids(uint32_t id)
{
        GArray *ids = g_array_new(FALSE, FALSE, sizeof(uint32_t));

        g_array_append_val(ids, id);
        return ids;
}

static inline void fake_new(void)
{
        fake = (Fake){
                .asked = g_string_new(NULL),
                .metadata = {(char *)"key", (char *)"value", (char *)"\xc3\xa4", (char *)"", NULL},
        };
        fake.program = (BusProgram){
                .id = 42,
                .name = (char *)"count",
                .type = (char *)"xdp",
                .kernel_type = (char *)"xdp",
                .section = (char *)"xdp",
                .tag = (char *)"0123456789abcdef",
                .managed = 1,
                .owner_uid = 1000,
                .application = (char *)"app",
                .metadata = fake.metadata,
                .source_digest = (char *)"sha256:0",
                .load_time = 1234567890123456,
                .gpl_compatible = 1,
                .bytes_xlated = 100,
                .bytes_jited = 200,
                .verified_instructions = 300,
                .btf_id = 5,
                .maps = fake_ids(7),
                .links = fake_ids(1),
        };
        fake.map = (BusMap){
                .id = 7,
                .name = (char *)"hits",
                .type = (char *)"array",
                .key_size = 4,
                .value_size = 8,
                .max_entries = 16,
                .flags = 1,
                .managed = 1,
                .owner_uid = 1000,
                .application = (char *)"app",
                .btf_id = 5,
                .possible_cpus = 1,
                .programs = fake_ids(42),
        };
        fake.link = (BusLink){
                .id = 1,
                .type = (char *)"xdp",
                .program_id = 42,
                .program_name = (char *)"count",
                .owner_uid = 1000,
                .attach_time = 99,
                .kernel_link_ids = fake_ids(77),
                .interface = "eth0",
                .interface_index = 2,
                .sharing = "exclusive",
        };
}

static inline void fake_free(void)
{
        g_string_free(fake.asked, TRUE);
        g_array_unref(fake.program.maps);
        g_array_unref(fake.program.links);
        g_array_unref(fake.map.programs);
        g_array_unref(fake.link.kernel_link_ids);
}

static inline void fake_note(const char *format, ...) __attribute__((format(printf, 1, 2)));
static inline void fake_note(const char *format, ...)
{
        va_list ap;

        va_start(ap, format);
        g_string_append_vprintf(fake.asked, format, ap);
        va_end(ap);
}

static inline void fake_note_bytes(const void *data, size_t size)
{
        fake_note("<");
        for (size_t i = 0; i < MIN(size, 8); i++)
                fake_note("%02x", ((const uint8_t *)data)[i]);
        fake_note(size > 8 ? "…%zu>" : ">", size);
}

/* Each by its name, with its bytes, or its type where it isn't bytes. */
static inline void fake_note_globals(sd_bus_message *globals)
{
        const char *name, *contents;
        const void *data;
        size_t size;

        if (!globals)
                return;
        assert_true(sd_bus_message_rewind(globals, 1) >= 0);
        assert_true(sd_bus_message_enter_container(globals, 'a', "{sv}") > 0);
        while (sd_bus_message_enter_container(globals, 'e', "sv") > 0) {
                assert_true(sd_bus_message_read_basic(globals, 's', &name) > 0);
                fake_note("%s", name);
                assert_true(sd_bus_message_peek_type(globals, NULL, &contents) > 0);
                if (strcmp(contents, "ay") != 0) {
                        fake_note("(%s)", contents);
                        assert_true(sd_bus_message_skip(globals, "v") > 0);
                } else {
                        assert_true(sd_bus_message_enter_container(globals, 'v', "ay") > 0);
                        assert_true(sd_bus_message_read_array(globals, 'y', &data, &size) >= 0);
                        fake_note_bytes(data, size);
                        assert_true(sd_bus_message_exit_container(globals) > 0);
                }
                assert_true(sd_bus_message_exit_container(globals) > 0);
        }
}

static BusProgram *fake_program(void *service, uint32_t id)
{
        return service == &fake && id == 42 ? &fake.program : NULL;
}

static BusMap *fake_map(void *service, uint32_t id)
{
        return service == &fake && id == 7 ? &fake.map : NULL;
}

static BusLink *fake_link(void *service, uint32_t id)
{
        return service == &fake && id == 1 ? &fake.link : NULL;
}

static int fake_program_stats(void *service, const BusProgram *program, BusProgramStats *ret)
{
        (void)service, (void)program;
        fake.n_stats++;
        *ret = (BusProgramStats){.run_time_nsec = 10,
                                 .run_count = 20 + fake.n_stats,
                                 .recursion_misses = 30,
                                 .bytes_memlock = 4096};
        return 0;
}

/* The map is gone from the kernel, which nobody has noticed yet. */
static int fake_map_stats(void *service, const BusMap *map, BusMapStats *ret)
{
        (void)service, (void)map, (void)ret;
        return -ENOENT;
}

static GArray *fake_all_ids(void *service, BusKind kind)
{
        static const uint32_t ids[] = {[BUS_PROGRAM] = 42, [BUS_MAP] = 7, [BUS_LINK] = 1};

        (void)service;
        return fake_ids(ids[kind]);
}

static const BusProgramType *fake_program_types(void *service)
{
        static const char *const sections[] = {"xdp", "xdp.frags", NULL}, *const none[] = {NULL};
        static const BusProgramType types[] = {
                {"xdp", "Packets", sections, sections, none, "libxdp", ""},
                {"tc", "More packets", none, none, none, "kernel", "Linux 6.6"},
                {},
        };

        (void)service;
        return types;
}

static const BusFeature *fake_features(void *service)
{
        static const BusFeature features[] = {{"btf", true}, {"freplace", false}, {}};

        (void)service;
        return features;
}

static void fake_activity(void *service)
{
        (void)service;
        fake.n_activities++;
}

static void fake_load(void *service, sd_bus_message *m, BusLoadArgs *args)
{
        static const uint32_t ids[] = {42, 43};

        (void)service;
        fake_note("load fd:%s name:%s programs:", args->object_fd >= 0 ? "yes" : "no", args->name);
        for (guint i = 0; i < args->programs->len; i++) {
                const BusProgramWish *w = &g_array_index(args->programs, BusProgramWish, i);

                fake_note("(%s %s)", w->name, w->type);
        }
        fake_note(" globals:");
        fake_note_globals(args->globals);
        fake_note(" maps:");
        for (guint i = 0; i < args->maps->len; i++) {
                const BusMapWish *w = &g_array_index(args->maps, BusMapWish, i);

                fake_note("(%s %u)", w->name, w->id);
        }
        for (guint i = 0; i < args->map_sizes->len; i++) {
                const BusMapSize *s = &g_array_index(args->map_sizes, BusMapSize, i);

                fake_note("(%s has %u)", s->name, s->max_entries);
        }
        fake_note(" metadata:");
        for (char **p = args->metadata; p && *p; p += 2)
                fake_note("(%s %s)", p[0], p[1]);
        fake_note(" btf:%s log:%u", args->btf_fd >= 0 ? "yes" : "no", args->log_level);
        bus_load_args_free(args);
        (void)bus_reply_paths(m, BUS_PROGRAM, ids, 2);
}

static void fake_inspect(void *service, sd_bus_message *m, int fd)
{
        (void)service;
        fake_note("inspect fd:%s", fd >= 0 ? "yes" : "no");
        (void)sd_bus_reply_method_return(m, "a(sss)", 1, "f", "xdp", "xdp");
}

static void fake_describe(void *service, sd_bus_message *m, int fd)
{
        (void)service;
        fake_note("describe fd:%s", fd >= 0 ? "yes" : "no");
        (void)sd_bus_reply_method_return(m, "a{sv}", 1, "License", "s", "GPL");
}

static void fake_last_log(void *service, sd_bus_message *m)
{
        (void)service;
        fake_note("last_log");
        (void)bus_reply_fd(m, STDERR_FILENO);
}

/* Options of Attach() with every type that there is */
static const BusHookParam fake_params[] = {
#define TYPES(...) ((const char *const[]){__VA_ARGS__, NULL})
        {"interface", TYPES("s", "u")},
        {"direction", TYPES("s")},
        {"priority", TYPES("u")},
        {"mode", TYPES("s")},
        {"tracepoint", TYPES("s")},
        {"function", TYPES("s")},
        {"offset", TYPES("t")},
        {"target", TYPES("h", "s")},
        {"pid", TYPES("i")},
        {"cgroup", TYPES("h", "s")},
        {"event", TYPES("s")},
        {"cpu", TYPES("i")},
        {"cookie", TYPES("t")},
        {"functions", TYPES("as")},
        {"cookies", TYPES("at")},
        {"target_program", TYPES("o")},
        {"proceed_on", TYPES("as")},
        {"hook", TYPES("s")},
        {"offsets", TYPES("at")},
        {"netns", TYPES("h", "s")},
        {"family", TYPES("s")},
        {"hook_priority", TYPES("i")},
        {"defragment", TYPES("s")},
        {"attach_flags", TYPES("s")},
        {"device", TYPES("h", "s")},
        {"target_map", TYPES("o")},
        {"key", TYPES("u")},
        {"index", TYPES("u")},
        {"route", TYPES("s")},
        {"table", TYPES("u")},
        {"metric", TYPES("u")},
        {NULL, NULL},
#undef TYPES
};

static const BusHookParam *fake_hook_params(void *service)
{
        (void)service;
        return fake_params;
}

static void fake_link_param(void *service, const BusLink *link, size_t param, BusValue *ret)
{
        const char *type = fake_params[param].types[0];

        assert_ptr_equal(service, &fake);
        assert_ptr_equal(link, &fake.link);
        *ret = (BusValue){.type = type[0] == 'h' ? "s" : type};
        if (g_str_equal(ret->type, "s"))
                ret->s = g_strdup(g_str_equal(fake_params[param].name, "mode") ? "skb" : "");
        else if (g_str_equal(ret->type, "as"))
                ret->strings = g_strsplit("a b", " ", -1);
        else if (g_str_equal(ret->type, "at"))
                ret->numbers = g_array_new(FALSE, FALSE, sizeof(uint64_t));
        else if (g_str_equal(ret->type, "t"))
                ret->t = UINT64_MAX;
        else
                ret->i = -1;
}

static void fake_note_value(const char *name, const BusValue *value)
{
        if (!value->type)
                return;
        if (g_str_equal(value->type, "s"))
                fake_note(" %s:%s", name, value->s);
        else if (g_str_equal(value->type, "u") || g_str_equal(value->type, "o"))
                fake_note(" %s:%s%u", name, value->type, value->u);
        else if (g_str_equal(value->type, "i"))
                fake_note(" %s:%d", name, value->i);
        else if (g_str_equal(value->type, "t"))
                fake_note(" %s:%" PRIu64, name, value->t);
        else if (g_str_equal(value->type, "h"))
                fake_note(" %s:h%d", name, value->h >= 0);
        else if (g_str_equal(value->type, "as"))
                for (char **s = value->strings; *s; s++)
                        fake_note(" %s:%s", name, *s);
        else
                for (guint i = 0; i < value->numbers->len; i++)
                        fake_note(" %s:%" PRIu64, name, g_array_index(value->numbers, uint64_t, i));
}

static void fake_update(void *service, sd_bus_message *m, uint32_t id, BusAttachArgs *a)
{
        (void)service;
        fake_note("update %u", id);
        bus_attach_args_free(a);
        bus_reply_empty(m);
}

static void fake_replace_program(void *service, sd_bus_message *m, uint32_t id, uint32_t program,
                                 BusAttachArgs *a)
{
        (void)service;
        fake_note("replace_program %u %u", id, program);
        bus_attach_args_free(a);
        bus_reply_empty(m);
}

static void fake_get_hook(void *service, sd_bus_message *m, BusAttachArgs *a)
{
        const BusOccupant occupants[] = {
                {.type = "xdp",
                 .hook = "",
                 .direction = "",
                 .mode = "skb",
                 .family = "",
                 .name = (char *)"first",
                 .proceed_on = (char *[]){(char *)"pass", NULL},
                 .position = 1,
                 .program_id = 42,
                 .owner_uid = 1000,
                 .link_id = 1,
                 .priority = 7},
                {.type = "tc",
                 .hook = "",
                 .direction = "egress",
                 .mode = "",
                 .family = "",
                 .name = (char *)"u32",
                 .position = 1,
                 .priority = 9,
                 .handle = 0x800},
        };

        (void)service;
        fake_note("get_hook");
        bus_attach_args_free(a);
        bus_reply_hook(m, occupants, 2);
}

static void fake_attach(void *service, sd_bus_message *m, uint32_t id, BusAttachArgs *a)
{
        (void)service;
        fake_note("attach %u", id);
        for (size_t i = 0; i < a->n; i++)
                fake_note_value(fake_params[i].name, &a->values[i]);
        bus_attach_args_free(a);
        (void)bus_reply_path(m, BUS_LINK, 1);
}

static inline void fake_note_strings(const char *name, char **strings)
{
        if (strings) {
                g_autofree char *joined = g_strjoinv(",", strings);

                fake_note(" %s:%s", name, joined);
        }
}

static void fake_add_grant(void *service, sd_bus_message *m, BusGrantArgs *args)
{
        (void)service;
        fake_note("add_grant");
        if (args->user)
                fake_note(" user:%s", args->user);
        if (args->group)
                fake_note(" group:%s", args->group);
        fake_note_strings("types", args->types);
        fake_note_strings("verbs", args->verbs);
        if (args->interface)
                fake_note(" interface:%s", args->interface);
        if (args->cgroup)
                fake_note(" cgroup:%s", args->cgroup);
        if (args->signed_by)
                fake_note(" signed_by:%s", args->signed_by);
        if (args->has_until)
                fake_note(" until:%" PRIu64, args->until);
        bus_grant_args_free(args);
        (void)bus_reply_grant(m, "alice-xdp");
}

static void fake_list_grants(void *service, sd_bus_message *m)
{
        static const char *const types[] = {"xdp", NULL}, *const none[] = {NULL};
        static const BusGrant grants[] = {
                {"alice-xdp", "alice", "", types, none, "veth*", "", "me", 5, 3, "root", "active",
                 ""},
                {"x", "", "", none, none, "", "", "", 0, 0, "", "broken", "line 1"},
        };

        (void)service;
        fake_note("list_grants");
        (void)bus_reply_grants(m, grants, G_N_ELEMENTS(grants));
}

static void fake_remove_grant(void *service, sd_bus_message *m, const char *id)
{
        (void)service;
        fake_note("remove_grant %s", id);
        (void)bus_reply_empty(m);
}

static void fake_check_authorization(void *service, sd_bus_message *m, BusCheckArgs *args)
{
        static const char *const none[] = {NULL};

        (void)service;
        fake_note("check %s %s", args->verb, args->type);
        for (guint i = 0; i < args->details->len; i += 2)
                fake_note(" %s=%s", (char *)args->details->pdata[i],
                          (char *)args->details->pdata[i + 1]);
        bus_check_args_free(args);
        (void)bus_reply_check(m,
                              &(BusCheck){"challenge", "org.x", "alice", none, none, none, none});
}

#define FAKE_BY_ID(name)                                                       \
        static void fake_##name(void *service, sd_bus_message *m, uint32_t id) \
        {                                                                      \
                (void)service;                                                 \
                fake_note(#name " %u", id);                                    \
                (void)bus_reply_empty(m);                                      \
        }

#define FAKE_FD_BY_ID(name)                                                    \
        static void fake_##name(void *service, sd_bus_message *m, uint32_t id) \
        {                                                                      \
                (void)service;                                                 \
                fake_note(#name " %u", id);                                    \
                (void)bus_reply_fd(m, STDERR_FILENO);                          \
        }

FAKE_BY_ID(unload)

static void fake_detach(void *service, sd_bus_message *m, uint32_t id, BusAttachArgs *a)
{
        (void)service;
        fake_note("detach %u%s", id, a ? " with options" : "");
        bus_attach_args_free(a);
        bus_reply_empty(m);
}

FAKE_FD_BY_ID(program_open_fd)
FAKE_FD_BY_ID(program_log)
FAKE_FD_BY_ID(open_iterator)

static void fake_test_run(void *service, sd_bus_message *m, uint32_t id, const BusTestRunArgs *args)
{
        (void)service;
        fake_note("test_run %u data:", id);
        fake_note_bytes(args->data, args->data_size);
        fake_note(" context:");
        fake_note_bytes(args->context, args->context_size);
        fake_note(" repeat:%u room:%u", args->repeat, args->data_out_size);
        (void)sd_bus_reply_method_return(m, "uaya{sv}", 2, 1, 255, 0);
}

static void fake_map_lookup(void *service, sd_bus_message *m, uint32_t id, const void *key,
                            size_t size)
{
        (void)service;
        fake_note("lookup %u ", id);
        fake_note_bytes(key, size);
        (void)bus_reply_bytes(m, "\1\2\3", 3);
}

static void fake_map_update(void *service, sd_bus_message *m, uint32_t id, const void *key,
                            size_t size, const void *value, size_t value_size)
{
        (void)service;
        fake_note("update %u ", id);
        fake_note_bytes(key, size);
        fake_note_bytes(value, value_size);
        (void)bus_reply_empty(m);
}

static void fake_map_delete(void *service, sd_bus_message *m, uint32_t id, const void *key,
                            size_t size)
{
        (void)service;
        fake_note("delete %u ", id);
        fake_note_bytes(key, size);
        (void)bus_reply_empty(m);
}

static void fake_map_entries(void *service, sd_bus_message *m, uint32_t id, const void *after,
                             size_t size, uint32_t limit)
{
        (void)service;
        fake_note("entries %u ", id);
        fake_note_bytes(after, size);
        fake_note(" limit:%u", limit);
        (void)sd_bus_reply_method_return(m, "a(ayay)", 1, 1, 1, 1, 2);
}

static void fake_map_open_fd(void *service, sd_bus_message *m, uint32_t id, const char *mode)
{
        (void)service;
        fake_note("map_open_fd %u %s", id, mode);
        (void)bus_reply_fd(m, STDERR_FILENO);
}

G_GNUC_UNUSED static const BusOps fake_ops = {
        .program = fake_program,
        .map = fake_map,
        .link = fake_link,
        .program_stats = fake_program_stats,
        .map_stats = fake_map_stats,
        .ids = fake_all_ids,
        .program_types = fake_program_types,
        .features = fake_features,
        .activity = fake_activity,
        .load = fake_load,
        .inspect = fake_inspect,
        .describe = fake_describe,
        .last_log = fake_last_log,
        .add_grant = fake_add_grant,
        .list_grants = fake_list_grants,
        .remove_grant = fake_remove_grant,
        .check_authorization = fake_check_authorization,
        .hook_params = fake_hook_params,
        .link_param = fake_link_param,
        .attach = fake_attach,
        .get_hook = fake_get_hook,
        .update = fake_update,
        .replace_program = fake_replace_program,
        .unload = fake_unload,
        .program_open_fd = fake_program_open_fd,
        .program_log = fake_program_log,
        .test_run = fake_test_run,
        .detach = fake_detach,
        .open_iterator = fake_open_iterator,
        .map_lookup = fake_map_lookup,
        .map_update = fake_map_update,
        .map_delete = fake_map_delete,
        .map_entries = fake_map_entries,
        .map_open_fd = fake_map_open_fd,
};
