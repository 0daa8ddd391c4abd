/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "test-bus.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bus-api-internal.h"
#include "fake-ops.h"

#define MANAGER "/org/bpfkeeper1", "org.bpfkeeper1.Manager"
#define PROGRAM "/org/bpfkeeper1/program/_42", "org.bpfkeeper1.Program"
#define MAP "/org/bpfkeeper1/map/_7", "org.bpfkeeper1.Map"
#define LINK "/org/bpfkeeper1/link/_1", "org.bpfkeeper1.Link"
#define ERROR "org.bpfkeeper1.Error."

static BusApi *api;

static int set_up(void **state)
{
        (void)state;
        fake_new();
        pair_new();
        api = bus_api_new(&fake_ops, &fake);
        assert_int_equal(bus_api_serve(api, pair.server), 0);
        pair_start();
        return 0;
}

static int tear_down(void **state)
{
        (void)state;
        g_clear_pointer(&api, bus_api_free);
        pair_free();
        fake_free();
        return 0;
}

/* What the operations were asked by this call, or the error's name. */
#define asked(...)                                                 \
        (g_string_truncate(fake.asked, 0), pair_call(__VA_ARGS__), \
         *pair_error() ? pair_error() : fake.asked->str)

#define FD STDIN_FILENO

static void load_arguments(void **state)
{
        sd_bus_message *reply;
        const char *path;

        (void)state;
        assert_string_equal(asked(MANAGER, "Load", "ha(ss)a{sv}", FD, 0, 0),
                            "load fd:yes name: programs: globals: maps: metadata: btf:no log:0");
        assert_string_equal(asked(MANAGER, "Load", "ha(ss)a{sv}", FD, 2, "one", "xdp", "two", "",
                                  6, /* options: */
                                  "name", "s", "app", "log_level", "u", 7, "btf", "h", FD, /* */
                                  "globals", "a{say}", 2, "g", 2, 1, 2, "empty", 0,        /* */
                                  "maps", "a{so}", 1, "hits", "/org/bpfkeeper1/map/_7",    /* */
                                  "metadata", "a{ss}", 2, "k", "v", "k2", ""),
                            "load fd:yes name:app programs:(one xdp)(two ) globals:g<0102>empty<> "
                            "maps:(hits 7) "
                            "metadata:(k v)(k2 ) btf:yes log:7");
        assert_string_equal(
                asked(MANAGER, "Load", "ha(ss)a{sv}", FD, 0, 2,                   /* options: */
                      "globals", "a{sv}", 5, "bytes", "ay", 2, 1, 2, "n", "u", 7, /* */
                      "text", "s", "x", "list", "av", 2, "b", 1, "d", 1.5,        /* */
                      "members", "a{sv}", 1, "a", "v", "a{su}", 1, "b", 1,        /* */
                      "map_sizes", "a{su}", 2, "hits", 16, "events", 0),
                "load fd:yes name: programs: globals:bytes<0102>n(u)text(s)list(av)"
                "members(a{sv}) maps:(hits has 16)(events has 0) metadata: btf:no log:0");
        reply = pair.reply;
        assert_true(sd_bus_message_enter_container(reply, 'a', "o") > 0);
        assert_true(sd_bus_message_read_basic(reply, 'o', &path) > 0);
        assert_string_equal(path, "/org/bpfkeeper1/program/_42");
        assert_true(sd_bus_message_read_basic(reply, 'o', &path) > 0);
        assert_string_equal(path, "/org/bpfkeeper1/program/_43");
        assert_int_equal(sd_bus_message_read_basic(reply, 'o', &path), 0);
}

