/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <string.h>

#include "kern-elf.h"
#include "kern-info.h"
#include "kern-object-internal.h"

/* What is in an object, for who has not decided yet what to load of it. */

/* Of one initial value, and of all in a message. */
#define VALUE_SIZE 256
#define TYPE_SIZE 160
#define LICENSE_SIZE 64

static int out_of_memory(KernDiag *diag)
{
        return kern_fail(diag, -ENOMEM, KERN_ERROR_LIMIT_EXCEEDED, "Out of memory");
}

static int add_programs(struct bpf_object *object, KernOutline *outline)
{
        struct bpf_program *program;

        outline->programs = calloc(KERN_PROGRAMS_MAX, sizeof(*outline->programs));
        if (!outline->programs)
                return -ENOMEM;
        bpf_object__for_each_program(program, object)
        {
                const char *section = bpf_program__section_name(program);
                size_t i = outline->n_programs++;

                outline->programs[i].type = kern_type_from_section(section);
                outline->programs[i].optional = !bpf_program__autoload(program);
                outline->programs[i].name = strdup(bpf_program__name(program));
                outline->programs[i].section = strdup(section);
                if (!outline->programs[i].name || !outline->programs[i].section)
                        return -ENOMEM;
        }
        return 0;
}

static int add_maps(struct bpf_object *object, KernOutline *outline)
{
        struct bpf_map *map;

        outline->maps = calloc(KERN_MAPS_MAX, sizeof(*outline->maps));
        if (!outline->maps)
                return -ENOMEM;
        bpf_object__for_each_map(map, object)
        {
                size_t i = outline->n_maps;

                if (bpf_map__is_internal(map))
                        continue;
                outline->n_maps++;
                outline->maps[i].type = kern_map_type_name(bpf_map__type(map));
                outline->maps[i].key_size = bpf_map__key_size(map);
                outline->maps[i].value_size = bpf_map__value_size(map);
                outline->maps[i].max_entries = bpf_map__max_entries(map);
                outline->maps[i].flags = bpf_map__map_flags(map);
                outline->maps[i].shared = bpf_map__pin_path(map);
                outline->maps[i].name = strdup(kern_object_map_name(map));
                if (!outline->maps[i].name)
                        return -ENOMEM;
        }
        return 0;
}

static void add_global(const struct btf *btf, const KernGlobal *global, void *userdata)
{
        char type[TYPE_SIZE], value[VALUE_SIZE];
        KernOutline *outline = userdata;
        size_t i = outline->n_globals;

        if (i == KERN_OUTLINE_GLOBALS_MAX || strlen(global->name) > KERN_SYMBOL_MAX)
                return;
        kern_value_type_name(btf, global->type, type, sizeof(type));
        kern_value_format(btf, global->type, global->value, global->size, value, sizeof(value));
        outline->globals[i].name = strdup(global->name);
        outline->globals[i].map = strdup(global->map);
        outline->globals[i].type = strdup(type);
        outline->globals[i].value = strdup(value);
        outline->globals[i].size = global->size;
        if (outline->globals[i].name)
                kern_text_clean(outline->globals[i].name);
        outline->n_globals++;
}

static int add_globals(struct bpf_object *object, KernOutline *outline)
{
        outline->globals = calloc(KERN_OUTLINE_GLOBALS_MAX, sizeof(*outline->globals));
        if (!outline->globals)
                return -ENOMEM;
        kern_object_walk_globals(object, add_global, outline);
        for (size_t i = 0; i < outline->n_globals; i++)
                if (!outline->globals[i].name || !outline->globals[i].map ||
                    !outline->globals[i].type || !outline->globals[i].value)
                        return -ENOMEM;
        return 0;
}

static void outline_freep(KernOutline **outline)
{
        kern_outline_free(*outline);
}

int kern_object_outline(int fd, KernOutline **ret, KernDiag *reterr_diag)
{
        __attribute__((cleanup(kern_object_load_done))) KernLoad load = {.btf_fd = -1};
        __attribute__((cleanup(outline_freep))) KernOutline *outline = NULL;
        char license[LICENSE_SIZE];
        int r;

        r = kern_object_open(fd, NULL, &load, reterr_diag);
        if (r < 0)
                return r;
        kern_elf_license(load.file.data, load.file.size, license, sizeof(license));
        outline = calloc(1, sizeof(*outline));
        if (!outline)
                return out_of_memory(reterr_diag);
        outline->license = strdup(kern_text_clean(license));
        r = outline->license ? add_programs(load.object, outline) : -ENOMEM;
        if (r >= 0)
                r = add_maps(load.object, outline);
        if (r >= 0)
                r = add_globals(load.object, outline);
        if (r < 0)
                return out_of_memory(reterr_diag);
        *ret = kern_take_pointer(&outline);
        return 0;
}

void kern_outline_free(KernOutline *outline)
{
        if (!outline)
                return;
        for (size_t i = 0; i < outline->n_programs; i++) {
                free(outline->programs[i].name);
                free(outline->programs[i].section);
        }
        for (size_t i = 0; i < outline->n_maps; i++)
                free(outline->maps[i].name);
        for (size_t i = 0; i < outline->n_globals; i++) {
                free(outline->globals[i].name);
                free(outline->globals[i].map);
                free(outline->globals[i].type);
                free(outline->globals[i].value);
        }
        free(outline->programs);
        free(outline->maps);
        free(outline->globals);
        free(outline->license);
        free(outline);
}
