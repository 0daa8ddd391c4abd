/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "test-service.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "foreign.h"

#define UID 1000

static Quota *quota;
static Registry *registry;

/* What would be said on the bus: "+p42 ~m7.Programs -l1 " */
static GString *said;

void __wrap_bus_api_emit_added(BusApi *api, BusKind kind, uint32_t id);
void __wrap_bus_api_emit_removed(BusApi *api, BusKind kind, uint32_t id);
void __wrap_bus_api_emit_changed(BusApi *api, BusKind kind, uint32_t id, const char *property);

/* What sd-bus does then: it looks the object up. */
static void assert_is_there(BusKind kind, uint32_t id)
{
        switch (kind) {
        case BUS_PROGRAM:
                assert_non_null(registry_any_program(registry, id));
                break;
        case BUS_MAP:
                assert_non_null(registry_any_map(registry, id));
                break;
        default:
                assert_non_null(registry_link(registry, id));
        }
}

void __wrap_bus_api_emit_added(BusApi *api, BusKind kind, uint32_t id)
{
        (void)api;
        assert_is_there(kind, id);
        g_string_append_printf(said, "+%c%u ", "pml"[kind], id);
}

void __wrap_bus_api_emit_removed(BusApi *api, BusKind kind, uint32_t id)
{
        (void)api;
        assert_is_there(kind, id);
        g_string_append_printf(said, "-%c%u ", "pml"[kind], id);
}

void __wrap_bus_api_emit_changed(BusApi *api, BusKind kind, uint32_t id, const char *property)
{
        (void)api;
        assert_is_there(kind, id);
        g_string_append_printf(said, "~%c%u.%s ", "pml"[kind], id, property);
}

/* The kernel: ids of programs and of maps, ascending, ending with 0; each descriptor is the last. */
static uint32_t kernel_programs[8], kernel_maps[8], opened;

static int next_id(const uint32_t *ids, uint32_t id, uint32_t *ret)
{
        for (; *ids; ids++)
                if (*ids > id) {
                        *ret = *ids;
                        return 0;
                }
        return -ENOENT;
}

static int open_id(const uint32_t *ids, uint32_t id)
{
        for (; *ids; ids++)
                if (*ids == id) {
                        opened = id;
                        return open("/dev/null", O_RDONLY | O_CLOEXEC);
                }
        return -ENOENT;
}

int __wrap_kern_program_next_id(uint32_t id, uint32_t *ret);
int __wrap_kern_program_open_id(uint32_t id);
int __wrap_kern_program_info(int fd, KernProgramInfo *ret);
int __wrap_kern_map_next_id(uint32_t id, uint32_t *ret);
int __wrap_kern_map_open_id(uint32_t id);
int __wrap_kern_map_info(int fd, KernMapInfo *ret);

int __wrap_kern_program_next_id(uint32_t id, uint32_t *ret)
{
        return next_id(kernel_programs, id, ret);
}

int __wrap_kern_program_open_id(uint32_t id)
{
        return open_id(kernel_programs, id);
}

int __wrap_kern_program_info(int fd, KernProgramInfo *ret)
{
        assert_true(fd >= 0);
        *ret = sample_program_info(opened, 0, NULL);
        /* Whoever loaded it may have called it anything. */
        g_strlcpy(ret->name, "na\xffme", sizeof(ret->name));
        return 0;
}

int __wrap_kern_map_next_id(uint32_t id, uint32_t *ret)
{
        return next_id(kernel_maps, id, ret);
}

int __wrap_kern_map_open_id(uint32_t id)
{
        return open_id(kernel_maps, id);
}

int __wrap_kern_map_info(int fd, KernMapInfo *ret)
{
        assert_true(fd >= 0);
        *ret = sample_map_info(opened);
        return 0;
}

static int set_up(void **state)
{
        (void)state;
        memset(kernel_programs, 0, sizeof(kernel_programs));
        memset(kernel_maps, 0, sizeof(kernel_maps));
        said = g_string_new(NULL);
        quota = quota_new();
        registry = registry_new(quota);
        /* Never looked into, since what would is wrapped. */
        registry_set_api(registry, (BusApi *)registry);
        return 0;
}

static int tear_down(void **state)
{
        (void)state;
        registry_free(registry);
        quota_free(quota);
        g_string_free(said, TRUE);
        return 0;
}

#define assert_said(words)                             \
        do {                                           \
                assert_string_equal(said->str, words); \
                g_string_truncate(said, 0);            \
        } while (0)

