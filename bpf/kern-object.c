/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <bpf/bpf.h>

#include "kern-compat.h"
#include "kern-elf.h"
#include "kern-info.h"
#include "kern-object-internal.h"

#define SECTION_MAX_LENGTH 255

#ifndef F_GET_SEALS
#define F_GET_SEALS 1034
#define F_SEAL_SHRINK 0x0002
#define F_SEAL_WRITE 0x0008
#endif

void kern_object_load_done(KernLoad *load)
{
        if (load->object)
                bpf_object__close(load->object);
        for (size_t i = 0; i < load->n_programs; i++)
                kern_mapping_done(&load->programs[i].log);
        free(load->programs);
        kern_mapping_done(&load->log);
        /* last: libbpf keeps pointers into it */
        kern_mapping_done(&load->file);
        kern_capture_end(&load->capture);
}

static void object_freep(KernObject **object)
{
        kern_object_free(*object);
}

/*
 * Maps the file where its seals promise that it stays, and copies it otherwise: a file that shrinks
 * while it is mapped is SIGBUS, and one that is written to would change after it was checked.
 */
static int read_object(int fd, KernMapping *ret, KernDiag *diag)
{
        const int sealed = F_SEAL_SHRINK | F_SEAL_WRITE;
        KERN_AUTO_MAPPING KernMapping m = {0};
        struct stat st;
        int seals;

        if (fstat(fd, &st) < 0)
                return kern_fail(diag, -errno, KERN_ERROR_FAILED, "Can't look at the object: %s",
                                 strerror(errno));
        if (!S_ISREG(st.st_mode))
                return kern_fail(diag, -EINVAL, KERN_ERROR_INVALID_ARGUMENT,
                                 "The object is not a regular file or memfd");
        if (st.st_size > KERN_OBJECT_SIZE_MAX)
                return kern_fail(diag, -EFBIG, KERN_ERROR_LIMIT_EXCEEDED,
                                 "The object has %lld bytes; %u are the most",
                                 (long long)st.st_size, KERN_OBJECT_SIZE_MAX);
        if (st.st_size == 0)
                return kern_elf_check("", 0, diag);

        m.size = (size_t)st.st_size;
        seals = fcntl(fd, F_GET_SEALS);
        if (seals >= 0 && (seals & sealed) == sealed) {
                m.data = mmap(NULL, m.size, PROT_READ, MAP_PRIVATE, fd, 0);
                if (m.data == MAP_FAILED) {
                        m.data = NULL;
                        return kern_fail(diag, -errno, KERN_ERROR_FAILED,
                                         "Can't map the object: %s", strerror(errno));
                }
        } else {
                m.heap = true;
                m.data = malloc(m.size);
                if (!m.data)
                        return kern_fail(diag, -ENOMEM, KERN_ERROR_LIMIT_EXCEEDED, "Out of memory");
                for (size_t n = 0; n < m.size;) {
                        ssize_t k = pread(fd, (char *)m.data + n, m.size - n, (off_t)n);

                        if (k < 0 && errno == EINTR)
                                continue;
                        if (k <= 0)
                                return kern_fail(diag, k < 0 ? -errno : -EIO, KERN_ERROR_FAILED,
                                                 "Can't read the object: %s",
                                                 k < 0 ? strerror(errno) : "it became shorter");
                        n += (size_t)k;
                }
        }
        *ret = m;
        m.data = NULL;
        return 0;
}

static bool good_name(const char *name, size_t max)
{
        size_t n = strlen(name);

        if (n == 0 || n > max)
                return false;
        for (size_t i = 0; i < n; i++)
                if (!isalnum((unsigned char)name[i]) && name[i] != '_' && name[i] != '.')
                        return false;
        return true;
}

static bool good_section(const char *section)
{
        size_t n = strlen(section);

        if (n == 0 || n > SECTION_MAX_LENGTH)
                return false;
        for (size_t i = 0; i < n; i++)
                if (!isprint((unsigned char)section[i]))
                        return false;
        return true;
}

const char *kern_object_map_name(const struct bpf_map *map)
{
        const char *name = bpf_map__name(map);
        const char *dot = bpf_map__is_internal(map) ? strchr(name, '.') : NULL;

        return dot ? dot : name;
}

