/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

/* Small helpers that the files of bpf/ share; nothing outside includes this. */

#define KERN_CLEANUP(f) __attribute__((cleanup(f)))
#define KERN_ELEMENTSOF(a) (sizeof(a) / sizeof((a)[0]))

static inline void kern_closep(int *fd)
{
        if (*fd >= 0)
                close(*fd);
}

static inline void kern_freep(void *p)
{
        free(*(void **)p);
}

static inline void kern_fclosep(FILE **f)
{
        if (*f)
                fclose(*f);
}

#define KERN_AUTO_CLOSE KERN_CLEANUP(kern_closep)
#define KERN_AUTO_FREE KERN_CLEANUP(kern_freep)
#define KERN_AUTO_FCLOSE KERN_CLEANUP(kern_fclosep)

static inline int kern_take_fd(int *fd)
{
        int taken = *fd;

        *fd = -1;
        return taken;
}

static inline void *kern_take_pointer(void *p)
{
        void *taken = *(void **)p;

        *(void **)p = NULL;
        return taken;
}

/* A mapping that is undone at the end of its scope. */
typedef struct KernMapping {
        void *data;
        size_t size;
        _Bool heap; /* from malloc() */
} KernMapping;

static inline void kern_mapping_done(KernMapping *m)
{
        if (!m->data)
                return;
        if (m->heap)
                free(m->data);
        else
                munmap(m->data, m->size);
        m->data = NULL;
}

#define KERN_AUTO_MAPPING KERN_CLEANUP(kern_mapping_done)

static inline uint64_t kern_pointer(const void *p)
{
        return (uint64_t)(uintptr_t)p;
}