static void load_refuses(void **state)
{
        g_autofree char *name = g_strnfill(257, 'n'), *value = g_strnfill(16 * 1024, 'v');

        (void)state;
#define load(...) asked(MANAGER, "Load", "ha(ss)a{sv}", FD, __VA_ARGS__)
        assert_string_equal(load(1, "", "xdp", 0), ERROR "InvalidArgument");
        assert_string_equal(load(2, "a", "xdp", "a", "tc", 0), ERROR "InvalidArgument");
        assert_string_equal(load(0, 1, "nmae", "s", "x"), ERROR "UnknownOption");
        assert_string_equal(load(0, 1, "name", "u", 1), ERROR "WrongType");
        assert_string_equal(load(0, 1, "name", "s", name), ERROR "LimitExceeded");
        assert_string_equal(load(0, 1, "log_level", "u", 8), ERROR "InvalidArgument");
        assert_string_equal(load(0, 1, "log_level", "i", 1), ERROR "WrongType");
        assert_string_equal(load(0, 1, "globals", "a{ss}", 0), ERROR "WrongType");
        assert_string_equal(load(0, 1, "globals", "a{say}", 2, "g", 1, 0, "g", 1, 1),
                            ERROR "InvalidArgument");
        assert_string_equal(load(0, 1, "globals", "a{sv}", 2, "g", "u", 0, "g", "u", 1),
                            ERROR "InvalidArgument");
        assert_string_equal(load(0, 1, "globals", "a{sv}", 1, "g", "h", FD),
                            ERROR "InvalidArgument");
        assert_string_equal(load(0, 1, "globals", "a{sv}", 1, "g", "av", 1, "v", "(uh)", 1, FD),
                            ERROR "InvalidArgument");
        assert_string_equal(load(0, 1, "globals", "a{sv}", 1, "g", "a{us}", 0),
                            ERROR "InvalidArgument");
        assert_string_equal(load(0, 1, "map_sizes", "a{su}", 2, "m", 1, "m", 2),
                            ERROR "InvalidArgument");
        assert_string_equal(load(0, 1, "maps", "a{so}", 1, "m", "/org/bpfkeeper1/program/_42"),
                            ERROR "NoSuchMap");
        assert_string_equal(load(0, 1, "maps", "a{so}", 1, "m", "/"), ERROR "NoSuchMap");
        assert_string_equal(load(0, 1, "maps", "a{so}", 1, "m", "/org/bpfkeeper1/map/_07"),
                            ERROR "NoSuchMap");
        assert_string_equal(load(0, 1, "maps", "a{so}", 2, "m", "/org/bpfkeeper1/map/_7", "m",
                                 "/org/bpfkeeper1/map/_8"),
                            ERROR "InvalidArgument");
        assert_string_equal(load(0, 1, "metadata", "a{ss}", 1, "", "v"), ERROR "InvalidArgument");
        assert_string_equal(load(0, 1, "metadata", "a{ss}", 1, "k", value), ERROR "LimitExceeded");
        /* What is published must be a dictionary, with each key once. */
        assert_string_equal(load(0, 1, "metadata", "a{ss}", 2, "k", "v", "k", "w"),
                            ERROR "InvalidArgument");
        assert_string_equal(load(0, 1, "btf", "s", "/etc/shadow"), ERROR "WrongType");
        assert_string_equal(load(0, 2, "name", "s", "a", "name", "s", "b"),
                            ERROR "InvalidArgument");
#undef load
        /* sd-bus itself sees to the method's own arguments. */
        assert_string_equal(asked(MANAGER, "Load", ""), SD_BUS_ERROR_INVALID_ARGS);
        assert_string_equal(asked(MANAGER, "Load", "sa(ss)a{sv}", "/etc/shadow", 0, 0),
                            SD_BUS_ERROR_INVALID_ARGS);
        assert_string_equal(fake.asked->str, "");
}

