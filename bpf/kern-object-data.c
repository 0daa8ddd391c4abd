/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <string.h>

#include <bpf/bpf.h>
#include <bpf/btf.h>

#include "kern-info.h"
#include "kern-object-internal.h"

/* A global variable of the object: where its initial value is. */
typedef struct Global {
        void *value;
        size_t size;
} Global;

/* What walk_globals() is looking for, and what it saw. */
typedef struct Search {
        const char *name;
        Global found;
        size_t n_found;
        char names[1024]; /* all there are, for the message */
        size_t n_names;
} Search;

static void look_at(Search *search, const char *name, void *value, size_t size)
{
        if (search->n_names < sizeof(search->names))
                search->n_names += (size_t)snprintf(search->names + search->n_names,
                                                    sizeof(search->names) - search->n_names, "%s%s",
                                                    search->n_names > 0 ? ", " : "", name);
        if (strcmp(name, search->name) == 0) {
                search->found = (Global){value, size};
                search->n_found++;
        }
}

/*
 * BTF says which variables a data section has, libbpf where the section's initial value is. Offsets
 * and sizes come from a file that a caller chose: nothing outside of the value is touched.
 */
static void walk_section(const struct btf *btf, struct bpf_map *map, Search *search)
{
        const struct btf_type *section = btf__type_by_id(btf, bpf_map__btf_value_type_id(map));
        const struct btf_var_secinfo *info;
        size_t size;
        char *value = bpf_map__initial_value(map, &size);

        if (!section || !btf_is_datasec(section) || !value)
                return;
        info = btf_var_secinfos(section);
        for (unsigned i = 0; i < btf_vlen(section); i++, info++) {
                const struct btf_type *var = btf__type_by_id(btf, info->type);
                const char *name;

                if (!var || !btf_is_var(var))
                        continue;
                name = btf__name_by_offset(btf, var->name_off);
                if (!name || name[0] == '\0' || info->offset > size ||
                    info->size > size - info->offset)
                        continue;
                look_at(search, name, value + info->offset, info->size);
        }
}

static void walk_globals(struct bpf_object *object, Search *search)
{
        const struct btf *btf = bpf_object__btf(object);
        struct bpf_map *map;

        if (!btf)
                return;
        bpf_object__for_each_map(map, object)
                /* .kconfig holds what the kernel's configuration says, no choice of the caller */
                if (bpf_map__is_internal(map) && strcmp(kern_object_map_name(map), ".kconfig") != 0)
                        walk_section(btf, map, search);
}

int kern_object_set_globals(struct bpf_object *object, const KernGlobalWish *globals, size_t n,
                            KernDiag *reterr_diag)
{
        for (size_t i = 0; i < n; i++) {
                const KernGlobalWish *g = &globals[i];
                Search search = {.name = g->name};

                walk_globals(object, &search);
                if (search.n_found == 0 && search.n_names == 0)
                        return kern_fail(
                                reterr_diag, -ENOENT, KERN_ERROR_NO_SUCH_GLOBAL,
                                "The object has no global variable \"%.200s\": it has none, "
                                "or no BTF (compile with -g)",
                                g->name);
                if (search.n_found == 0)
                        return kern_fail(reterr_diag, -ENOENT, KERN_ERROR_NO_SUCH_GLOBAL,
                                         "The object has no global variable \"%.200s\"; it has %s",
                                         g->name, search.names);
                if (search.n_found > 1)
                        return kern_fail(reterr_diag, -EINVAL, KERN_ERROR_INVALID_ARGUMENT,
                                         "The object has %zu global variables \"%.200s\"",
                                         search.n_found, g->name);
                if (search.found.size != g->size)
                        return kern_fail(reterr_diag, -EINVAL, KERN_ERROR_INVALID_ARGUMENT,
                                         "Global variable %.200s has %zu bytes, not %zu", g->name,
                                         search.found.size, g->size);
                memcpy(search.found.value, g->data, g->size);
        }
        return 0;
}

