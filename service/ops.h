/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "request.h"

/* What the methods of the API do; one file each. The functions have the signatures of BusOps. */

/* op-load.c */
void op_load(void *service, sd_bus_message *m, BusLoadArgs *args);
void op_inspect(void *service, sd_bus_message *m, int object_fd);
void op_describe(void *service, sd_bus_message *m, int object_fd);
void op_last_log(void *service, sd_bus_message *m);

/* op-attach.c */
void op_attach(void *service, sd_bus_message *m, uint32_t id, BusAttachArgs *args);

/* op-change.c */
void op_update(void *service, sd_bus_message *m, uint32_t id, BusAttachArgs *args);
void op_replace_program(void *service, sd_bus_message *m, uint32_t id, uint32_t program,
                        BusAttachArgs *args);

/* op-hook.c */
void op_get_hook(void *service, sd_bus_message *m, BusAttachArgs *args);

/* op-grant.c */
void op_add_grant(void *service, sd_bus_message *m, BusGrantArgs *args);
void op_list_grants(void *service, sd_bus_message *m);
void op_remove_grant(void *service, sd_bus_message *m, const char *id);

/* op-check.c */
void op_check_authorization(void *service, sd_bus_message *m, BusCheckArgs *args);

/* op-release.c */
void op_detach(void *service, sd_bus_message *m, uint32_t id, BusAttachArgs *args);
void op_unload(void *service, sd_bus_message *m, uint32_t id);

/* op-iterator.c */
void op_open_iterator(void *service, sd_bus_message *m, uint32_t id);

/* op-program.c */
void op_program_open_fd(void *service, sd_bus_message *m, uint32_t id);
void op_program_log(void *service, sd_bus_message *m, uint32_t id);
void op_test_run(void *service, sd_bus_message *m, uint32_t id, const BusTestRunArgs *args);

/* op-map.c */
void op_map_lookup(void *service, sd_bus_message *m, uint32_t id, const void *key, size_t size);
void op_map_update(void *service, sd_bus_message *m, uint32_t id, const void *key, size_t size,
                   const void *value, size_t value_size);
void op_map_delete(void *service, sd_bus_message *m, uint32_t id, const void *key, size_t size);
void op_map_entries(void *service, sd_bus_message *m, uint32_t id, const void *after, size_t size,
                    uint32_t limit);
void op_map_open_fd(void *service, sd_bus_message *m, uint32_t id, const char *mode);

/* Announces and forgets a program that has no links, and what only it needed. */
void program_forget(Daemon *daemon, Program *program);

/* A descriptor of a program or map that was found in the registry: its pin, or by its kernel id. */
int program_open(Daemon *daemon, const Program *program);
int map_open(Daemon *daemon, const Map *map, KernAccess access);
