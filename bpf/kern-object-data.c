/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <string.h>

#include <bpf/bpf.h>
#include <bpf/btf.h>

#include "kern-object-internal.h"

/*
 * BTF says which variables a data section has, libbpf where the section's initial value is. Offsets
 * and sizes come from a file that a caller chose: nothing outside of the value is touched.
 */
static void walk_section(const struct btf *btf, struct bpf_map *map, KernLookAtGlobal look,
                         void *userdata)
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
                look(btf,
                     &(KernGlobal){.name = name,
                                   .map = kern_object_map_name(map),
                                   .type = var->type,
                                   .value = value + info->offset,
                                   .size = info->size},
                     userdata);
        }
}

void kern_object_walk_globals(struct bpf_object *object, KernLookAtGlobal look, void *userdata)
{
        const struct btf *btf = bpf_object__btf(object);
        struct bpf_map *map;

        if (!btf)
                return;
        bpf_object__for_each_map(map, object)
                /* .kconfig holds what the kernel's configuration says, no choice of the caller */
                if (bpf_map__is_internal(map) && strcmp(kern_object_map_name(map), ".kconfig") != 0)
                        walk_section(btf, map, look, userdata);
}

/* The variable that a wish is for, and all that there are for the message. */
typedef struct Search {
        const char *name;
        KernGlobal found;
        size_t n_found;
        char names[1024];
        size_t n_names;
} Search;

static void compare(const struct btf *btf, const KernGlobal *global, void *userdata)
{
        Search *search = userdata;

        (void)btf;
        if (search->n_names < sizeof(search->names))
                search->n_names += (size_t)snprintf(search->names + search->n_names,
                                                    sizeof(search->names) - search->n_names, "%s%s",
                                                    search->n_names > 0 ? ", " : "", global->name);
        if (strcmp(global->name, search->name) == 0) {
                search->found = *global;
                search->n_found++;
        }
}

int kern_object_set_globals(struct bpf_object *object, const KernGlobalWish *globals, size_t n,
                            KernDiag *reterr_diag)
{
        for (size_t i = 0; i < n; i++) {
                const KernGlobalWish *g = &globals[i];
                Search search = {.name = g->name};
                int r;

                kern_object_walk_globals(object, compare, &search);
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
                r = kern_value_write(bpf_object__btf(object), search.found.type, g->name, &g->value,
                                     search.found.value, search.found.size, reterr_diag);
                if (r < 0)
                        return r;
        }
        return 0;
}