static int check_names(struct bpf_object *object, KernDiag *diag)
{
        struct bpf_program *program;
        struct bpf_map *map;
        size_t programs = 0, maps = 0;

        bpf_object__for_each_program(program, object)
        {
                if (++programs > KERN_PROGRAMS_MAX)
                        return kern_fail(diag, -E2BIG, KERN_ERROR_LIMIT_EXCEEDED,
                                         "The object has more than %u programs", KERN_PROGRAMS_MAX);
                if (!good_name(bpf_program__name(program), KERN_SYMBOL_MAX))
                        return kern_fail(
                                diag, -EINVAL, KERN_ERROR_INVALID_ARGUMENT,
                                "A program is called \"%.200s\": names have 1 to %d letters, "
                                "digits, underscores and dots",
                                bpf_program__name(program), KERN_SYMBOL_MAX);
                if (!good_section(bpf_program__section_name(program)))
                        return kern_fail(
                                diag, -EINVAL, KERN_ERROR_INVALID_ARGUMENT,
                                "Program %s is in a section called \"%.300s\": these names "
                                "have 1 to %d printable characters",
                                bpf_program__name(program), bpf_program__section_name(program),
                                SECTION_MAX_LENGTH);
        }
        bpf_object__for_each_map(map, object)
        {
                if (++maps > KERN_MAPS_MAX)
                        return kern_fail(diag, -E2BIG, KERN_ERROR_LIMIT_EXCEEDED,
                                         "The object has more than %u maps", KERN_MAPS_MAX);
                if (!good_name(bpf_map__name(map), KERN_SYMBOL_MAX))
                        return kern_fail(diag, -EINVAL, KERN_ERROR_INVALID_ARGUMENT,
                                         "A map is called \"%.200s\": names have 1 to %d letters, "
                                         "digits, underscores and dots",
                                         bpf_map__name(map), KERN_SYMBOL_MAX);
        }
        return 0;
}

int kern_object_open(int fd, const char *name, KernLoad *load, KernDiag *diag)
{
        char btf_path[64];
        LIBBPF_OPTS(bpf_object_open_opts, opts, .object_name = name ? name : "object");
        int r;

        r = read_object(fd, &load->file, diag);
        if (r < 0)
                return r;
        r = kern_elf_check(load->file.data, load->file.size, diag);
        if (r < 0)
                return r;

        if (load->log.data) {
                opts.kernel_log_buf = load->log.data;
                opts.kernel_log_size = load->log.size;
        }
        /* libbpf takes only a path; this one opens what the descriptor has, whatever its offset. */
        if (load->btf_fd >= 0) {
                snprintf(btf_path, sizeof(btf_path), "/proc/self/fd/%d", load->btf_fd);
                opts.btf_custom_path = btf_path;
        }

        kern_capture_begin(&load->capture);
        kern_freplace_register();
        load->object = bpf_object__open_mem(load->file.data, load->file.size, &opts);
        if (!load->object)
                return kern_object_explain_open(load, -errno, diag);
        return check_names(load->object, diag);
}

static void list_types(char *ret, size_t size)
{
        size_t n = 0;

        ret[0] = '\0';
        for (const KernType *t = kern_types; t->name && n < size; t++)
                n += (size_t)snprintf(ret + n, size - n, "%s%s", n > 0 ? ", " : "", t->name);
}

/*
 * libbpf reads the name behind the slash as the type that it is told: "tp_btf/NAME" loaded as fentry
 * would go on a function of that name, while everybody else reads a tracepoint's.
 */
static bool same_target(const KernType *says, const KernType *wish)
{
        return !says || !(says->needs_btf || wish->needs_btf) || says->required == wish->required;
}

