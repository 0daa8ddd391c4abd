/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "test-bus.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bus-error.h"
#include "bus-options.h"

typedef struct Dest {
        uint32_t u32;
        bool has_u32; /* not the first: offset 0 is none */
        uint64_t u64;
        int32_t i32;
        char *string;
        const char *borrowed;
        bool flag;
        int fd;
        bool has_either;
        uint32_t either_number;
        char *either_text;
        char **strings;
} Dest;

static int read_either(sd_bus_message *m, const char *type, size_t offset, void *dest,
                       sd_bus_error *e)
{
        if (type[0] == 'u')
                return bus_option_u32(m, type, offsetof(Dest, either_number), dest, e);
        return bus_option_string(m, type, offset, dest, e);
}

static int read_refusing(sd_bus_message *m, const char *type, size_t offset, void *dest,
                         sd_bus_error *e)
{
        (void)m, (void)type, (void)offset, (void)dest;
        return bus_error_setf(e, BPFKEEPER_ERROR_HOOK_BUSY, "No.");
}

static const BusOption table[] = {
        {"u32", {"u"}, bus_option_u32, offsetof(Dest, u32), offsetof(Dest, has_u32)},
        {"u64", {"t"}, bus_option_u64, offsetof(Dest, u64)},
        {"i32", {"i"}, bus_option_i32, offsetof(Dest, i32)},
        {"string", {"s"}, bus_option_string, offsetof(Dest, string)},
        {"borrowed", {"s"}, bus_option_borrow, offsetof(Dest, borrowed)},
        {"strings", {"as"}, bus_option_strv, offsetof(Dest, strings)},
        {"flag", {"b"}, bus_option_bool, offsetof(Dest, flag)},
        {"fd", {"h"}, bus_option_fd, offsetof(Dest, fd)},
        {"either",
         {"u", "s"},
         read_either,
         offsetof(Dest, either_text),
         offsetof(Dest, has_either)},
        {"refusing", {"s"}, read_refusing, 0},
        {}};

/* What the call that was answered last had, as far as the message lives. */
static Dest got;
static char *borrowed;
static struct stat fd_stat;

static int method_take(sd_bus_message *m, void *userdata, sd_bus_error *reterr)
{
        const char *after;
        int r;

        (void)userdata;
        r = bus_options_read(m, table, &got, reterr);
        if (r < 0)
                return r;
        borrowed = g_strdup(got.borrowed);
        if (got.fd >= 0)
                assert_int_equal(fstat(got.fd, &fd_stat), 0);
        /* The reader leaves the message behind the array. */
        assert_true(sd_bus_message_read_basic(m, 's', &after) > 0);
        assert_string_equal(after, "after");
        return sd_bus_reply_method_return(m, NULL);
}