/* @n program wishes, or metadata entries, or globals, each short. */
static const char *load_many(unsigned n_programs, unsigned n_metadata, unsigned n_globals)
{
        sd_bus_message *m = NULL;
        char name[16];

        assert_true(sd_bus_message_new_method_call(pair.client, &m, NULL, MANAGER, "Load") >= 0);
        assert_true(sd_bus_message_append(m, "h", FD) >= 0);
        assert_true(sd_bus_message_open_container(m, 'a', "(ss)") >= 0);
        for (unsigned i = 0; i < n_programs; i++) {
                g_snprintf(name, sizeof(name), "p%u", i);
                assert_true(sd_bus_message_append(m, "(ss)", name, "xdp") >= 0);
        }
        assert_true(sd_bus_message_close_container(m) >= 0);
        assert_true(sd_bus_message_open_container(m, 'a', "{sv}") >= 0);
        assert_true(sd_bus_message_open_container(m, 'e', "sv") >= 0);
        assert_true(sd_bus_message_append(m, "s", "metadata") >= 0);
        assert_true(sd_bus_message_open_container(m, 'v', "a{ss}") >= 0);
        assert_true(sd_bus_message_open_container(m, 'a', "{ss}") >= 0);
        for (unsigned i = 0; i < n_metadata; i++) {
                g_snprintf(name, sizeof(name), "k%u", i);
                assert_true(sd_bus_message_append(m, "{ss}", name, "") >= 0);
        }
        for (int i = 0; i < 3; i++)
                assert_true(sd_bus_message_close_container(m) >= 0);
        assert_true(sd_bus_message_open_container(m, 'e', "sv") >= 0);
        assert_true(sd_bus_message_append(m, "s", "globals") >= 0);
        assert_true(sd_bus_message_open_container(m, 'v', "a{say}") >= 0);
        assert_true(sd_bus_message_open_container(m, 'a', "{say}") >= 0);
        for (unsigned i = 0; i < n_globals; i++) {
                g_snprintf(name, sizeof(name), "g%u", i);
                assert_true(sd_bus_message_append(m, "{say}", name, 1, 0) >= 0);
        }
        for (int i = 0; i < 4; i++)
                assert_true(sd_bus_message_close_container(m) >= 0);
        pair_send(m);
        return pair_error();
}

static void load_has_limits(void **state)
{
        (void)state;
        assert_string_equal(load_many(256, 64, 256), "");
        assert_string_equal(load_many(257, 0, 0), ERROR "LimitExceeded");
        assert_string_equal(load_many(0, 65, 0), ERROR "LimitExceeded");
        assert_string_equal(load_many(0, 0, 257), ERROR "LimitExceeded");
}

static void attach_arguments(void **state)
{
        const char *path;

        (void)state;
        assert_string_equal(asked(PROGRAM, "Attach", "a{sv}", 0), "attach 42");
        assert_true(sd_bus_message_read_basic(pair.reply, 'o', &path) > 0);
        assert_string_equal(path, "/org/bpfkeeper1/link/_1");
        assert_string_equal(asked(PROGRAM, "Attach", "a{sv}", 5, "interface", "s", "eth0",
                                  "direction", "s", "ingress", "priority", "u", 0, "mode", "s",
                                  "skb", "cookie", "t", UINT64_MAX),
                            "attach 42 interface:eth0 direction:ingress priority:u0 mode:skb "
                            "cookie:18446744073709551615");
        assert_string_equal(asked(PROGRAM, "Attach", "a{sv}", 6, "interface", "u", 3, "tracepoint",
                                  "s", "a:b", "function", "s", "", "offset", "t", (uint64_t)0,
                                  "pid", "i", -1, "cpu", "i", 0),
                            "attach 42 interface:u3 tracepoint:a:b function: offset:0 pid:-1 "
                            "cpu:0");
        assert_string_equal(asked(PROGRAM, "Attach", "a{sv}", 2, "functions", "as", 2, "a", "b*",
                                  "cookies", "at", 2, (uint64_t)7, UINT64_MAX),
                            "attach 42 functions:a functions:b* cookies:7 "
                            "cookies:18446744073709551615");
        assert_string_equal(asked(PROGRAM, "Attach", "a{sv}", 3, "cookies", "at", 0, "functions",
                                  "as", 0, "target_program", "o", "/org/bpfkeeper1/program/_17"),
                            "attach 42 target_program:o17");
        assert_string_equal(asked(PROGRAM, "Attach", "a{sv}", 2, "target", "h", FD, "cgroup", "h",
                                  FD),
                            "attach 42 target:h1 cgroup:h1");
        assert_string_equal(asked(PROGRAM, "Attach", "a{sv}", 2, "target", "s", "/bin/true",
                                  "cgroup", "s", "/sys/fs/cgroup"),
                            "attach 42 target:/bin/true cgroup:/sys/fs/cgroup");
}