static int no_such_map(struct bpf_object *object, const char *name, KernDiag *diag)
{
        char names[1024] = "";
        struct bpf_map *map;
        size_t n = 0;

        bpf_object__for_each_map(map, object) if (n < sizeof(names)) n +=
                (size_t)snprintf(names + n, sizeof(names) - n, "%s%s", n > 0 ? ", " : "",
                                 kern_object_map_name(map));
        return kern_fail(diag, -ENOENT, KERN_ERROR_NO_SUCH_MAP,
                         "The object has no map \"%.127s\"; it has %s", name,
                         n > 0 ? names : "none");
}

/* What the kernel adds to a map's flags by itself: not asked for, so no difference. */
static uint32_t flags_added(enum bpf_map_type type)
{
        return type == BPF_MAP_TYPE_DEVMAP || type == BPF_MAP_TYPE_DEVMAP_HASH ? BPF_F_RDONLY_PROG
                                                                               : 0;
}

static int check_definition(const struct bpf_map *map, const KernMapInfo *has, KernDiag *diag)
{
        const struct {
                const char *what;
                uint32_t wants, has;
        } numbers[] = {
                {"a key size of", bpf_map__key_size(map), has->key_size},
                {"a value size of", bpf_map__value_size(map), has->value_size},
                {"max_entries of", bpf_map__max_entries(map), has->max_entries},
                {"flags", bpf_map__map_flags(map),
                 has->flags & (bpf_map__map_flags(map) | ~flags_added(has->map_type))},
        };
        const char *name = kern_object_map_name(map);

        if (bpf_map__type(map) != has->map_type)
                return kern_fail(
                        diag, -EINVAL, KERN_ERROR_MAP_MISMATCH,
                        "Map %s of the object is of type %s; the map to be used (id %u) is of "
                        "type %s",
                        name, kern_map_type_name(bpf_map__type(map)), has->id,
                        kern_map_type_name(has->map_type));
        for (size_t i = 0; i < KERN_ELEMENTSOF(numbers); i++) {
                /* a perf event array without a size gets one entry for each CPU */
                if (i == 2 && numbers[i].wants == 0 &&
                    has->map_type == BPF_MAP_TYPE_PERF_EVENT_ARRAY)
                        continue;
                if (numbers[i].wants != numbers[i].has)
                        return kern_fail(
                                diag, -EINVAL, KERN_ERROR_MAP_MISMATCH,
                                "Map %s of the object has %s %u; the map to be used (id %u) "
                                "has %u",
                                name, numbers[i].what, numbers[i].wants, has->id, numbers[i].has);
        }
        return 0;
}

static struct bpf_map *find_map(struct bpf_object *object, const char *name)
{
        struct bpf_map *map;

        bpf_object__for_each_map(map, object) if (strcmp(kern_object_map_name(map), name) ==
                                                  0) return map;
        return NULL;
}

int kern_object_reuse_maps(struct bpf_object *object, const KernMapWish *maps, size_t n,
                           KernDiag *reterr_diag)
{
        for (size_t i = 0; i < n; i++) {
                struct bpf_map *map = find_map(object, maps[i].name);
                KernMapInfo info;
                int r;

                if (!map)
                        return no_such_map(object, maps[i].name, reterr_diag);
                r = kern_map_info(maps[i].fd, &info);
                if (r < 0)
                        return kern_fail(reterr_diag, r, KERN_ERROR_NO_SUCH_MAP,
                                         "What is to be used as map %s is no map: %s", maps[i].name,
                                         strerror(-r));
                r = check_definition(map, &info, reterr_diag);
                if (r < 0)
                        return r;
                /* libbpf takes over the definition of what it is given, unchecked */
                r = bpf_map__reuse_fd(map, maps[i].fd);
                if (r < 0)
                        return kern_fail(reterr_diag, r, KERN_ERROR_FAILED,
                                         "Can't use the map with id %u as map %s: %s", info.id,
                                         maps[i].name, strerror(-r));
        }
        return 0;
}
