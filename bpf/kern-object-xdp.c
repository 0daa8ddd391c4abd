/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What an XDP program needs to share an interface: see kern-xdp.h. */

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include <bpf/bpf.h>
#include <xdp/libxdp.h>

#include "kern-elf.h"
#include "kern-object-internal.h"
#include "kern-xdp-internal.h"

/* Programs that are tried one by one, where together they fail. */
#define ALONE_MAX 16

static bool is_xdp(const KernLoad *load, size_t i)
{
        return kern_type_is_xdp(load->programs[i].type);
}

static int read_run_config(const KernLoad *load, KernLoadedProgram *p, KernDiag *diag)
{
        struct xdp_program *program = kern_xdp_program_of(load->object, p->name);
        int r = (int)libxdp_get_error(program);

        if (r < 0)
                return kern_fail(diag, r, KERN_ERROR_INVALID_ARGUMENT,
                                 "What section .xdp_run_config says of program %s makes no sense "
                                 "(%s): it takes priority and XDP_ABORTED, XDP_DROP, XDP_PASS, "
                                 "XDP_TX and XDP_REDIRECT",
                                 p->name, strerror(-r));
        p->xdp_priority = xdp_program__run_prio(program);
        for (unsigned a = XDP_ABORTED; a <= XDP_REDIRECT; a++)
                if (xdp_program__chain_call_enabled(program, (enum xdp_action)a))
                        p->xdp_proceed_on |= 1U << a;
        xdp_program__close(program);
        return 0;
}

int kern_object_read_run_configs(const KernLoad *load, KernObject *object, KernDiag *diag)
{
        int r = 0;

        kern_xdp_be_quiet();
        for (size_t i = 0; r >= 0 && i < object->n_programs; i++)
                if (is_xdp(load, i))
                        r = read_run_config(load, &object->programs[i], diag);
        return r;
}

/* What the extensions are loaded against. */
typedef struct Target {
        int fd;
        uint32_t btf_id;
} Target;

static int aim(struct bpf_program *program, struct bpf_prog_load_opts *opts, long cookie)
{
        const Target *target = (const Target *)cookie;

        (void)program;
        opts->attach_prog_fd = (uint32_t)target->fd;
        opts->attach_btf_id = target->btf_id;
        return 0;
}

/*
 * Sections that libbpf is to take for those of extensions. It looks at handlers of ours before its
 * own, keeps pointers to them in what it opens, and moves them when their number changes.
 */
typedef struct Handlers {
        int ids[KERN_PROGRAMS_MAX];
        size_t n;
} Handlers;

static void handlers_done(Handlers *handlers)
{
        while (handlers->n > 0)
                libbpf_unregister_prog_handler(handlers->ids[--handlers->n]);
}

static bool is_first_of_section(const KernLoad *load, size_t i)
{
        const char *section = bpf_program__section_name(load->programs[i].program);

        for (size_t k = 0; k < i; k++)
                if (is_xdp(load, k) &&
                    strcmp(section, bpf_program__section_name(load->programs[k].program)) == 0)
                        return false;
        return true;
}

static int add_handlers(const KernLoad *load, const Target *target, Handlers *handlers)
{
        LIBBPF_OPTS(libbpf_prog_handler_opts, opts, .cookie = (long)target,
                    .prog_prepare_load_fn = aim);

        for (size_t i = 0; i < load->n_programs; i++) {
                const char *section = bpf_program__section_name(load->programs[i].program);
                int id;

                if (!is_xdp(load, i) || !is_first_of_section(load, i))
                        continue;
                id = libbpf_register_prog_handler(section, BPF_PROG_TYPE_EXT,
                                                  (enum bpf_attach_type)0, &opts);
                if (id < 0)
                        return id;
                handlers->ids[handlers->n++] = id;
        }
        return 0;
}