static void attach_refuses(void **state)
{
        (void)state;
        assert_string_equal(asked(PROGRAM, "Attach", "a{sv}", 1, "iface", "s", "eth0"),
                            ERROR "UnknownOption");
        assert_string_equal(asked(PROGRAM, "Attach", "a{sv}", 1, "interface", "i", 3),
                            ERROR "WrongType");
        assert_string_equal(asked(PROGRAM, "Attach", "a{sv}", 1, "target", "o", "/bin"),
                            ERROR "WrongType");
        assert_string_equal(asked(PROGRAM, "Attach", "a{sv}", 1, "pid", "u", 1), ERROR "WrongType");
        assert_string_equal(asked(PROGRAM, "Attach", "a{sv}", 1, "target_program", "o",
                                  "/org/bpfkeeper1/link/_17"),
                            ERROR "NoSuchObject");
        assert_string_equal(asked(PROGRAM, "Attach", "a{sv}", 2, "interface", "s", "a", "interface",
                                  "u", 1),
                            ERROR "InvalidArgument");
        assert_string_equal(asked(PROGRAM, "Attach", "a{ss}", 1, "interface", "a"),
                            SD_BUS_ERROR_INVALID_ARGS);
        assert_string_equal(fake.asked->str, "");
}

static void test_run_arguments(void **state)
{
        uint8_t *large = g_malloc0(1024 * 1024 + 1);
        sd_bus_message *m = NULL;

        (void)state;
        assert_string_equal(asked(PROGRAM, "TestRun", "aya{sv}", 3, 1, 2, 3, 0),
                            "test_run 42 data:<010203> context:<> repeat:1 room:259");
        assert_string_equal(asked(PROGRAM, "TestRun", "aya{sv}", 0, 3, "repeat", "u", 1000000,
                                  "context", "ay", 1, 9, "data_size", "u", 0),
                            "test_run 42 data:<> context:<09> repeat:1000000 room:0");
        assert_string_equal(asked(PROGRAM, "TestRun", "aya{sv}", 0, 1, "repeat", "u", 0),
                            ERROR "InvalidArgument");
        assert_string_equal(asked(PROGRAM, "TestRun", "aya{sv}", 0, 1, "repeat", "u", 1000001),
                            ERROR "InvalidArgument");
        assert_string_equal(asked(PROGRAM, "TestRun", "aya{sv}", 0, 1, "data_size", "u", 1048577),
                            ERROR "LimitExceeded");
        assert_string_equal(asked(PROGRAM, "TestRun", "aya{sv}", 0, 1, "context", "s", "x"),
                            ERROR "WrongType");
        assert_true(sd_bus_message_new_method_call(pair.client, &m, NULL, PROGRAM, "TestRun") >= 0);
        assert_true(sd_bus_message_append_array(m, 'y', large, 1024 * 1024 + 1) >= 0);
        assert_true(sd_bus_message_append(m, "a{sv}", 0) >= 0);
        pair_send(m);
        assert_string_equal(pair_error(), ERROR "LimitExceeded");
        g_free(large);
}

static void plain_methods(void **state)
{
        struct stat st;
        int fd;

        (void)state;
        assert_string_equal(asked(MANAGER, "Inspect", "h", FD), "inspect fd:yes");
        assert_string_equal(asked(MANAGER, "Describe", "h", FD), "describe fd:yes");
        assert_string_equal(asked(MANAGER, "GetLog", ""), "last_log");
        assert_true(sd_bus_message_read_basic(pair.reply, 'h', &fd) > 0);
        assert_int_equal(fstat(fd, &st), 0);
        assert_string_equal(asked(PROGRAM, "Unload", ""), "unload 42");
        assert_string_equal(asked(PROGRAM, "OpenFd", ""), "program_open_fd 42");
        assert_string_equal(asked(PROGRAM, "GetLog", ""), "program_log 42");
        assert_string_equal(asked(LINK, "Detach", ""), "detach 1");
        assert_string_equal(asked(LINK, "DetachWithOptions", "a{sv}", 0), "detach 1 with options");
        assert_string_equal(asked(LINK, "OpenIterator", ""), "open_iterator 1");
        assert_string_equal(asked(MAP, "Lookup", "ay", 2, 1, 255), "lookup 7 <01ff>");
        assert_string_equal(asked(MAP, "Lookup", "ay", 0), "lookup 7 <>");
        assert_string_equal(asked(MAP, "Update", "ayay", 1, 1, 2, 2, 3), "update 7 <01><0203>");
        assert_string_equal(asked(MAP, "Delete", "ay", 1, 5), "delete 7 <05>");
        assert_string_equal(asked(MAP, "GetEntries", "ayu", 0, 10), "entries 7 <> limit:10");
        assert_string_equal(asked(MAP, "OpenFd", "s", "rw"), "map_open_fd 7 rw");
        assert_string_equal(asked(MAP, "OpenFd", "s", ""), "map_open_fd 7 ");

        assert_string_equal(asked(MAP, "Lookup", "s", "key"), SD_BUS_ERROR_INVALID_ARGS);
        assert_string_equal(asked(MAP, "GetEntries", "ay", 0), SD_BUS_ERROR_INVALID_ARGS);
        assert_string_equal(asked(LINK, "Detach", "u", 1), SD_BUS_ERROR_INVALID_ARGS);
        assert_string_equal(asked(MANAGER, "Inspect", "s", "x"), SD_BUS_ERROR_INVALID_ARGS);
}