static const sd_bus_vtable vtable[] = {
        /* With a method's signature of its own sd-bus checks the outer form. */
        SD_BUS_VTABLE_START(0),
        SD_BUS_METHOD("Take", "a{sv}s", "", method_take, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_VTABLE_END,
};

static void clear(void)
{
        g_free(got.string);
        g_free(got.either_text);
        g_clear_pointer(&got.strings, g_strfreev);
        g_clear_pointer(&borrowed, g_free);
        got = (Dest){.fd = -1, .string = g_strdup("default")};
}

static int set_up(void **state)
{
        (void)state;
        clear();
        pair_new();
        assert_true(sd_bus_add_object_vtable(pair.server, NULL, "/x", "x.y", vtable, NULL) >= 0);
        pair_start();
        return 0;
}

static int tear_down(void **state)
{
        (void)state;
        pair_free();
        clear();
        g_free(got.string);
        got.string = NULL;
        return 0;
}

#define take(n, ...) \
        (clear(), pair_call("/x", "x.y", "Take", "a{sv}s", n, __VA_ARGS__), pair_error())

static void none(void **state)
{
        (void)state;
        assert_string_equal(take(0, "after"), "");
        assert_false(got.has_u32);
        assert_string_equal(got.string, "default");
        assert_int_equal(got.fd, -1);
}

static void all_readers(void **state)
{
        int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

        (void)state;
        assert_string_equal(take(8, "u32", "u", UINT32_MAX, "u64", "t", UINT64_MAX, "i32", "i",
                                 INT32_MIN, "string", "s", "a \xc3\xa4", "borrowed", "s", "b",
                                 "flag", "b", 1, "fd", "h", fd, "either", "s", "text", "after"),
                            "");
        assert_true(got.has_u32);
        assert_int_equal(got.u32, UINT32_MAX);
        assert_true(got.u64 == UINT64_MAX);
        assert_int_equal(got.i32, INT32_MIN);
        assert_string_equal(got.string, "a \xc3\xa4");
        assert_string_equal(borrowed, "b");
        assert_true(got.flag);
        assert_true(S_ISCHR(fd_stat.st_mode));
        assert_true(got.has_either);
        assert_string_equal(got.either_text, "text");
        close(fd);

        assert_string_equal(take(1, "either", "u", 7, "after"), "");
        assert_int_equal(got.either_number, 7);
        assert_null(got.either_text);
        assert_string_equal(take(1, "flag", "b", 0, "after"), "");
        assert_false(got.flag);
        assert_string_equal(take(1, "strings", "as", 2, "a", "b", "after"), "");
        assert_int_equal(g_strv_length(got.strings), 2);
        assert_string_equal(got.strings[1], "b");
        assert_string_equal(take(1, "strings", "as", 0, "after"), "");
        assert_int_equal(g_strv_length(got.strings), 0);
}

static void unknown_is_refused(void **state)
{
        (void)state;
        assert_string_equal(take(1, "color", "s", "red", "after"),
                            "org.bpfkeeper1.Error.UnknownOption");
        /* It says what there is. */
        assert_non_null(strstr(pair_error_message(), "'color'"));
        assert_non_null(strstr(pair_error_message(), "u32, u64, i32"));
        assert_string_equal(take(1, "", "s", "", "after"), "org.bpfkeeper1.Error.UnknownOption");
        assert_string_equal(take(1, "U32", "u", 1, "after"), "org.bpfkeeper1.Error.UnknownOption");
        /* Behind one that was read, so that what was read has to be freed. */
        assert_string_equal(take(2, "string", "s", "x", "u", "u", 1, "after"),
                            "org.bpfkeeper1.Error.UnknownOption");
}

static void wrong_type_is_refused(void **state)
{
        (void)state;
        assert_string_equal(take(1, "u32", "s", "1", "after"), "org.bpfkeeper1.Error.WrongType");
        assert_non_null(strstr(pair_error_message(), "'u32'"));
        assert_non_null(strstr(pair_error_message(), "'s'"));
        assert_non_null(strstr(pair_error_message(), "'u'"));
        assert_string_equal(take(1, "u32", "i", 1, "after"), "org.bpfkeeper1.Error.WrongType");
        assert_string_equal(take(1, "u64", "u", 1, "after"), "org.bpfkeeper1.Error.WrongType");
        assert_string_equal(take(1, "fd", "i", 1, "after"), "org.bpfkeeper1.Error.WrongType");
        assert_string_equal(take(1, "flag", "u", 1, "after"), "org.bpfkeeper1.Error.WrongType");
        assert_string_equal(take(1, "string", "o", "/", "after"), "org.bpfkeeper1.Error.WrongType");
        assert_string_equal(take(1, "string", "v", "s", "x", "after"),
                            "org.bpfkeeper1.Error.WrongType");
        assert_string_equal(take(1, "string", "a{sv}", 0, "after"),
                            "org.bpfkeeper1.Error.WrongType");
        assert_string_equal(take(1, "either", "i", 1, "after"), "org.bpfkeeper1.Error.WrongType");
        assert_non_null(strstr(pair_error_message(), "'u' or 's'"));
}

static void twice_is_refused(void **state)
{
        (void)state;
        assert_string_equal(take(2, "u32", "u", 1, "u32", "u", 1, "after"),
                            "org.bpfkeeper1.Error.InvalidArgument");
        assert_non_null(strstr(pair_error_message(), "twice"));
        assert_string_equal(take(3, "string", "s", "a", "u32", "u", 1, "string", "s", "b", "after"),
                            "org.bpfkeeper1.Error.InvalidArgument");
}

static void a_readers_error_is_the_answer(void **state)
{
        (void)state;
        assert_string_equal(take(1, "refusing", "s", "x", "after"),
                            "org.bpfkeeper1.Error.HookBusy");
        assert_string_equal(pair_error_message(), "No.");
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
        const struct CMUnitTest tests[] = {
                TEST(none),
                TEST(all_readers),
                TEST(unknown_is_refused),
                TEST(wrong_type_is_refused),
                TEST(twice_is_refused),
                TEST(a_readers_error_is_the_answer),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
