/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <systemd/sd-bus.h>

/* What the measurements share. Whatever doesn't work ends the process: a figure is right or absent. */

#define BUS_NAME "org.bpfkeeper1"
#define BUS_ROOT "/org/bpfkeeper1"
#define PROGRAM_NAME "tracepoint_fork"
#define PROGRAM_TYPE "tracepoint"
#define TC_PROGRAM_NAME "tc_count"

/* bench.c */
_Noreturn void die(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Dies where @r is negative; @error may be NULL. */
void check(int r, const char *what, const sd_bus_error *error);

/* Seconds, of a clock that only goes forward. */
double now(void);

/* Times of one thing, in the order in which they were taken. */
typedef struct Samples {
        double *values;
        size_t n, room;
} Samples;

void samples_add(Samples *s, double value);
double samples_median(const Samples *s);
/* Prints "name": {"median": …, "min": …, "max": …, "n": …}, in seconds, with a comma before it where
 * it isn't the first. */
void samples_print(const char *name, const Samples *s, bool first);
void samples_done(Samples *s);

/* The object file as bytes, and as a sealed memfd. */
typedef struct Object {
        void *data;
        size_t size;
        int fd;
} Object;

void object_read(const char *path, Object *ret);

/* bench-raw.c: the same with libbpf in this process. */
typedef struct Raw {
        struct bpf_object *object;
        struct bpf_link *link;
} Raw;

void raw_load(const Object *object, Raw *ret);
void raw_attach(Raw *raw);
void raw_detach(Raw *raw);
void raw_unload(Raw *raw);

/* bench-service.c: by the bus. Paths are the caller's to free. */
sd_bus *service_open(uint32_t uid);
char *service_load(sd_bus *bus, const Object *object);
/* The program TC_PROGRAM_NAME of another object. */
char *service_load_tc(sd_bus *bus, const Object *object);
/* @tracepoint: or NULL, as the section says */
char *service_attach(sd_bus *bus, const char *program, const char *tracepoint);
/* On the packets that leave by the interface. */
char *service_attach_tc(sd_bus *bus, const char *program, const char *interface);
void service_call(sd_bus *bus, const char *path, const char *interface, const char *method);
void service_detach(sd_bus *bus, const char *link);
void service_unload(sd_bus *bus, const char *program);
/* The process that has the name. */
uint32_t service_pid(sd_bus *bus);

/* The measurements; each prints one JSON object. */
int bench_cycle(const Object *object, unsigned rounds, uint32_t uid);
int bench_property(const Object *object, unsigned rounds);
/* On interfaces hook0 to hookN. */
int bench_hooks(const Object *object, unsigned n);
int bench_packets(char *const *interfaces, unsigned n);
int bench_scale(const Object *object, unsigned n_programs, unsigned n_links);