/* The type that a program is loaded as; sets it in libbpf where that differs from the section's. */
static int choose_type(struct bpf_program *program, const KernType *wish, const KernType **ret,
                       KernDiag *diag)
{
        const char *name = bpf_program__name(program),
                   *section = bpf_program__section_name(program);
        const KernType *says = kern_type_from_section(section);
        enum bpf_prog_type known = bpf_program__type(program);
        char types[512];
        int r = 0;

        if (!wish && !says) {
                list_types(types, sizeof(types));
                return kern_fail(
                        diag, -EINVAL, KERN_ERROR_UNKNOWN_SECTION,
                        "Program %s is in section \"%s\", which tells no type that is taken "
                        "here; give its type: %s",
                        name, section, types);
        }
        if (!wish || wish == says) {
                *ret = says;
                return 0;
        }

        if (known != BPF_PROG_TYPE_UNSPEC && known != wish->prog_type)
                return kern_fail(diag, -EINVAL, KERN_ERROR_TYPE_MISMATCH,
                                 "Program %s is in section \"%s\" of type %s, so that it can't be "
                                 "loaded as %s",
                                 name, section, says ? says->name : kern_prog_type_name(known),
                                 wish->name);

        if (!same_target(says, wish))
                return kern_fail(diag, -EINVAL, KERN_ERROR_TYPE_MISMATCH,
                                 "Program %s is in section \"%s\", which names what a %s program "
                                 "attaches to, so that it can't be loaded as %s",
                                 name, section, says->name, wish->name);

        if (known == BPF_PROG_TYPE_UNSPEC)
                r = bpf_program__set_type(program, wish->prog_type);
        if (r >= 0)
                r = bpf_program__set_expected_attach_type(program,
                                                          (enum bpf_attach_type)wish->attach_type);
        if (r >= 0 && wish->prog_flags != 0)
                r = bpf_program__set_flags(program, bpf_program__flags(program) | wish->prog_flags);
        if (r < 0)
                return kern_fail(diag, r, KERN_ERROR_FAILED,
                                 "Can't make program %s a %s program: %s", name, wish->name,
                                 strerror(-r));
        *ret = wish;
        return 0;
}

/* fentry, fexit, fmod_ret, lsm and tp_btf programs are checked against what they attach to. */
static int check_btf_target(struct bpf_program *program, const KernType *type, KernDiag *diag)
{
        const char *section = bpf_program__section_name(program);
        const KernType *says = kern_type_from_section(section);

        if (!type->needs_btf || (says && kern_type_section_rest(says, section)[0] != '\0'))
                return 0;
        return kern_fail(diag, -EINVAL, KERN_ERROR_MISSING_PARAMETER,
                         "Program %s is in section \"%s\": a %s program is checked against what it "
                         "attaches to, so its section must be \"%s/%s\"",
                         bpf_program__name(program), section, type->name, type->name,
                         type->attach_type == BPF_TRACE_RAW_TP  ? "TRACEPOINT"
                         : type->prog_type == BPF_PROG_TYPE_LSM ? "HOOK"
                                                                : "FUNCTION");
}

/* For one link to all places of a static probe, where the kernel has links of that kind. */
static void choose_uprobe_multi(const KernLoad *load, struct bpf_program *program,
                                const KernType *type)
{
        if (load->options->uprobe_multi && strcmp(type->name, "usdt") == 0)
                (void)bpf_program__set_expected_attach_type(
                        program, (enum bpf_attach_type)KERN_BPF_TRACE_UPROBE_MULTI);
}

/* The kernel takes a program only on the hook that it was loaded for. */
static int check_hook(struct bpf_program *program, const KernType *type, KernDiag *diag)
{
        const char *section = bpf_program__section_name(program);
        const char *prefix = type->sections[0];
        char names[512];

        if (!type->hook_at_load || kern_type_section_hook(type, section))
                return 0;
        kern_type_list_hooks(type, names, sizeof(names));
        return kern_fail(diag, -EINVAL, KERN_ERROR_MISSING_PARAMETER,
                         "Program %s is in section \"%s\": a %s program is loaded for one hook, "
                         "so its section must be \"%.*sHOOK\", which can be %s",
                         bpf_program__name(program), section, type->name,
                         (int)(strcspn(prefix, "/") + 1), prefix, names);
}

static int no_such_program(struct bpf_object *object, const char *name, KernDiag *diag)
{
        char names[1024] = "";
        struct bpf_program *program;
        size_t n = 0;

        bpf_object__for_each_program(program, object) if (n < sizeof(names)) n +=
                (size_t)snprintf(names + n, sizeof(names) - n, "%s%s", n > 0 ? ", " : "",
                                 bpf_program__name(program));
        if (n == 0)
                return kern_fail(diag, -ENOENT, KERN_ERROR_NO_SUCH_PROGRAM,
                                 "The object has no programs");
        return kern_fail(diag, -ENOENT, KERN_ERROR_NO_SUCH_PROGRAM,
                         "The object has no program \"%.127s\"; it has %s", name ? name : "",
                         names);
}

