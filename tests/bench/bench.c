/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The measurements of tests/bench/run, which says what is measured and starts this. */

#include "bench.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

void die(const char *format, ...)
{
        va_list ap;

        fputs("bench: ", stderr);
        va_start(ap, format);
        vfprintf(stderr, format, ap);
        va_end(ap);
        fputc('\n', stderr);
        exit(EXIT_FAILURE);
}

void check(int r, const char *what, const sd_bus_error *error)
{
        if (r < 0)
                die("%s: %s", what, error && error->message ? error->message : strerror(-r));
}

double now(void)
{
        struct timespec t;

        clock_gettime(CLOCK_MONOTONIC, &t);
        return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

void samples_add(Samples *s, double value)
{
        if (s->n == s->room) {
                s->room = s->room ? 2 * s->room : 64;
                s->values = reallocarray(s->values, s->room, sizeof(*s->values));
                if (!s->values)
                        die("out of memory");
        }
        s->values[s->n++] = value;
}

static int compare(const void *a, const void *b)
{
        double x = *(const double *)a, y = *(const double *)b;

        return (x > y) - (x < y);
}

static double *sorted(const Samples *s)
{
        double *copy = calloc(s->n + 1, sizeof(*copy));

        if (!copy || s->n == 0)
                die("nothing was measured");
        memcpy(copy, s->values, s->n * sizeof(*copy));
        qsort(copy, s->n, sizeof(*copy), compare);
        return copy;
}

double samples_median(const Samples *s)
{
        double *v = sorted(s),
               median = s->n % 2 ? v[s->n / 2] : (v[s->n / 2 - 1] + v[s->n / 2]) / 2;

        free(v);
        return median;
}

void samples_print(const char *name, const Samples *s, bool first)
{
        double *v = sorted(s);

        printf("%s\"%s\": {\"median\": %.9f, \"min\": %.9f, \"max\": %.9f, \"n\": %zu}",
               first ? "" : ", ", name, samples_median(s), v[0], v[s->n - 1], s->n);
        free(v);
}

void samples_done(Samples *s)
{
        free(s->values);
        *s = (Samples){0};
}

void object_read(const char *path, Object *ret)
{
        struct stat st;
        int fd = open(path, O_RDONLY | O_CLOEXEC);

        if (fd < 0 || fstat(fd, &st) < 0)
                die("%s: %s", path, strerror(errno));
        ret->size = (size_t)st.st_size;
        ret->data = malloc(ret->size);
        ret->fd = memfd_create("bench", MFD_CLOEXEC | MFD_ALLOW_SEALING);
        if (!ret->data || ret->fd < 0 || read(fd, ret->data, ret->size) != st.st_size ||
            write(ret->fd, ret->data, ret->size) != st.st_size ||
            fcntl(ret->fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL) <
                    0)
                die("can't copy %s: %s", path, strerror(errno));
        close(fd);
}

static unsigned number(const char *text)
{
        char *end;
        unsigned long n = strtoul(text, &end, 10);

        if (*text == '\0' || *end || n > UINT32_MAX)
                die("%s is no number", text);
        return (unsigned)n;
}

int main(int argc, char **argv)
{
        Object object;

        setvbuf(stdout, NULL, _IOLBF, 0);
        if (argc < 2)
                die("usage: bench cycle OBJECT ROUNDS UID | property OBJECT ROUNDS | "
                    "scale OBJECT PROGRAMS LINKS | hooks OBJECT HOOKS | packets INTERFACE…");
        if (strcmp(argv[1], "packets") == 0 && argc > 2)
                return bench_packets(argv + 2, (unsigned)argc - 2);
        if (argc < 4)
                die("too few arguments");
        object_read(argv[2], &object);
        if (strcmp(argv[1], "cycle") == 0 && argc == 5)
                return bench_cycle(&object, number(argv[3]), number(argv[4]));
        if (strcmp(argv[1], "property") == 0 && argc == 4)
                return bench_property(&object, number(argv[3]));
        if (strcmp(argv[1], "scale") == 0 && argc == 5)
                return bench_scale(&object, number(argv[3]), number(argv[4]));
        if (strcmp(argv[1], "hooks") == 0 && argc == 4)
                return bench_hooks(&object, number(argv[3]));
        die("no measurement %s with so many arguments", argv[1]);
}
