/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <string.h>

#include "kern-info.h"
#include "kern-object-internal.h"

/* Which maps an object gets: those that there are, shared ones, new ones of the wished size. */

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

static int reuse(struct bpf_map *map, int fd, KernDiag *diag)
{
        const char *name = kern_object_map_name(map);
        KernMapInfo info;
        int r;

        r = kern_map_info(fd, &info);
        if (r < 0)
                return kern_fail(diag, r, KERN_ERROR_NO_SUCH_MAP,
                                 "What is to be used as map %s is no map: %s", name, strerror(-r));
        r = check_definition(map, &info, diag);
        if (r < 0)
                return r;
        /* libbpf takes over the definition of what it is given, unchecked */
        r = bpf_map__reuse_fd(map, fd);
        return r < 0 ? kern_fail(diag, r, KERN_ERROR_FAILED,
                                 "Can't use the map with id %u as map %s: %s", info.id, name,
                                 strerror(-r))
                     : 0;
}

/* Whether that is what the object gets. Global data begins with what the new object says of it. */
static bool takes(const struct bpf_map *map, const KernMapWish *wish)
{
        KernMapInfo info;

        return !wish->optional ||
               (map && !bpf_map__is_internal(map) && kern_map_info(wish->fd, &info) >= 0 &&
                check_definition(map, &info, NULL) >= 0);
}

int kern_object_reuse_maps(struct bpf_object *object, const KernMapWish *maps, size_t n,
                           KernDiag *reterr_diag)
{
        for (size_t i = 0; i < n; i++) {
                struct bpf_map *map = find_map(object, maps[i].name);
                int r;

                if (!takes(map, &maps[i]))
                        continue;
                if (!map)
                        return no_such_map(object, maps[i].name, reterr_diag);
                r = reuse(map, maps[i].fd, reterr_diag);
                if (r < 0)
                        return r;
        }
        return 0;
}

static bool has_size(const struct bpf_map *map)
{
        return !bpf_map__is_internal(map) && bpf_map__type(map) != BPF_MAP_TYPE_STRUCT_OPS;
}

int kern_object_size_maps(struct bpf_object *object, const KernLoadOptions *options,
                          KernDiag *reterr_diag)
{
        for (size_t i = 0; i < options->n_map_sizes; i++) {
                const KernMapSize *size = &options->map_sizes[i];
                struct bpf_map *map = find_map(object, size->name);
                int r;

                if (!map)
                        return no_such_map(object, size->name, reterr_diag);
                if (!has_size(map))
                        return kern_fail(
                                reterr_diag, -EINVAL, KERN_ERROR_INVALID_ARGUMENT,
                                "Map %s is as large as the variables in it; it has no size "
                                "to be chosen",
                                size->name);
                if (kern_object_map_was_given(map, options))
                        return kern_fail(reterr_diag, -EINVAL, KERN_ERROR_INVALID_ARGUMENT,
                                         "Map %s is to be one that is there already, whose size is "
                                         "what it is",
                                         size->name);
                if (size->max_entries == 0 && bpf_map__type(map) != BPF_MAP_TYPE_PERF_EVENT_ARRAY)
                        return kern_fail(reterr_diag, -EINVAL, KERN_ERROR_INVALID_ARGUMENT,
                                         "Map %s is to have 0 entries; 1 to %u are possible",
                                         size->name, UINT32_MAX);
                r = bpf_map__set_max_entries(map, size->max_entries);
                if (r < 0)
                        return kern_fail(reterr_diag, r, KERN_ERROR_FAILED,
                                         "Can't give map %s %u entries: %s", size->name,
                                         size->max_entries, strerror(-r));
        }
        return 0;
}

bool kern_object_map_was_given(const struct bpf_map *map, const KernLoadOptions *options)
{
        for (size_t i = 0; i < options->n_maps; i++)
                if (strcmp(options->maps[i].name, kern_object_map_name(map)) == 0)
                        return takes(map, &options->maps[i]);
        return false;
}

const KernMapWish *kern_object_find_shared(const KernLoadOptions *options, const char *name)
{
        for (size_t i = 0; i < options->n_shared; i++)
                if (strcmp(options->shared[i].name, name) == 0)
                        return &options->shared[i];
        return NULL;
}

static int add_unknown(const char *name, KernObject *object)
{
        if (!object->unknown)
                object->unknown = calloc(KERN_MAPS_MAX, sizeof(*object->unknown));
        if (!object->unknown)
                return -ENOMEM;
        object->unknown[object->n_unknown] = strdup(name);
        return object->unknown[object->n_unknown++] ? 0 : -ENOMEM;
}

int kern_object_share_maps(struct bpf_object *bpf_object, const KernLoadOptions *options,
                           KernObject *object, KernDiag *reterr_diag)
{
        struct bpf_map *map;
        int r;

        bpf_object__for_each_map(map, bpf_object)
        {
                const char *name = kern_object_map_name(map);
                const KernMapWish *shared = kern_object_find_shared(options, name);

                if (!bpf_map__pin_path(map))
                        continue;
                /* What is loaded may outlive its caller's wishes: nothing gets a pin that only an
                 * ELF asked for. */
                if (bpf_map__set_pin_path(map, NULL) < 0)
                        return kern_fail(reterr_diag, -ENOMEM, KERN_ERROR_LIMIT_EXCEEDED,
                                         "Out of memory");
                if (!options->share || !bpf_map__autocreate(map) ||
                    kern_object_map_was_given(map, options))
                        continue;
                if (!shared && add_unknown(name, object) < 0)
                        return kern_fail(reterr_diag, -ENOMEM, KERN_ERROR_LIMIT_EXCEEDED,
                                         "Out of memory");
                if (shared && shared->fd >= 0) {
                        r = reuse(map, shared->fd, reterr_diag);
                        if (r < 0)
                                return r;
                }
        }
        return object->n_unknown > 0;
}
