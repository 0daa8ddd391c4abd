/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include <bpf/bpf.h>

#include "kern-diag.h"
#include "kern-object.h"
#include "kern-util.h"

/*
 * Helpers of the tests of bpf/. TEST_PROGRAMS is the folder with the compiled test programs. A test
 * file that needs the kernel's bpf() ends with 77, which Meson calls skipped, where it can't have it.
 */

#define EXIT_SKIPPED 77

static inline int open_program(const char *name)
{
        char path[512];
        int fd;

        snprintf(path, sizeof(path), "%s/%s.bpf.o", getenv("TEST_PROGRAMS") ?: ".", name);
        fd = open(path, O_RDONLY | O_CLOEXEC);
        if (fd < 0)
                fail_msg("%s: %s (is TEST_PROGRAMS set?)", path, strerror(errno));
        return fd;
}

static inline KernGlobalWish bytes_of(const char *name, const void *data, size_t size)
{
        return (KernGlobalWish){
                .name = name,
                .value = {.kind = KERN_VALUE_BYTES, .bytes = {data, size}},
        };
}

/* Loads programs of a test object; fails the test with the diagnosis. */
static inline KernObject *load_wishes(const char *file, const KernLoadOptions *options)
{
        KERN_AUTO_CLOSE int fd = open_program(file);
        KernObject *object = NULL;
        KernDiag diag = {0};

        if (kern_object_load(fd, options, &object, &diag) < 0)
                fail_msg("%s: %s", file, diag.message);
        return object;
}

static inline KernObject *load(const char *file)
{
        KernLoadOptions options = KERN_LOAD_OPTIONS_INIT;

        return load_wishes(file, &options);
}

static inline KernLoadedProgram *program_of(KernObject *object, const char *name)
{
        for (size_t i = 0; i < object->n_programs; i++)
                if (strcmp(object->programs[i].name, name) == 0)
                        return &object->programs[i];
        fail_msg("no program %s", name);
        return NULL;
}

static inline KernLoadedMap *map_of(KernObject *object, const char *name)
{
        for (size_t i = 0; i < object->n_maps; i++)
                if (strcmp(object->maps[i].name, name) == 0)
                        return &object->maps[i];
        fail_msg("no map %s", name);
        return NULL;
}

/* What a test program counted at that place. */
static inline uint64_t hits_of(KernObject *object, uint32_t index)
{
        uint64_t value = 0;

        assert_int_equal(bpf_map_lookup_elem(map_of(object, "hits")->fd, &index, &value), 0);
        return value;
}

static inline int may_bpf(void)
{
        int fd = bpf_map_create(BPF_MAP_TYPE_ARRAY, NULL, 4, 8, 1, NULL);

        if (fd < 0) {
                fprintf(stderr, "skipped: this process may not use bpf(2): %s\n", strerror(errno));
                return 0;
        }
        close(fd);
        return 1;
}

/* How often the tests with damaged files repeat: $TEST_ROUNDS, for longer searches. */
static inline unsigned rounds_or(unsigned otherwise)
{
        const char *text = getenv("TEST_ROUNDS");

        return text ? (unsigned)strtoul(text, NULL, 10) : otherwise;
}