static char *words(const GArray *ids)
{
        GString *s = g_string_new(NULL);

        for (guint i = 0; i < ids->len; i++)
                g_string_append_printf(s, "%u ", g_array_index(ids, uint32_t, i));
        return g_string_free(s, FALSE);
}

static void assert_ids_equal(const GArray *ids, const char *expected)
{
        g_autofree char *s = words(ids);

        assert_string_equal(s, expected);
}

static void assert_all_ids(BusKind kind, const char *expected)
{
        g_autoptr(GArray) ids = registry_ids(registry, kind);

        assert_ids_equal(ids, expected);
}

static int compare_ids(gconstpointer a, gconstpointer b)
{
        return (int)(*(const uint32_t *)a - *(const uint32_t *)b);
}

static void assert_same_ids(GArray *ids, const char *expected)
{
        g_array_sort(ids, compare_ids);
        assert_ids_equal(ids, expected);
}

/* Removes a program and compares what the caller is told to do with the files. */
static void remove_program(uint32_t id, const char *maps_gone, const char *loads_changed,
                           const char *loads_gone)
{
        g_autoptr(GArray) maps = g_array_new(FALSE, FALSE, sizeof(uint32_t));
        g_autoptr(GArray) changed = g_array_new(FALSE, FALSE, sizeof(uint32_t));
        g_autoptr(GArray) gone = g_array_new(FALSE, FALSE, sizeof(uint32_t));

        registry_remove_program(registry, registry_program(registry, id), maps, changed, gone);
        assert_null(registry_program(registry, id));
        assert_same_ids(maps, maps_gone);
        assert_same_ids(changed, loads_changed);
        assert_same_ids(gone, loads_gone);
}

/* What @uid may still have of it. */
static unsigned room(Quota *q, Charge charge)
{
        unsigned n = 0;

        while (quota_charge(q, UID, charge, 1, NULL))
                n++;
        if (n > 0)
                quota_release(q, UID, charge, n);
        return n;
}

static void assert_charged(unsigned programs, unsigned maps, unsigned links)
{
        const unsigned expected[] = {
                [CHARGE_PROGRAMS] = programs,
                [CHARGE_MAPS] = maps,
                [CHARGE_LINKS] = links,
        };
        g_autoptr(Quota) unused = quota_new();

        for (unsigned c = CHARGE_PROGRAMS; c <= CHARGE_LINKS; c++)
                assert_int_equal(room(unused, (Charge)c) - room(quota, (Charge)c), expected[c]);
        /* Nobody is charged for what is gone. */
        for (unsigned c = 0; programs + maps + links == 0 && c < _CHARGE_MAX; c++)
                assert_int_equal(room(unused, (Charge)c), room(quota, (Charge)c));
}

#define IDS(...)                                              \
        (sizeof((uint32_t[]){__VA_ARGS__}) / 4), (uint32_t[]) \
        {                                                     \
                __VA_ARGS__                                   \
        }

/* Load 1: programs 10 and 11, map 20 that both use, and map 21 that no code names. */
static void add_first(void)
{
        Load *load =
                load_new(1, UID, "app", (char *[]){(char *)"k", (char *)"v", NULL}, "sha256:1");

        sample_add_map(load, 20);
        sample_add_map(load, 21);
        sample_add_program(load, 10, IDS(20));
        sample_add_program(load, 11, IDS(20));
        registry_add_load(registry, load);
}

/* Load 2: program 12, which uses map 20 of load 1 and its own map 22. */
static void add_second(void)
{
        Load *load = load_new(2, UID, "", NULL, "sha256:2");

        sample_add_map(load, 22);
        sample_add_program(load, 12, IDS(20, 22));
        registry_add_load(registry, load);
}

static void a_load_is_published(void **state)
{
        const Program *p;
        const Map *m;

        (void)state;
        assert_true(registry_is_empty(registry));
        add_first();
        /* Maps first: whoever hears of a program can look at its maps. */
        assert_said("+m20 +m21 +p10 +p11 ");
        assert_false(registry_is_empty(registry));
        assert_charged(2, 2, 0);
        p = registry_program(registry, 10);
        assert_string_equal(p->pub.name, "program");
        assert_string_equal(p->pub.type, "xdp");
        assert_string_equal(p->pub.application, "app");
        assert_string_equal(p->pub.source_digest, "sha256:1");
        assert_string_equal(p->pub.metadata[1], "v");
        assert_int_equal(p->pub.owner_uid, UID);
        assert_true(p->pub.managed);
        assert_ids_equal(p->pub.maps, "20 ");
        m = registry_map(registry, 20);
        assert_string_equal(m->pub.name, "map");
        assert_true(m->pub.managed);
        assert_ids_equal(m->pub.programs, "10 11 ");
        assert_ids_equal(registry_map(registry, 21)->pub.programs, "");
        assert_all_ids(BUS_PROGRAM, "10 11 ");
        assert_all_ids(BUS_MAP, "20 21 ");
        assert_all_ids(BUS_LINK, "");
        assert_non_null(registry_load(registry, 1));
        assert_null(registry_load(registry, 2));
        assert_null(registry_program(registry, 20));
}

