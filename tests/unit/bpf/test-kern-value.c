/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <math.h>

#include "test-util.h"

#include <bpf/btf.h>

#include "kern-value.h"

/* Values of every shape, into the variables of values.bpf.c, by that object's BTF alone. */

static struct btf *btf;

static int read_btf(void **state)
{
        char path[512];

        (void)state;
        snprintf(path, sizeof(path), "%s/values.bpf.o", getenv("TEST_PROGRAMS") ?: ".");
        btf = btf__parse(path, NULL);
        return btf ? 0 : -1;
}

static int free_btf(void **state)
{
        (void)state;
        btf__free(btf);
        return 0;
}

static KernValue number(uint64_t n)
{
        return (KernValue){.kind = KERN_VALUE_UNSIGNED, .number = n};
}

static KernValue below(int64_t n)
{
        return (KernValue){.kind = KERN_VALUE_NEGATIVE, .negative = n};
}

static KernValue text(const char *s)
{
        return (KernValue){.kind = KERN_VALUE_TEXT, .text = s};
}

static KernValue boolean(bool b)
{
        return (KernValue){.kind = KERN_VALUE_BOOLEAN, .boolean = b};
}

static KernValue real(double d)
{
        return (KernValue){.kind = KERN_VALUE_REAL, .real = d};
}

static KernValue bytes(const void *data, size_t size)
{
        return (KernValue){.kind = KERN_VALUE_BYTES, .bytes = {data, size}};
}

#define list(...)                                         \
        ((KernValue){.kind = KERN_VALUE_LIST,             \
                     .list = {(KernValue[]){__VA_ARGS__}, \
                              sizeof((KernValue[]){__VA_ARGS__}) / sizeof(KernValue)}})

static KernValue named(const char *name, KernValue value)
{
        value.name = name;
        return value;
}

#define members(...)                                      \
        ((KernValue){.kind = KERN_VALUE_MEMBERS,          \
                     .list = {(KernValue[]){__VA_ARGS__}, \
                              sizeof((KernValue[]){__VA_ARGS__}) / sizeof(KernValue)}})

/* Behind the variable nothing may be written. */
static uint8_t memory[512];
static KernDiag diag;

static int write_to(const char *name, KernValue value, size_t *ret_size, uint32_t *ret_type)
{
        int32_t var = btf__find_by_name_kind(btf, name, BTF_KIND_VAR);
        int64_t size;
        int r;

        if (var < 0)
                fail_msg("no variable %s", name);
        *ret_type = btf__type_by_id(btf, (uint32_t)var)->type;
        size = btf__resolve_size(btf, *ret_type);
        assert_true(size > 0 && size <= (int64_t)sizeof(memory) / 2);
        *ret_size = (size_t)size;
        kern_diag_clear(&diag);
        memset(memory, 0x55, sizeof(memory));
        memset(memory, 0, *ret_size);
        r = kern_value_write(btf, *ret_type, name, &value, memory, *ret_size, &diag);
        for (size_t i = *ret_size; i < sizeof(memory); i++)
                assert_int_equal(memory[i], 0x55);
        return r;
}

/* What was written is what is shown again. */
static void assert_fits(const char *name, KernValue value, const char *shown)
{
        char buffer[512];
        uint32_t type;
        size_t size;

        if (write_to(name, value, &size, &type) < 0)
                fail_msg("%s", diag.message);
        assert_string_equal(kern_value_format(btf, type, memory, size, buffer, sizeof(buffer)),
                            shown);
}

static void assert_misfit(const char *name, KernValue value, const char *message)
{
        uint32_t type;
        size_t size;

        if (write_to(name, value, &size, &type) >= 0)
                fail_msg("%s takes what it shouldn't: %s", name, message);
        assert_string_equal(diag.message, message);
}