static void objects_that_are_not_there(void **state)
{
        static const char *const paths[] = {
                "/org/bpfkeeper1/program/_43", "/org/bpfkeeper1/program/_042",
                "/org/bpfkeeper1/program/_7",  "/org/bpfkeeper1/program/x",
                "/org/bpfkeeper1/program",     "/org/bpfkeeper1/map/_7",
        };

        (void)state;
        for (size_t i = 0; i < G_N_ELEMENTS(paths); i++) {
                g_string_truncate(fake.asked, 0);
                pair_call(paths[i], "org.bpfkeeper1.Program", "Unload", "");
                assert_true(sd_bus_message_is_method_error(pair.reply, NULL));
                assert_string_equal(fake.asked->str, "");
        }
}

/* The object paths of a(oa{sv}), which must be all of a reply. */
static const char *listed(const char *method, const char *types, ...)
{
        static char result[256];
        sd_bus_message *m = NULL;
        const char *path;
        va_list ap;

        assert_true(sd_bus_message_new_method_call(pair.client, &m, NULL, MANAGER, method) >= 0);
        va_start(ap, types);
        assert_true(sd_bus_message_appendv(m, types, ap) >= 0);
        va_end(ap);
        m = pair_send(m);
        if (*pair_error())
                return pair_error();
        result[0] = '\0';
        assert_true(sd_bus_message_enter_container(m, 'a', "(oa{sv})") > 0);
        while (sd_bus_message_enter_container(m, 'r', "oa{sv}") > 0) {
                assert_true(sd_bus_message_read_basic(m, 'o', &path) > 0);
                assert_true(sd_bus_message_skip(m, "a{sv}") > 0);
                assert_true(sd_bus_message_exit_container(m) > 0);
                g_strlcat(result, path, sizeof(result));
        }
        assert_true(sd_bus_message_exit_container(m) > 0);
        assert_true(sd_bus_message_at_end(m, 1) > 0);
        return result;
}