static int add_program(KernLoad *load, struct bpf_program *program, const KernType *wish,
                       KernDiag *diag)
{
        uint32_t target_btf_id = 0;
        const KernType *type;
        int r;

        r = choose_type(program, wish, &type, diag);
        if (r >= 0)
                r = check_btf_target(program, type, diag);
        if (r >= 0)
                r = check_hook(program, type, diag);
        if (r >= 0 && type->prog_type == BPF_PROG_TYPE_EXT)
                r = kern_freplace_choose(load->options, program, type, &target_btf_id, diag);
        if (r >= 0)
                r = bpf_program__set_autoload(program, true);
        if (r < 0)
                return r;
        choose_uprobe_multi(load, program, type);
        load->programs[load->n_programs].program = program;
        load->programs[load->n_programs].target_btf_id = target_btf_id;
        load->programs[load->n_programs++].type = type;
        return 0;
}

static int choose_programs(KernLoad *load, const KernLoadOptions *options, KernDiag *diag)
{
        struct bpf_program *program;
        int r;

        load->programs = calloc(KERN_PROGRAMS_MAX, sizeof(*load->programs));
        if (!load->programs)
                return kern_fail(diag, -ENOMEM, KERN_ERROR_LIMIT_EXCEEDED, "Out of memory");

        if (options->n_programs == 0) {
                bpf_object__for_each_program(program, load->object)
                {
                        if (!bpf_program__autoload(program))
                                continue;
                        r = add_program(load, program, NULL, diag);
                        if (r < 0)
                                return r;
                }
                return load->n_programs == 0 ? no_such_program(load->object, "", diag) : 0;
        }

        bpf_object__for_each_program(program, load->object)
                bpf_program__set_autoload(program, false);
        for (size_t i = 0; i < options->n_programs; i++) {
                const KernProgramWish *w = &options->programs[i];

                program = w->name ? bpf_object__find_program_by_name(load->object, w->name) : NULL;
                if (!program)
                        return no_such_program(load->object, w->name, diag);
                if (bpf_program__autoload(program))
                        return kern_fail(diag, -EINVAL, KERN_ERROR_INVALID_ARGUMENT,
                                         "Program %s is asked for twice", w->name);
                r = add_program(load, program, w->type, diag);
                if (r < 0)
                        return r;
        }
        return 0;
}

static int check_number(const KernLoad *load, KernDiag *diag)
{
        struct bpf_map *map;
        size_t maps = 0;

        bpf_object__for_each_map(map, load->object) maps += bpf_map__autocreate(map);
        if (load->n_programs + maps <= KERN_LOADED_MAX)
                return 0;
        return kern_fail(diag, -E2BIG, KERN_ERROR_LIMIT_EXCEEDED,
                         "%zu programs and %zu maps are too many to be loaded at a time: together "
                         "they may be %u; name fewer programs, and load the others with the maps "
                         "of these",
                         load->n_programs, maps, KERN_LOADED_MAX);
}

static int copy_fd(int fd)
{
        int copy = fcntl(fd, F_DUPFD_CLOEXEC, 3);

        return copy < 0 ? -errno : copy;
}

static int collect_programs(const KernLoad *load, KernObject *object)
{
        object->programs = calloc(load->n_programs, sizeof(*object->programs));
        if (!object->programs)
                return -ENOMEM;
        for (size_t i = 0; i < load->n_programs; i++) {
                struct bpf_program *program = load->programs[i].program;
                KernLoadedProgram *p = &object->programs[object->n_programs++];

                p->type = load->programs[i].type;
                p->fd = p->extension_fd = -1;
                p->name = strdup(bpf_program__name(program));
                p->section = strdup(bpf_program__section_name(program));
                if (!p->name || !p->section)
                        return -ENOMEM;
                p->fd = copy_fd(bpf_program__fd(program));
                if (p->fd < 0)
                        return p->fd;
        }
        return 0;
}

static int collect_maps(const KernLoad *load, const KernLoadOptions *options, KernObject *object)
{
        struct bpf_map *map;

        object->maps = calloc(KERN_MAPS_MAX, sizeof(*object->maps));
        if (!object->maps)
                return -ENOMEM;
        bpf_object__for_each_map(map, load->object)
        {
                const KernMapWish *shared;
                KernLoadedMap *m;

                if (bpf_map__fd(map) < 0 || !bpf_map__autocreate(map))
                        continue;
                m = &object->maps[object->n_maps++];
                m->fd = -1;
                m->name = strdup(kern_object_map_name(map));
                if (!m->name)
                        return -ENOMEM;
                shared = kern_object_find_shared(options, m->name);
                m->reused = kern_object_map_was_given(map, options) || (shared && shared->fd >= 0);
                m->shared = shared && shared->fd < 0;
                m->fd = copy_fd(bpf_map__fd(map));
                if (m->fd < 0)
                        return m->fd;
        }
        return 0;
}

