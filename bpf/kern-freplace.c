/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <pthread.h>
#include <string.h>

#include <bpf/bpf.h>
#include <bpf/btf.h>

#include "kern-attach-internal.h"
#include "kern-info.h"
#include "kern-object-internal.h"

/*
 * freplace: a program in place of a function of another one. libbpf would look the function up by the
 * id of the target's BTF, which takes more privilege than where objects are parsed. So it is told the
 * id of the function, found in the BTF whose descriptor was handed over.
 */

/* What is being loaded, for set_target(), which libbpf gives nothing but the program. */
static _Thread_local const KernLoad *current;

static void freep(void *p)
{
        free(*(void **)p);
}

/* The kernel has checked it when it was loaded, whoever wrote it. */
static int read_btf(int fd, struct btf **ret)
{
        struct bpf_btf_info info = {0};
        uint32_t len = sizeof(info), size;
        __attribute__((cleanup(freep))) void *data = NULL;
        struct btf *btf;

        if (bpf_btf_get_info_by_fd(fd, &info, &len) < 0)
                return -errno;
        size = info.btf_size;
        data = malloc(size);
        if (!data)
                return -ENOMEM;
        info = (struct bpf_btf_info){.btf = kern_pointer(data), .btf_size = size};
        len = sizeof(info);
        if (bpf_btf_get_info_by_fd(fd, &info, &len) < 0)
                return -errno;
        btf = btf__new(data, size);
        if (!btf)
                return -errno;
        *ret = btf;
        return 0;
}

static void list_functions(const struct btf *btf, char *ret, size_t size)
{
        size_t n = 0;

        ret[0] = '\0';
        for (uint32_t id = 1; id < btf__type_cnt(btf) && n < size; id++) {
                const struct btf_type *type = btf__type_by_id(btf, id);

                if (btf_is_func(type))
                        n += (size_t)snprintf(ret + n, size - n, "%s%s", n > 0 ? ", " : "",
                                              btf__name_by_offset(btf, type->name_off));
        }
}

static int find_function(int btf_fd, const char *function, uint32_t *ret, KernDiag *diag)
{
        KERN_AUTO_BTF struct btf *btf = NULL;
        char names[512];
        int r;

        r = read_btf(btf_fd, &btf);
        if (r < 0)
                return kern_fail(diag, r, KERN_ERROR_FAILED,
                                 "Can't read the BTF of the target program: %s", strerror(-r));
        r = btf__find_by_name_kind(btf, function, BTF_KIND_FUNC);
        if (r <= 0) {
                list_functions(btf, names, sizeof(names));
                return kern_fail(diag, -ENOENT, KERN_ERROR_NO_SUCH_FUNCTION,
                                 "The target program has no function %s; it has %s", function,
                                 names);
        }
        *ret = (uint32_t)r;
        return 0;
}

static int set_target(struct bpf_program *program, struct bpf_prog_load_opts *opts, long cookie)
{
        (void)cookie;
        for (size_t i = 0; current && i < current->n_programs; i++)
                if (current->programs[i].program == program)
                        opts->attach_btf_id = current->programs[i].target_btf_id;
        return 0;
}

static void register_section(void)
{
        LIBBPF_OPTS(libbpf_prog_handler_opts, opts, .prog_prepare_load_fn = set_target);

        libbpf_register_prog_handler("freplace+", BPF_PROG_TYPE_EXT, (enum bpf_attach_type)0,
                                     &opts);
}

void kern_freplace_register(void)
{
        static pthread_once_t once = PTHREAD_ONCE_INIT;

        pthread_once(&once, register_section);
}

void kern_freplace_begin(const KernLoad *load)
{
        current = load;
}

int kern_freplace_choose(const KernLoadOptions *options, struct bpf_program *program,
                         const KernType *type, uint32_t *ret_btf_id, KernDiag *reterr_diag)
{
        const char *name = bpf_program__name(program);
        const char *function = kern_type_section_rest(type, bpf_program__section_name(program));
        int r;

        if (options->target_function && options->target_function[0] != '\0')
                function = options->target_function;
        if (options->target_fd < 0)
                return kern_fail(reterr_diag, -EINVAL, KERN_ERROR_MISSING_PARAMETER,
                                 "Program %.127s replaces a function of another program: give that "
                                 "as target_program",
                                 name);
        if (options->target_btf_fd < 0)
                return kern_fail(reterr_diag, -EINVAL, KERN_ERROR_NO_BTF,
                                 "The target program has no BTF, by which its functions are known; "
                                 "compile it with -g");
        if (function[0] == '\0')
                return kern_fail(reterr_diag, -EINVAL, KERN_ERROR_MISSING_PARAMETER,
                                 "The section of program %.127s doesn't say which function it "
                                 "replaces (\"freplace/FUNCTION\"): give target_function",
                                 name);
        r = find_function(options->target_btf_fd, function, ret_btf_id, reterr_diag);
        if (r < 0)
                return r;
        r = bpf_program__set_attach_target(program, options->target_fd, NULL);
        return r < 0 ? kern_fail(reterr_diag, r, KERN_ERROR_FAILED,
                                 "Can't tell libbpf the target of program %.127s: %s", name,
                                 strerror(-r))
                     : 0;
}

int kern_attach_freplace(int prog_fd, const KernHook *hook, KernAttachment *attachment,
                         KernDiag *diag)
{
        LIBBPF_OPTS(bpf_link_create_opts, opts);
        KERN_AUTO_CLOSE int btf_fd = -1;
        KernProgramInfo info;
        int fd, r;

        r = kern_program_info(hook->target_program_fd, &info);
        if (r < 0)
                return kern_fail(diag, r, KERN_ERROR_FAILED, "Can't look at the target program: %s",
                                 strerror(-r));
        btf_fd = info.btf_id > 0 ? bpf_btf_get_fd_by_id(info.btf_id) : -1;
        if (btf_fd < 0)
                return kern_fail(diag, -EINVAL, KERN_ERROR_NO_BTF,
                                 "Program %u has no BTF, by which its functions are known; compile "
                                 "it with -g",
                                 info.id);
        r = find_function(btf_fd, hook->function, &opts.target_btf_id, diag);
        if (r < 0)
                return r;
        fd = bpf_link_create(prog_fd, hook->target_program_fd, (enum bpf_attach_type)0, &opts);
        if (fd >= 0)
                return kern_attachment_add(attachment, fd, diag);

        fd = -errno;
        switch (-fd) {
        case EPERM:
        case 524: /* ENOTSUPP, which has no name outside of the kernel */
        case EOPNOTSUPP:
                return kern_cant_attach(fd, hook, diag);
        case EBUSY:
        case EEXIST:
                return kern_fail(diag, -EBUSY, KERN_ERROR_HOOK_BUSY,
                                 "Function %s of program %u (%s) is replaced or traced already",
                                 hook->function, info.id, info.name);
        case EINVAL:
                return kern_fail(diag, fd, KERN_ERROR_TYPE_MISMATCH,
                                 "The program doesn't fit in place of function %s of program %u "
                                 "(%s): arguments, result and the target's type must be those that "
                                 "it was loaded for, and the function must be global",
                                 hook->function, info.id, info.name);
        default:
                return kern_fail(diag, fd, KERN_ERROR_FAILED,
                                 "Can't put the program in place of function %s of program %u: %s",
                                 hook->function, info.id, strerror(-fd));
        }
}