static void programs_go_one_by_one(void **state)
{
        (void)state;
        add_first();
        g_string_truncate(said, 0);
        remove_program(11, "", "1 ", "");
        assert_said("-p11 ~m20.Programs ");
        assert_ids_equal(registry_map(registry, 20)->pub.programs, "10 ");
        assert_charged(1, 2, 0);
        /* With the last one go the maps, also the one that no code names. */
        remove_program(10, "20 21 ", "", "1 ");
        assert_said("-p10 -m21 -m20 ");
        assert_null(registry_map(registry, 20));
        assert_charged(0, 0, 0);
        assert_true(registry_is_empty(registry));
}

static void a_map_lives_for_programs_of_others(void **state)
{
        (void)state;
        add_first();
        add_second();
        assert_said("+m20 +m21 +p10 +p11 ~m20.Programs +m22 +p12 ");
        assert_ids_equal(registry_map(registry, 20)->pub.programs, "10 11 12 ");
        remove_program(10, "", "1 ", "");
        remove_program(11, "21 ", "1 ", "");
        /* Load 1 has no programs any more, but lives. */
        assert_non_null(registry_load(registry, 1));
        assert_ids_equal(registry_map(registry, 20)->pub.programs, "12 ");
        assert_charged(1, 2, 0);
        g_string_truncate(said, 0);
        remove_program(12, "20 22 ", "", "1 2 ");
        assert_null(registry_load(registry, 1));
        assert_null(registry_load(registry, 2));
        assert_true(registry_is_empty(registry));
        assert_charged(0, 0, 0);
}

static void others_go_first(void **state)
{
        (void)state;
        add_first();
        add_second();
        g_string_truncate(said, 0);
        remove_program(12, "22 ", "", "2 ");
        assert_said("-p12 ~m20.Programs -m22 ");
        assert_ids_equal(registry_map(registry, 20)->pub.programs, "10 11 ");
        remove_program(10, "", "1 ", "");
        remove_program(11, "20 21 ", "", "1 ");
        assert_true(registry_is_empty(registry));
}

static void links_come_and_go(void **state)
{
        (void)state;
        add_first();
        g_string_truncate(said, 0);
        registry_add_link(registry, sample_link(1, UID, 10));
        registry_add_link(registry, sample_link(2, UID, 10));
        assert_said("+l1 ~p10.Links +l2 ~p10.Links ");
        assert_ids_equal(registry_program(registry, 10)->pub.links, "1 2 ");
        assert_all_ids(BUS_LINK, "1 2 ");
        assert_charged(2, 2, 2);
        registry_remove_link(registry, registry_link(registry, 1));
        assert_said("-l1 ~p10.Links ");
        assert_null(registry_link(registry, 1));
        assert_ids_equal(registry_program(registry, 10)->pub.links, "2 ");
        assert_charged(2, 2, 1);
        registry_remove_link(registry, registry_link(registry, 2));
        assert_charged(2, 2, 0);
}

/* It is no program of its own, neither ours nor somebody else's. */
static void an_extension_is_its_programs(void **state)
{
        Load *load = load_new(7, UID, "", NULL, "");
        const KernProgramInfo info = sample_program_info(70, 0, NULL);

        (void)state;
        memcpy(kernel_programs, (uint32_t[]){70, 71, 72, 0}, 4 * sizeof(uint32_t));
        load_add_program(load, kern_type_find("xdp"), "p", "xdp", &info)->extension_id = 71;
        registry_add_load(registry, load);
        assert_ptr_equal(registry_extension(registry, 71), registry_program(registry, 70));
        assert_null(registry_any_program(registry, 71));
        assert_all_ids(BUS_PROGRAM, "70 72 ");
}

/* libxdp knows members by their ids alone. */
static void a_member_is_once_on_an_interface(void **state)
{
        Link *one = sample_link(1, UID, 10), *two = sample_link(2, UID, 10);

        (void)state;
        one->attachment.xdp_member = two->attachment.xdp_member = 71;
        one->hook.ifindex = two->hook.ifindex = 3;
        assert_true(registry_claim(registry, one));
        assert_false(registry_claim(registry, two));
        two->hook.ifindex = 4;
        assert_true(registry_claim(registry, two));
        link_free(two);
        two = sample_link(3, UID, 10);
        two->attachment.xdp_member = 71;
        two->hook.ifindex = 3;
        link_free(one);
        assert_true(registry_claim(registry, two));
        link_free(two);
}