/* 1: shared maps are to be looked for first, see kern_object_share_maps(). */
static int prepare(int fd, const KernLoadOptions *options, uint32_t log_level, KernLoad *load,
                   KernObject *object, KernDiag *diag)
{
        int r;

        r = kern_object_make_log(load, diag);
        if (r >= 0)
                r = kern_object_open(fd, options->name, load, diag);
        if (r >= 0)
                r = choose_programs(load, options, diag);
        if (r >= 0)
                r = check_number(load, diag);
        if (r >= 0)
                r = kern_object_set_logs(load, log_level, diag);
        if (r >= 0)
                r = kern_object_set_globals(load->object, options->globals, options->n_globals,
                                            diag);
        if (r >= 0)
                r = kern_object_reuse_maps(load->object, options->maps, options->n_maps, diag);
        if (r >= 0)
                r = kern_object_size_maps(load->object, options, diag);
        if (r >= 0)
                r = kern_object_link_struct_ops(load->object, diag);
        if (r >= 0)
                r = kern_object_share_maps(load->object, options, object, diag);
        return r;
}

/* Loads into @object, which may have a log already. 1: not loaded, only since a log had no room. */
static int load_once(int fd, const KernLoadOptions *options, uint32_t log_level, KernObject *object,
                     KernDiag *diag)
{
        __attribute__((cleanup(kern_object_load_done)))
        KernLoad load = {.options = options, .btf_fd = options->btf_fd};
        char overflown[KERN_SYMBOL_MAX + 1];
        int r, loaded;

        r = prepare(fd, options, log_level, &load, object, diag);
        if (r != 0)
                return r < 0 ? r : 0;
        kern_freplace_begin(&load);
        loaded = bpf_object__load(load.object);
        kern_freplace_begin(NULL);
        if (loaded == -ENOSPC && log_level != 0 &&
            kern_capture_find(&load.capture, "prog ", "BPF program load failed", overflown,
                              sizeof(overflown))) {
                r = kern_object_collect_logs(&load, overflown, object);
                if (r >= 0)
                        return 1;
        } else if (loaded < 0) {
                return kern_object_explain_load(&load, loaded, diag);
        } else {
                r = kern_object_fill_struct_ops(load.object, diag);
                if (r < 0)
                        return r;
                r = collect_programs(&load, object);
                if (r >= 0)
                        r = collect_maps(&load, options, object);
                if (r >= 0 && log_level != 0)
                        r = kern_object_collect_logs(&load, NULL, object);
                if (r >= 0) {
                        r = kern_object_read_run_configs(&load, object, diag);
                        if (r < 0)
                                return r;
                        if (options->extend)
                                kern_object_extend(&load, options->name, object);
                }
        }
        if (r < 0)
                return kern_fail(diag, r, KERN_ERROR_LIMIT_EXCEEDED,
                                 "Out of memory or descriptors: %s", strerror(-r));
        return 0;
}

int kern_object_load(int fd, const KernLoadOptions *options, KernObject **ret,
                     KernDiag *reterr_diag)
{
        __attribute__((cleanup(object_freep))) KernObject *object = calloc(1, sizeof(*object));
        int r;

        if (!object)
                return kern_fail(reterr_diag, -ENOMEM, KERN_ERROR_LIMIT_EXCEEDED, "Out of memory");
        r = load_once(fd, options, options->log_level, object, reterr_diag);
        /* The kernel refuses whatever has a log that doesn't fit, however good it is. */
        if (r > 0)
                r = load_once(fd, options, 0, object, reterr_diag);
        if (r < 0)
                return r;
        *ret = kern_take_pointer(&object);
        return 0;
}

void kern_object_free(KernObject *object)
{
        if (!object)
                return;
        for (size_t i = 0; i < object->n_programs; i++) {
                free(object->programs[i].name);
                free(object->programs[i].section);
                kern_closep(&object->programs[i].fd);
                kern_closep(&object->programs[i].extension_fd);
        }
        for (size_t i = 0; i < object->n_maps; i++) {
                free(object->maps[i].name);
                kern_closep(&object->maps[i].fd);
        }
        for (size_t i = 0; i < object->n_unknown; i++)
                free(object->unknown[i]);
        free(object->unknown);
        free(object->programs);
        free(object->maps);
        free(object->log);
        free(object);
}