/* The maps are those of the first object. */
static int share_maps(const KernLoad *load, struct bpf_object *copy)
{
        struct bpf_map *map;
        int r = 0;

        bpf_object__for_each_map(map, copy)
        {
                const struct bpf_map *first =
                        bpf_object__find_map_by_name(load->object, bpf_map__name(map));

                if (!first)
                        return -ENOENT;
                r = bpf_map__set_pin_path(map, NULL);
                if (r >= 0 && !bpf_map__autocreate(first))
                        r = bpf_map__set_autocreate(map, false);
                else if (r >= 0)
                        r = bpf_map__reuse_fd(map, bpf_map__fd(first));
                if (r < 0)
                        return r;
        }
        return 0;
}

static void close_object(struct bpf_object **object)
{
        bpf_object__close(*object);
}

/* Loads the extension of program @only, or of all that have none yet where that is n_programs. */
static int load_extensions(const KernLoad *load, const char *object_name, size_t only,
                           KernObject *object)
{
        __attribute__((cleanup(close_object))) struct bpf_object *copy = NULL;
        LIBBPF_OPTS(bpf_object_open_opts, opts,
                    .object_name = object_name ? object_name : "object");
        struct bpf_program *program;
        char btf_path[64];
        int r;

        if (load->btf_fd >= 0) {
                snprintf(btf_path, sizeof(btf_path), "/proc/self/fd/%d", load->btf_fd);
                opts.btf_custom_path = btf_path;
        }
        copy = bpf_object__open_mem(load->file.data, load->file.size, &opts);
        if (!copy)
                return -errno;
        bpf_object__for_each_program(program, copy) bpf_program__set_autoload(program, false);
        for (size_t i = 0; i < object->n_programs; i++) {
                if (!is_xdp(load, i) || (only < object->n_programs && only != i))
                        continue;
                program = bpf_object__find_program_by_name(copy, object->programs[i].name);
                if (!program || bpf_program__type(program) != BPF_PROG_TYPE_EXT)
                        return -EINVAL;
                bpf_program__set_autoload(program, true);
        }
        r = share_maps(load, copy);
        if (r >= 0)
                r = bpf_object__load(copy);
        for (size_t i = 0; r >= 0 && i < object->n_programs; i++) {
                program = bpf_object__find_program_by_name(copy, object->programs[i].name);
                if (!program || bpf_program__fd(program) < 0)
                        continue;
                object->programs[i].extension_fd =
                        fcntl(bpf_program__fd(program), F_DUPFD_CLOEXEC, 3);
        }
        return r;
}

/*
 * The kernel ties an array of programs to one kind of program, and an extension is another; and what
 * libbpf puts into such an array would be extensions, too.
 */
static bool has_program_array(const struct bpf_object *object)
{
        const struct bpf_map *map;

        bpf_object__for_each_map(map, object) if (bpf_map__type(map) ==
                                                  BPF_MAP_TYPE_PROG_ARRAY) return true;
        return false;
}

void kern_object_extend(const KernLoad *load, const char *object_name, KernObject *object)
{
        __attribute__((cleanup(handlers_done))) Handlers handlers = {.n = 0};
        KERN_AUTO_CLOSE int target_fd = -1;
        Target target;
        size_t n = 0;

        for (size_t i = 0; i < object->n_programs; i++)
                n += is_xdp(load, i);
        if (n == 0 || object->n_programs + object->n_maps + n > KERN_LOADED_MAX ||
            has_program_array(load->object))
                return;
        if (kern_xdp_target(&target_fd, &target.btf_id) < 0)
                return;
        target.fd = target_fd;
        if (add_handlers(load, &target, &handlers) < 0)
                return;
        if (load_extensions(load, object_name, object->n_programs, object) >= 0 || n == 1 ||
            n > ALONE_MAX)
                return;
        for (size_t i = 0; i < object->n_programs; i++)
                if (is_xdp(load, i))
                        (void)load_extensions(load, object_name, i, object);
}