static void test_integers(void **state)
{
        int32_t five = 5;

        (void)state;
        assert_fits("small", number(255), "255");
        assert_fits("small", text("255"), "255");
        assert_fits("small", text("0xff"), "255");
        assert_fits("negative", below(-128), "-128");
        assert_fits("negative", text("-128"), "-128");
        assert_fits("negative", number(127), "127");
        assert_fits("large", number(UINT64_MAX), "18446744073709551615");
        assert_fits("large", text("18446744073709551615"), "18446744073709551615");
        assert_fits("deep", below(INT64_MIN), "-9223372036854775808");
        assert_fits("deep", text("-0x8000000000000000"), "-9223372036854775808");
        assert_fits("deep", number(INT64_MAX), "9223372036854775807");
        assert_fits("letter", number(65), "65");
        assert_fits("which", text("-0"), "0");
        assert_fits("which", bytes(&five, 4), "5");

        assert_misfit("small", number(256), "small is __u8: 0 to 255, not 256.");
        assert_misfit("small", below(-1), "small is __u8: 0 to 255, not -1.");
        assert_misfit("negative", number(128), "negative is __s8: -128 to 127, not 128.");
        assert_misfit("which", number(4294967296),
                      "which is __u32: 0 to 4294967295, not 4294967296.");
        assert_misfit("which", text("many"), "which is __u32: 0 to 4294967295, not \"many\".");
        assert_misfit("which", text("1e3"), "which is __u32: 0 to 4294967295, not \"1e3\".");
        assert_misfit("which", text(" 1"), "which is __u32: 0 to 4294967295, not \" 1\".");
        assert_misfit("which", text("+1"), "which is __u32: 0 to 4294967295, not \"+1\".");
        assert_misfit("which", text(""), "which is __u32: 0 to 4294967295, not \"\".");
        assert_misfit("which", text("-"), "which is __u32: 0 to 4294967295, not \"-\".");
        assert_misfit("which", text("0x"), "which is __u32: 0 to 4294967295, not \"0x\".");
        /* Octal to one, bytes to another */
        assert_misfit("which", text("0011"), "which is __u32: 0 to 4294967295, not \"0011\".");
        assert_misfit("which", real(1), "which is __u32: 0 to 4294967295, not 1.");
        assert_misfit("which", boolean(true), "which is __u32: 0 to 4294967295, not true.");
        assert_misfit("which", list(number(1)),
                      "which is __u32: 0 to 4294967295, not a list of 1.");
        assert_misfit("which", bytes(&five, 3), "which is __u32, which has 4 bytes, not 3.");
        assert_misfit("large", text("18446744073709551616"),
                      "large is __u64: 0 to 18446744073709551615, not \"18446744073709551616\".");
        assert_misfit("deep", text("-9223372036854775809"),
                      "deep is __s64: -9223372036854775808 to 9223372036854775807, not "
                      "\"-9223372036854775809\".");
        assert_misfit("huge", number(1), "huge is __int128, which can be given as 16 bytes only.");
}

static void test_words(void **state)
{
        (void)state;
        assert_fits("flag", boolean(true), "true");
        assert_fits("flag", text("true"), "true");
        assert_fits("flag", text("false"), "false");
        assert_fits("flag", number(1), "true");
        assert_misfit("flag", number(2), "flag is _Bool: true or false, not 2.");
        assert_misfit("flag", text("yes"), "flag is _Bool: true or false, not \"yes\".");

        assert_fits("mode", text("MODE_MAX"), "MODE_MAX");
        assert_fits("mode", number(7), "MODE_ON");
        assert_fits("mode", number(3), "3");
        assert_misfit("mode", text("MODE"),
                      "mode is enum mode: MODE_OFF, MODE_ON, MODE_MAX, not \"MODE\".");
        assert_misfit("mode", number(4294967296),
                      "mode is enum mode: MODE_OFF, MODE_ON, MODE_MAX, not 4294967296.");
        assert_fits("level", text("LEVEL_LOW"), "LEVEL_LOW");
        assert_fits("level", below(-3), "LEVEL_LOW");
        assert_fits("wide", number(1),
                    btf__type_cnt(btf) > 0 &&
                                    btf__find_by_name_kind(btf, "wide", BTF_KIND_ENUM64) > 0
                            ? "WIDE_ONE"
                            : "1");

        assert_fits("real", real(0.25), "0.25");
        assert_fits("real", number(3), "3");
        assert_fits("real", text("-1e3"), "-1000");
        assert_fits("half", real(0.5), "0.5");
        assert_misfit("half", text("x"), "half is float: a number, not \"x\".");
        assert_fits("half", text("inf"), "inf");
        assert_fits("real", text("-Infinity"), "-inf");
        assert_fits("half", real(INFINITY), "inf");
        assert_fits("half", text("3e38"), "3.00000001e+38");
        assert_misfit("half", text("1e39"),
                      "half is float: -3.4028235e38 to 3.4028235e38, not \"1e39\".");
        assert_misfit(
                "half", real(-1e300),
                "half is float: -3.4028235e38 to 3.4028235e38, not -1.0000000000000001e+300.");
        assert_misfit("real", text("1e400"),
                      "real is double: -1.7976931348623157e308 to 1.7976931348623157e308, not "
                      "\"1e400\".");
}

