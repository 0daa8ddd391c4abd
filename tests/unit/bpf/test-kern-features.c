/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "test-util.h"

#include "kern-features.h"

static char names[256][64];
static bool available[256];
static size_t n_found;

static int found(const KernFeature *feature, void *userdata)
{
        assert_ptr_equal(userdata, names);
        assert_true(n_found < KERN_ELEMENTSOF(names));
        snprintf(names[n_found], sizeof(names[0]), "%s", feature->name);
        available[n_found++] = feature->available;
        return 0;
}

static bool has(const char *name)
{
        for (size_t i = 0; i < n_found; i++)
                if (strcmp(names[i], name) == 0)
                        return available[i];
        fail_msg("feature %s was not reported", name);
        return false;
}

static void test_probe(void **state)
{
        (void)state;
        assert_int_equal(kern_features_probe(found, names), 0);
        for (const KernType *t = kern_types; t->name; t++) {
                char name[64];

                snprintf(name, sizeof(name), "load.%s", t->name);
                has(name);
        }
        for (size_t i = 0; i < n_found; i++)
                for (size_t k = 0; k < i; k++)
                        assert_string_not_equal(names[i], names[k]);
        /* what every kernel from 6.1 on has */
        assert_true(has("load.xdp"));
        assert_true(has("load.tracepoint"));
        assert_true(has("link.perf_event"));
        assert_true(has("map.ringbuf"));
        /* nothing attaches that doesn't load */
        if (!has("load.fentry"))
                assert_false(has("attach.fentry"));
        has("freplace");
        has("btf");
}

static int stop(const KernFeature *feature, void *userdata)
{
        (void)feature;
        (*(int *)userdata)++;
        return 42;
}

static void test_stop(void **state)
{
        int calls = 0;

        (void)state;
        assert_int_equal(kern_features_probe(stop, &calls), 42);
        assert_int_equal(calls, 1);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_probe),
                cmocka_unit_test(test_stop),
        };

        if (!may_bpf())
                return EXIT_SKIPPED;
        return cmocka_run_group_tests(tests, NULL, NULL);
}
