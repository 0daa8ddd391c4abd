/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "registry.h"

/*
 * Programs and maps that somebody else loaded. The kernel tells nobody when they come and go, so
 * they are looked for when somebody asks; what was seen once is kept until it isn't there any more.
 */

typedef struct Foreign Foreign;

Foreign *foreign_new(void);
void foreign_free(Foreign *foreign);
void foreign_set_api(Foreign *foreign, BusApi *api);

/* The thing with that id, if the kernel has it (still); NULL otherwise. */
Program *foreign_program(Foreign *foreign, uint32_t id);
Map *foreign_map(Foreign *foreign, uint32_t id);

/* Looks what the kernel has and appends the ids that aren't keys of @own, nor of @hidden or that NULL. */
void foreign_append_ids(Foreign *foreign, BusKind kind, GHashTable *own, GHashTable *hidden,
                        GArray *ids);

/* That id is the service's now. */
void foreign_forget(Foreign *foreign, BusKind kind, uint32_t id);

/* Fill and clear what is published, from the kernel's words; also for the service's own. */
void bus_program_fill(BusProgram *pub, const KernProgramInfo *info);
void bus_program_done(BusProgram *pub);
void bus_map_fill(BusMap *pub, const KernMapInfo *info, size_t value_size);
void bus_map_done(BusMap *pub);