static void test_arrays(void **state)
{
        const uint8_t address[] = {0, 1, 2, 3, 4, 0xff};

        (void)state;
        assert_fits("comm", text("bash"), "\"bash\"");
        assert_fits("comm", text(""), "\"\"");
        assert_fits("comm", text("fifteen letters"), "\"fifteen letters\"");
        assert_fits("comm", text("a \"quoted\"\n"), "\"a \\\"quoted\\\"\\u000a\"");
        assert_misfit("comm", text("sixteen letters!"),
                      "comm is char[16]: text of at most 15 bytes, not \"sixteen letters!\".");
        assert_misfit("comm", number(1),
                      "comm is char[16]: text, a list of 16 numbers, or 16 bytes, not 1.");

        assert_fits("mac", bytes(address, 6), "[0,1,2,3,4,255]");
        assert_fits("mac", list(number(0), number(1), number(2), number(3), number(4), number(255)),
                    "[0,1,2,3,4,255]");
        assert_misfit("mac",
                      list(number(0), number(1), number(2), number(3), number(4), number(5),
                           number(6)),
                      "mac is address: it takes 6 values, and 7 were given.");
        assert_misfit("mac",
                      list(number(0), number(1), number(2), number(256), number(4), number(5)),
                      "mac[3] is __u8: 0 to 255, not 256.");
        assert_misfit("mac", text("00:11:22"),
                      "mac is address: a list of 6 values, or 6 bytes, not \"00:11:22\".");
        assert_misfit("mac", bytes(address, 5), "mac is address, which has 6 bytes, not 5.");

        assert_fits("table",
                    list(list(number(1), number(2), number(3)),
                         list(text("4"), number(5), number(6))),
                    "[[1,2,3],[4,5,6]]");
        assert_misfit("table", list(list(number(1), number(2), number(3)), list(number(4))),
                      "table[1] is __u16[3]: it takes 3 values, and 1 were given.");
        assert_misfit("table", number(1),
                      "table is __u16[2][3]: a list of 2 values, or 12 bytes, "
                      "not 1.");
        assert_fits("words", list(text("ab"), text("xyz")), "[\"ab\",\"xyz\"]");
}

static void test_members(void **state)
{
        const KernValue limits = members(named("rate", number(3)), named("burst", below(-4)));
        const char *nothing = "{\"limits\":[{\"rate\":0,\"burst\":0},{\"rate\":0,\"burst\":0}],"
                              "\"mode\":\"MODE_OFF\",\"enabled\":false,\"name\":\"\","
                              "\"mac\":[0,0,0,0,0,0],\"v4\":0,\"either\":{\"number\":0},\"low\":0,"
                              "\"middle\":0,\"high\":0,\"narrow\":\"MODE_OFF\","
                              "\"pointer\":\"hex:0000000000000000\"}";
        KernValue nobody = {.kind = KERN_VALUE_MEMBERS};

        (void)state;
        assert_fits("config", nobody, nothing);
        assert_fits("config",
                    members(named("limits", list(nobody, limits)), named("mode", text("MODE_ON")),
                            named("enabled", boolean(true)), named("name", text("eth0")),
                            named("v4", number(0x01020304)),
                            named("either", members(named("number", number(7)))),
                            named("low", number(7)), named("middle", number(131071)),
                            named("high", below(-2048)), named("narrow", text("MODE_ON"))),
                    "{\"limits\":[{\"rate\":0,\"burst\":0},{\"rate\":3,\"burst\":-4}],"
                    "\"mode\":\"MODE_ON\",\"enabled\":true,\"name\":\"eth0\","
                    "\"mac\":[0,0,0,0,0,0],\"v4\":16909060,\"either\":{\"number\":7},\"low\":7,"
                    "\"middle\":131071,\"high\":-2048,\"narrow\":\"MODE_ON\","
                    "\"pointer\":\"hex:0000000000000000\"}");

        assert_misfit("config", members(named("foo", number(1))),
                      "config is struct config, which has no member \"foo\"; it has limits, mode, "
                      "enabled, name, mac, v4, v6, either, low, middle, high, narrow, pointer.");
        assert_misfit("config",
                      members(named("limits", list(limits, members(named("rate", below(-1)))))),
                      "config.limits[1].rate is __u32: 0 to 4294967295, not -1.");
        assert_misfit("config", members(named("low", number(8))),
                      "config.low is __u32: 0 to 7, not 8.");
        assert_misfit("config", members(named("high", number(2048))),
                      "config.high is __s32: -2048 to 2047, not 2048.");
        assert_misfit("config", members(named("low", bytes("", 0))),
                      "config.low is __u32: 0 to 7, not 0 bytes.");
        assert_misfit("config", members(named("either", nobody)),
                      "config.either is union: it takes one of number, text, and 0 were given.");
        assert_misfit("config",
                      members(named("either",
                                    members(named("number", number(1)), named("text", text(""))))),
                      "config.either is union: it takes one of number, text, and 2 were given.");
        assert_misfit("config", members(named("low", number(1)), named("low", number(1))),
                      "config.low is given twice.");
        assert_misfit("config", members(named("pointer", number(1))),
                      "config.pointer is pointer, which can be given as 8 bytes only.");
        assert_misfit("config", text("x"),
                      "config is struct config: its members by name, or its bytes, not \"x\".");
}