static void lists_and_filters(void **state)
{
        const char *program = "/org/bpfkeeper1/program/_42", *map = "/org/bpfkeeper1/map/_7",
                   *link = "/org/bpfkeeper1/link/_1";

        (void)state;
        assert_string_equal(listed("ListPrograms", "a{sv}", 0), program);
        assert_string_equal(listed("ListMaps", "a{sv}", 0), map);
        assert_string_equal(listed("ListLinks", "a{sv}", 0), link);

        assert_string_equal(listed("ListPrograms", "a{sv}", 6, "managed", "b", 1, "type", "s",
                                   "xdp", "name", "s", "count", "application", "s", "app",
                                   "owner_uid", "u", 1000, "map", "o", map),
                            program);
        assert_string_equal(listed("ListPrograms", "a{sv}", 1, "managed", "b", 0), "");
        assert_string_equal(listed("ListPrograms", "a{sv}", 1, "type", "s", "tc"), "");
        assert_string_equal(listed("ListPrograms", "a{sv}", 1, "name", "s", "coun"), "");
        assert_string_equal(listed("ListPrograms", "a{sv}", 1, "application", "s", ""), "");
        assert_string_equal(listed("ListPrograms", "a{sv}", 1, "owner_uid", "u", 0), "");
        assert_string_equal(listed("ListPrograms", "a{sv}", 1, "map", "o",
                                   "/org/bpfkeeper1/map/_8"),
                            "");
        assert_string_equal(listed("ListPrograms", "a{sv}", 1, "map", "o", program),
                            ERROR "NoSuchObject");
        assert_string_equal(listed("ListPrograms", "a{sv}", 1, "program", "o", program),
                            ERROR "UnknownOption");
        assert_string_equal(listed("ListPrograms", "a{sv}", 1, "managed", "s", "yes"),
                            ERROR "WrongType");

        assert_string_equal(listed("ListMaps", "a{sv}", 2, "program", "o", program, "name", "s",
                                   "hits"),
                            map);
        assert_string_equal(listed("ListMaps", "a{sv}", 1, "program", "o",
                                   "/org/bpfkeeper1/program/_1"),
                            "");
        assert_string_equal(listed("ListMaps", "a{sv}", 1, "program", "o", map),
                            ERROR "NoSuchObject");
        assert_string_equal(listed("ListLinks", "a{sv}", 4, "type", "s", "xdp", "program", "o",
                                   program, "interface", "s", "eth0", "owner_uid", "u", 1000),
                            link);
        assert_string_equal(listed("ListLinks", "a{sv}", 1, "interface", "s", "eth1"), "");
        assert_string_equal(listed("ListLinks", "a{sv}", 1, "managed", "b", 1),
                            ERROR "UnknownOption");
}

static sd_bus_message *get(const char *path, const char *interface, const char *property,
                           const char *type)
{
        sd_bus_message *m = pair_call(path, "org.freedesktop.DBus.Properties", "Get", "ss",
                                      interface, property);

        assert_string_equal(pair_error(), "");
        assert_true(sd_bus_message_enter_container(m, 'v', type) > 0);
        return m;
}

static void properties(void **state)
{
        const char *s;
        uint64_t t;
        uint32_t u;
        int b;

        (void)state;
        assert_true(sd_bus_message_read(get(PROGRAM, "Name", "s"), "s", &s) > 0);
        assert_string_equal(s, "count");
        assert_true(sd_bus_message_read(get(PROGRAM, "OwnerUid", "u"), "u", &u) > 0);
        assert_int_equal(u, 1000);
        assert_true(sd_bus_message_read(get(PROGRAM, "LoadTime", "t"), "t", &t) > 0);
        assert_true(t == 1234567890123456);
        assert_true(sd_bus_message_read(get(PROGRAM, "Managed", "b"), "b", &b) > 0);
        assert_true(b);
        assert_true(sd_bus_message_read(get(PROGRAM, "Links", "ao"), "ao", 1, &s) > 0);
        assert_string_equal(s, "/org/bpfkeeper1/link/_1");
        assert_true(sd_bus_message_read(get(LINK, "Program", "o"), "o", &s) > 0);
        assert_string_equal(s, "/org/bpfkeeper1/program/_42");
        assert_true(sd_bus_message_read(get(LINK, "KernelLinkId", "u"), "u", &u) > 0);
        assert_int_equal(u, 77);
        /* Zeros for what is gone. */
        assert_true(sd_bus_message_read(get(MAP, "BytesMemlock", "t"), "t", &t) > 0);
        assert_true(t == 0);
        assert_true(sd_bus_message_read(get(MANAGER, "Version", "s"), "s", &s) > 0);
        assert_string_equal(s, PROJECT_VERSION);
        assert_true(sd_bus_message_skip(get(MANAGER, "ProgramTypes", "a{sa{sv}}"), "a{sa{sv}}") >
                    0);
        assert_true(sd_bus_message_skip(get(MANAGER, "Features", "a{sb}"), "a{sb}") > 0);
        pair_call(PROGRAM, "Name", "");
        assert_true(sd_bus_message_is_method_error(pair.reply, NULL));
}