/* What recovery finds of a load whose programs are gone. */
static void a_load_without_programs_is_dropped(void **state)
{
        Load *load = load_new(3, UID, "", NULL, "");

        (void)state;
        sample_add_map(load, 30);
        registry_add_load(registry, load);
        registry_drop_load(registry, 3);
        assert_null(registry_map(registry, 30));
        assert_true(registry_is_empty(registry));
        assert_charged(0, 0, 0);
}

/* At start nobody listens yet. */
static void nothing_is_said_without_an_api(void **state)
{
        (void)state;
        registry_set_api(registry, NULL);
        add_first();
        registry_add_link(registry, sample_link(1, UID, 10));
        registry_remove_link(registry, registry_link(registry, 1));
        remove_program(10, "", "1 ", "");
        assert_said("");
}

static void the_end_frees_all(void **state)
{
        (void)state;
        add_first();
        add_second();
        registry_add_link(registry, sample_link(1, UID, 12));
}

static void others_things_are_seen(void **state)
{
        const Program *p;

        (void)state;
        memcpy(kernel_programs, (uint32_t[]){5, 10, 11, 15, 0}, 20);
        memcpy(kernel_maps, (uint32_t[]){6, 20, 21, 0}, 16);
        add_first();
        g_string_truncate(said, 0);
        assert_all_ids(BUS_PROGRAM, "5 10 11 15 ");
        assert_all_ids(BUS_MAP, "6 20 21 ");
        p = registry_any_program(registry, 5);
        assert_non_null(p);
        assert_false(p->pub.managed);
        assert_null(p->load);
        assert_true(g_utf8_validate(p->pub.name, -1, NULL));
        assert_null(registry_program(registry, 5));
        assert_null(registry_any_program(registry, 6));
        /* Announced from the loop, not while sd-bus walks the objects. */
        assert_said("");
        run_until(said->len > 0);
        assert_said("+p5 +p15 +m6 ");
        run_for(50);
        assert_said("");

        /* One is gone, which shows when somebody looks. */
        memcpy(kernel_programs, (uint32_t[]){10, 11, 15, 0}, 16);
        assert_all_ids(BUS_PROGRAM, "10 11 15 ");
        run_until(said->len > 0);
        assert_said("-p5 ");
        assert_null(registry_any_program(registry, 5));
        memcpy(kernel_programs, (uint32_t[]){10, 11, 0}, 12);
        (void)registry_any_program(registry, 15);
        run_until(said->len > 0);
        assert_said("-p15 ");
        assert_null(registry_any_program(registry, 15));
}

/* Somebody lists between the load and its registration: what was foreign becomes the service's. */
static void what_becomes_ours_is_announced_once(void **state)
{
        (void)state;
        memcpy(kernel_programs, (uint32_t[]){10, 11, 0}, 12);
        memcpy(kernel_maps, (uint32_t[]){20, 21, 0}, 12);
        assert_all_ids(BUS_PROGRAM, "10 11 ");
        assert_all_ids(BUS_MAP, "20 21 ");
        add_first();
        assert_said("+m20 +m21 +p10 +p11 ");
        run_for(50);
        assert_said("");
        assert_all_ids(BUS_PROGRAM, "10 11 ");
        run_for(50);
        assert_said("");
}

/* The same after the others were told of it. */
static void what_was_announced_is_taken_back(void **state)
{
        (void)state;
        memcpy(kernel_programs, (uint32_t[]){10, 0}, 8);
        assert_all_ids(BUS_PROGRAM, "10 ");
        run_until(said->len > 0);
        assert_said("+p10 ");
        add_first();
        assert_said("-p10 +m20 +m21 +p10 +p11 ");
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
        const struct CMUnitTest tests[] = {
                TEST(a_load_is_published),
                TEST(programs_go_one_by_one),
                TEST(a_map_lives_for_programs_of_others),
                TEST(others_go_first),
                TEST(links_come_and_go),
                TEST(an_extension_is_its_programs),
                TEST(a_member_is_once_on_an_interface),
                TEST(a_load_without_programs_is_dropped),
                TEST(nothing_is_said_without_an_api),
                TEST(the_end_frees_all),
                TEST(others_things_are_seen),
                TEST(what_becomes_ours_is_announced_once),
                TEST(what_was_announced_is_taken_back),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
