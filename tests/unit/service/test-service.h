/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <glib.h>
#include <glib/gstdio.h>
#include <string.h>

#include "registry.h"

/* What several tests of the service need: loads and links with something in every field. */

static inline KernProgramInfo sample_program_info(uint32_t id, size_t n_maps, const uint32_t *maps)
{
        KernProgramInfo info = {
                .id = id,
                .prog_type = BPF_PROG_TYPE_XDP,
                .name = "kernel_name",
                .tag = "0011223344556677",
                .gpl_compatible = true,
                .n_map_ids = n_maps,
        };

        for (size_t i = 0; i < n_maps; i++)
                info.map_ids[i] = maps[i];
        return info;
}

static inline KernMapInfo sample_map_info(uint32_t id)
{
        return (KernMapInfo){
                .id = id,
                .map_type = BPF_MAP_TYPE_ARRAY,
                .name = "kernel_map",
                .key_size = 4,
                .value_size = 8,
                .max_entries = 1,
        };
}

static inline void sample_add_program(Load *load, uint32_t id, size_t n_maps, const uint32_t *maps)
{
        KernProgramInfo info = sample_program_info(id, n_maps, maps);

        load_add_program(load, kern_type_find("xdp"), "program", "xdp", &info);
}

static inline void sample_add_map(Load *load, uint32_t id)
{
        KernMapInfo info = sample_map_info(id);

        assert_int_equal(load_add_map(load, "map", false, &info), 0);
}

G_GNUC_UNUSED static inline Link *sample_link(uint32_t id, uid_t owner, uint32_t program_id)
{
        Program program = {.pub = {.id = program_id, .name = (char *)"program"}};
        KernHook hook = KERN_HOOK_INIT;

        hook.type = kern_type_find("xdp");
        hook.ifindex = 2;
        return link_new(id, owner, &program, &hook);
}

G_GNUC_UNUSED static inline char *make_directory(void)
{
        char *path = g_dir_make_tmp("bpfkeeper-test-XXXXXX", NULL);

        assert_non_null(path);
        return path;
}

G_GNUC_UNUSED static inline void remove_tree(const char *path)
{
        g_autoptr(GDir) dir = g_dir_open(path, 0, NULL);
        const char *name;

        while (dir && (name = g_dir_read_name(dir))) {
                g_autofree char *child = g_build_filename(path, name, NULL);

                if (g_file_test(child, G_FILE_TEST_IS_DIR) &&
                    !g_file_test(child, G_FILE_TEST_IS_SYMLINK))
                        remove_tree(child);
                else
                        g_unlink(child);
        }
        g_rmdir(path);
}

/* Runs the main loop until @done is true, or fails the test. */
#define run_until(done)                                                                  \
        do {                                                                             \
                gint64 end_ = g_get_monotonic_time() + 20 * G_USEC_PER_SEC;              \
                guint wake_ = g_timeout_add(20, G_SOURCE_FUNC(service_test_wake), NULL); \
                                                                                         \
                while (!(done) && g_get_monotonic_time() < end_)                         \
                        (void)g_main_context_iteration(NULL, TRUE);                      \
                g_source_remove(wake_);                                                  \
                assert_true(done);                                                       \
        } while (0)

G_GNUC_UNUSED static gboolean service_test_wake(gpointer userdata)
{
        (void)userdata;
        return G_SOURCE_CONTINUE;
}

/* Runs the main loop for a while, in which nothing is expected. */
G_GNUC_UNUSED static inline void run_for(unsigned msec)
{
        gint64 end = g_get_monotonic_time() + msec * 1000;
        guint wake = g_timeout_add(20, service_test_wake, NULL);

        while (g_get_monotonic_time() < end)
                (void)g_main_context_iteration(NULL, TRUE);
        g_source_remove(wake);
}