/* All that is asked of the kernel for one message is of one moment, and asked once. */
static void stats_are_asked_for_once(void **state)
{
        uint64_t first, second;

        (void)state;
        assert_true(sd_bus_message_read(get(PROGRAM, "RunCount", "t"), "t", &first) > 0);
        assert_true(sd_bus_message_read(get(PROGRAM, "RunCount", "t"), "t", &second) > 0);
        assert_true(second > first);
        fake.n_stats = 0;
        pair_call("/org/bpfkeeper1/program/_42", "org.freedesktop.DBus.Properties", "GetAll", "s",
                  "org.bpfkeeper1.Program");
        assert_string_equal(pair_error(), "");
        assert_int_equal(fake.n_stats, 1);
        pair_call("/org/bpfkeeper1", "org.freedesktop.DBus.ObjectManager", "GetManagedObjects", "");
        assert_string_equal(pair_error(), "");
        assert_int_equal(fake.n_stats, 2);
}

static void read_only_properties(void **state)
{
        (void)state;
        pair_call("/org/bpfkeeper1/program/_42", "org.freedesktop.DBus.Properties", "Set", "ssv",
                  "org.bpfkeeper1.Program", "Name", "s", "other");
        assert_string_equal(pair_error(), SD_BUS_ERROR_PROPERTY_READ_ONLY);
}

static void managed_objects(void **state)
{
        sd_bus_message *m;
        unsigned n = 0;

        (void)state;
        m = pair_call("/org/bpfkeeper1", "org.freedesktop.DBus.ObjectManager", "GetManagedObjects",
                      "");
        assert_string_equal(pair_error(), "");
        assert_true(sd_bus_message_enter_container(m, 'a', "{oa{sa{sv}}}") > 0);
        while (sd_bus_message_enter_container(m, 'e', "oa{sa{sv}}") > 0) {
                const char *path;

                assert_true(sd_bus_message_read_basic(m, 'o', &path) > 0);
                n += g_str_equal(path, "/org/bpfkeeper1/program/_42");
                n += 10 * g_str_equal(path, "/org/bpfkeeper1/map/_7");
                n += 100 * g_str_equal(path, "/org/bpfkeeper1/link/_1");
                assert_true(sd_bus_message_skip(m, "a{sa{sv}}") > 0);
                assert_true(sd_bus_message_exit_container(m) > 0);
        }
        assert_int_equal(n, 111);
}

static char *last_signal;

static int on_signal(sd_bus_message *m, void *userdata, sd_bus_error *reterr)
{
        (void)userdata, (void)reterr;
        g_free(last_signal);
        last_signal =
                g_strdup_printf("%s %s", sd_bus_message_get_path(m), sd_bus_message_get_member(m));
        return 0;
}

static const char *next_signal(void)
{
        g_clear_pointer(&last_signal, g_free);
        while (!last_signal)
                pair_step();
        return last_signal;
}

static void announcements(void **state)
{
        (void)state;
        assert_true(sd_bus_match_signal(pair.client, NULL, NULL, NULL, NULL, NULL, on_signal,
                                        NULL) >= 0);
        bus_api_emit_added(api, BUS_PROGRAM, 42);
        assert_string_equal(next_signal(), "/org/bpfkeeper1 InterfacesAdded");
        bus_api_emit_changed(api, BUS_PROGRAM, 42, "Links");
        assert_string_equal(next_signal(), "/org/bpfkeeper1/program/_42 PropertiesChanged");
        bus_api_emit_changed(api, BUS_MAP, 7, "Programs");
        assert_string_equal(next_signal(), "/org/bpfkeeper1/map/_7 PropertiesChanged");
        bus_api_emit_removed(api, BUS_LINK, 1);
        assert_string_equal(next_signal(), "/org/bpfkeeper1 InterfacesRemoved");
        g_clear_pointer(&last_signal, g_free);
}

static void calls_are_activity(void **state)
{
        unsigned before = fake.n_activities;

        (void)state;
        pair_call(PROGRAM, "Unload", "");
        assert_int_equal(fake.n_activities, before + 1);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
        const struct CMUnitTest tests[] = {
                TEST(load_arguments),
                TEST(load_refuses),
                TEST(load_has_limits),
                TEST(attach_arguments),
                TEST(attach_refuses),
                TEST(test_run_arguments),
                TEST(plain_methods),
                TEST(objects_that_are_not_there),
                TEST(lists_and_filters),
                TEST(properties),
                TEST(stats_are_asked_for_once),
                TEST(read_only_properties),
                TEST(managed_objects),
                TEST(announcements),
                TEST(calls_are_activity),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