/* What there is no room for ends in a sign for it, and is UTF-8 all the same. */
static void test_short_of_room(void **state)
{
        char buffer[64];
        uint32_t type;
        size_t size;

        (void)state;
        assert_int_equal(write_to("comm", text("ααααααα"), &size, &type), 0);
        assert_string_equal(kern_value_format(btf, type, memory, size, buffer, 64), "\"ααααααα\"");
        assert_string_equal(kern_value_format(btf, type, memory, size, buffer, 10), "\"αα…");
        assert_string_equal(kern_value_format(btf, type, memory, size, buffer, 9), "\"αα…");
        assert_string_equal(kern_value_format(btf, type, memory, size, buffer, 8), "\"α…");
}

/* Types that only a hostile file has: in themselves, without end, larger than their variable. */
static void test_hostile_types(void **state)
{
        struct btf *own = btf__new_empty();
        KernValue values[40], five = number(5);
        KernValue value = list(number(1));
        char buffer[64];
        int loop, number_type, own_part, wide, many;

        (void)state;
        assert_non_null(own);
        number_type = btf__add_int(own, "int", 4, BTF_INT_SIGNED);
        loop = btf__add_typedef(own, "loop", (int)btf__type_cnt(own));
        assert_true(number_type > 0 && loop > 0);
        assert_int_equal(kern_value_write(own, (uint32_t)loop, "x", &five, memory, 4, NULL),
                         -EBADMSG);
        kern_value_type_name(own, (uint32_t)loop, buffer, sizeof(buffer));
        kern_value_format(own, (uint32_t)loop, memory, 4, buffer, sizeof(buffer));

        /* Nameless parts of itself, twice: 2^32 ways to look for what isn't there */
        own_part = btf__add_struct(own, "own", 8);
        assert_int_equal(btf__add_field(own, NULL, own_part, 0, 0), 0);
        assert_int_equal(btf__add_field(own, NULL, own_part, 0, 0), 0);
        value = members(named("x", number(1)));
        assert_int_equal(kern_value_write(own, (uint32_t)own_part, "x", &value, memory, 8, NULL),
                         -E2BIG);
        kern_value_format(own, (uint32_t)own_part, memory, 8, buffer, sizeof(buffer));

        /* A member and a size that lie behind the variable's end */
        wide = btf__add_struct(own, "wide", 1024);
        assert_int_equal(btf__add_field(own, "end", number_type, 1020 * 8, 0), 0);
        value = members(named("end", number(1)));
        assert_int_equal(kern_value_write(own, (uint32_t)wide, "x", &value, memory, 8, NULL),
                         -EBADMSG);
        kern_value_format(own, (uint32_t)wide, memory, 8, buffer, sizeof(buffer));

        many = btf__add_array(own, number_type, number_type, 1U << 29);
        value = list(number(1));
        assert_int_equal(kern_value_write(own, (uint32_t)many, "x", &value, memory, 8, NULL),
                         -EBADMSG);
        kern_value_format(own, (uint32_t)many, memory, 8, buffer, sizeof(buffer));

        /* Lists in lists, deeper than any type */
        for (size_t i = 0; i < KERN_ELEMENTSOF(values); i++)
                values[i] =
                        i == 0 ? number(1)
                               : (KernValue){.kind = KERN_VALUE_LIST, .list = {&values[i - 1], 1}};
        many = btf__add_array(own, number_type, number_type, 1);
        for (size_t i = 1; i < KERN_ELEMENTSOF(values); i++)
                many = btf__add_array(own, number_type, many, 1);
        assert_true(kern_value_write(own, (uint32_t)many, "x", &values[KERN_ELEMENTSOF(values) - 1],
                                     memory, 4, NULL) < 0);
        kern_value_format(own, (uint32_t)many, memory, 4, buffer, sizeof(buffer));
        assert_true(kern_value_write(own, 0, "x", &five, memory, 4, NULL) < 0);
        assert_true(kern_value_write(own, 12345, "x", &five, memory, 4, NULL) < 0);
        assert_string_equal(kern_value_format(own, 12345, memory, 4, buffer, sizeof(buffer)),
                            "null");
        btf__free(own);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_integers),      cmocka_unit_test(test_words),
                cmocka_unit_test(test_arrays),        cmocka_unit_test(test_members),
                cmocka_unit_test(test_short_of_room), cmocka_unit_test(test_hostile_types),
        };

        return cmocka_run_group_tests(tests, read_btf, free_btf);
}
