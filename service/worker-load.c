/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What a worker does with a caller's bytes, and with the programs that it made of them. */

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>

#include "kern-attach.h"
#include "kern-info.h"
#include "worker-confine.h"
#include "worker-methods.h"
#include "worker-value.h"

/* Test runs are bounded by the daemon; this is what a worker takes at most. */
#define TEST_RUN_SIZE_MAX (1024U * 1024)
#define WISHES_MAX 256

/* include/linux/errno.h: not for user space, but BPF_PROG_TEST_RUN returns it */
#define KERNEL_ENOTSUPP 524

static int append_log(sd_bus_message *reply, const char *log, size_t size)
{
        int fd cleanup(worker_close_fd) = -1;

        if (!log || size == 0)
                return worker_fds_append(reply, NULL, 0);
        fd = memfd_create("bpf-verifier-log", MFD_CLOEXEC | MFD_ALLOW_SEALING);
        if (fd < 0 || write(fd, log, size) != (ssize_t)size ||
            fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) < 0)
                return -errno;
        return worker_fds_append(reply, &fd, 1);
}

/*
 * Reads on, from the file's beginning: by its own position, since the descriptor's is shared with the
 * caller; only what has none, a pipe, is read as it comes.
 */
static ssize_t read_on(int fd, void *buffer, size_t size, uint64_t position)
{
        ssize_t n = pread(fd, buffer, size, (off_t)position);

        return n < 0 && errno == ESPIPE ? read(fd, buffer, size) : n;
}

static int copy_sealed(int from, int to, KernDiag *diag)
{
        uint64_t total = 0;

        for (;;) {
                char buffer[64 * 1024];
                ssize_t n = read_on(from, buffer, sizeof(buffer), total);

                if (n < 0)
                        return kern_fail(diag, -errno, KERN_ERROR_INVALID_ARGUMENT,
                                         "The descriptor can't be read: %m. It must be a file that "
                                         "is open for reading.");
                if (n == 0)
                        break;
                total += (uint64_t)n;
                if (total > KERN_OBJECT_SIZE_MAX)
                        return kern_fail(diag, -EFBIG, KERN_ERROR_LIMIT_EXCEEDED,
                                         "The file has more than %u bytes.", KERN_OBJECT_SIZE_MAX);
                if (write(to, buffer, (size_t)n) != n)
                        return kern_fail(diag, -EIO, KERN_ERROR_FAILED, "Can't copy the file: %m.");
        }
        if (fcntl(to, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) < 0)
                return kern_fail(diag, -errno, KERN_ERROR_FAILED, "Can't seal the copy: %m.");
        return 0;
}

int worker_method_seal(sd_bus_message *m, void *userdata, sd_bus_error *reterr)
{
        sd_bus_message *reply cleanup(worker_message_unref) = NULL;
        KernDiag diag cleanup(worker_diag_done) = {0};
        int memfd cleanup(worker_close_fd) = -1;
        int fd, r;

        (void)userdata, (void)reterr;
        r = worker_confine_enter(WORKER_ROLE_INSPECT);
        if (r < 0)
                return r;
        r = sd_bus_message_read_basic(m, 'h', &fd);
        if (r < 0)
                return r;
        memfd = memfd_create("bpf-object", MFD_CLOEXEC | MFD_ALLOW_SEALING);
        if (memfd < 0)
                return -errno;
        r = copy_sealed(fd, memfd, &diag);
        r = worker_reply_result(m, r, &diag, &reply);
        if (r < 0)
                return r;
        r = worker_fds_append(reply, &memfd, diag.error == KERN_ERROR_NONE ? 1 : 0);
        if (r < 0)
                return r;
        return worker_reply_send(reply);
}

static int append_outline(sd_bus_message *reply, const KernOutline *outline)
{
        int r;

        r = sd_bus_message_open_container(reply, 'a', "(" WORKER_OUTLINE_PROGRAM ")");
        for (size_t i = 0; r >= 0 && outline && i < outline->n_programs; i++)
                r = sd_bus_message_append(reply, "(" WORKER_OUTLINE_PROGRAM ")",
                                          outline->programs[i].name, outline->programs[i].section,
                                          outline->programs[i].type
                                                  ? outline->programs[i].type->name
                                                  : "",
                                          (int)outline->programs[i].optional);
        if (r >= 0)
                r = sd_bus_message_close_container(reply);
        if (r >= 0)
                r = sd_bus_message_append(reply, "s", outline ? outline->license : "");
        if (r >= 0)
                r = sd_bus_message_open_container(reply, 'a', "(" WORKER_OUTLINE_MAP ")");
        for (size_t i = 0; r >= 0 && outline && i < outline->n_maps; i++)
                r = sd_bus_message_append(reply, "(" WORKER_OUTLINE_MAP ")", outline->maps[i].name,
                                          outline->maps[i].type, outline->maps[i].key_size,
                                          outline->maps[i].value_size, outline->maps[i].max_entries,
                                          outline->maps[i].flags, (int)outline->maps[i].shared);
        if (r >= 0)
                r = sd_bus_message_close_container(reply);
        if (r >= 0)
                r = sd_bus_message_open_container(reply, 'a', "(" WORKER_OUTLINE_GLOBAL ")");
        for (size_t i = 0; r >= 0 && outline && i < outline->n_globals; i++)
                r = sd_bus_message_append(reply, "(" WORKER_OUTLINE_GLOBAL ")",
                                          outline->globals[i].name, outline->globals[i].map,
                                          outline->globals[i].type, outline->globals[i].size,
                                          outline->globals[i].value);
        return r < 0 ? r : sd_bus_message_close_container(reply);
}

int worker_method_inspect(sd_bus_message *m, void *userdata, sd_bus_error *reterr)
{
        sd_bus_message *reply cleanup(worker_message_unref) = NULL;
        KernOutline *outline cleanup(worker_outline_done) = NULL;
        KernDiag diag cleanup(worker_diag_done) = {0};
        int fd, r;

        (void)userdata, (void)reterr;
        r = worker_confine_enter(WORKER_ROLE_INSPECT);
        if (r < 0)
                return r;
        r = sd_bus_message_read_basic(m, 'h', &fd);
        if (r < 0)
                return r;
        r = kern_object_outline(fd, &outline, &diag);
        r = worker_reply_result(m, r, &diag, &reply);
        if (r < 0)
                return r;
        r = append_outline(reply, outline);
        if (r < 0)
                return r;
        return worker_reply_send(reply);
}

/* The options of a Load, as long as the message that they borrow from. */
typedef struct LoadWishes {
        KernProgramWish programs[WISHES_MAX];
        KernGlobalWish globals[WISHES_MAX];
        KernMapWish maps[WISHES_MAX];
        KernMapSize map_sizes[WISHES_MAX];
        KernMapWish shared[WISHES_MAX]; /* descriptors owned */
        KernLoadOptions options;
} LoadWishes;

static void free_wishes(LoadWishes **w)
{
        for (size_t i = 0; *w && i < (*w)->options.n_globals; i++)
                worker_value_clear(&(*w)->globals[i].value);
        for (size_t i = 0; *w && i < (*w)->options.n_shared; i++)
                worker_close_fd(&(*w)->shared[i].fd);
        free(*w);
}

static int read_program_wishes(sd_bus_message *m, LoadWishes *w)
{
        const char *name, *type;
        int r;

        r = sd_bus_message_enter_container(m, 'a', "(ss)");
        if (r < 0)
                return r;
        while ((r = sd_bus_message_read(m, "(ss)", &name, &type)) > 0) {
                if (w->options.n_programs == WISHES_MAX)
                        return -E2BIG;
                w->programs[w->options.n_programs++] = (KernProgramWish){
                        .name = name,
                        .type = kern_type_find(type),
                };
        }
        if (r < 0)
                return r;
        return sd_bus_message_exit_container(m);
}

static int read_global_wishes(sd_bus_message *m, LoadWishes *w)
{
        int r;

        r = sd_bus_message_enter_container(m, 'a', "{sv}");
        if (r < 0)
                return r;
        while ((r = sd_bus_message_enter_container(m, 'e', "sv")) > 0) {
                KernGlobalWish *wish = &w->globals[w->options.n_globals];

                if (w->options.n_globals == WISHES_MAX)
                        return -E2BIG;
                r = sd_bus_message_read_basic(m, 's', &wish->name);
                if (r < 0)
                        return r;
                r = worker_value_read(m, &wish->value);
                if (r < 0)
                        return r;
                w->options.n_globals++;
                r = sd_bus_message_exit_container(m);
                if (r < 0)
                        return r;
        }
        if (r < 0)
                return r;
        return sd_bus_message_exit_container(m);
}

static int read_map_wishes(sd_bus_message *m, LoadWishes *w)
{
        const char *name;
        int fd, optional, r;

        r = sd_bus_message_enter_container(m, 'a', "(shb)");
        if (r < 0)
                return r;
        while ((r = sd_bus_message_read(m, "(shb)", &name, &fd, &optional)) > 0) {
                if (w->options.n_maps == WISHES_MAX)
                        return -E2BIG;
                w->maps[w->options.n_maps++] =
                        (KernMapWish){.name = name, .fd = fd, .optional = optional};
        }
        if (r < 0)
                return r;
        return sd_bus_message_exit_container(m);
}

static int read_map_sizes(sd_bus_message *m, LoadWishes *w)
{
        KernMapSize size;
        int r;

        r = sd_bus_message_enter_container(m, 'a', "(su)");
        if (r < 0)
                return r;
        while ((r = sd_bus_message_read(m, "(su)", &size.name, &size.max_entries)) > 0) {
                if (w->options.n_map_sizes == WISHES_MAX)
                        return -E2BIG;
                w->map_sizes[w->options.n_map_sizes++] = size;
        }
        if (r < 0)
                return r;
        return sd_bus_message_exit_container(m);
}

static int read_shared_maps(sd_bus_message *m, LoadWishes *w)
{
        int r;

        r = sd_bus_message_enter_container(m, 'a', "(sah)");
        if (r < 0)
                return r;
        while ((r = sd_bus_message_enter_container(m, 'r', "sah")) > 0) {
                KernMapWish *wish = &w->shared[w->options.n_shared];

                if (w->options.n_shared == WISHES_MAX)
                        return -E2BIG;
                wish->fd = -1;
                r = sd_bus_message_read_basic(m, 's', &wish->name);
                if (r < 0)
                        return r;
                r = worker_fd_take(m, &wish->fd);
                if (r < 0)
                        return r;
                w->options.n_shared++;
                r = sd_bus_message_exit_container(m);
                if (r < 0)
                        return r;
        }
        if (r < 0)
                return r;
        return sd_bus_message_exit_container(m);
}

static int read_wishes(sd_bus_message *m, LoadWishes *w)
{
        int r;

        r = read_program_wishes(m, w);
        if (r < 0)
                return r;
        r = read_global_wishes(m, w);
        if (r < 0)
                return r;
        r = read_map_wishes(m, w);
        if (r < 0)
                return r;
        r = read_map_sizes(m, w);
        if (r < 0)
                return r;
        r = read_shared_maps(m, w);
        if (r < 0)
                return r;
        w->options.programs = w->programs;
        w->options.globals = w->globals;
        w->options.maps = w->maps;
        w->options.map_sizes = w->map_sizes;
        w->options.shared = w->shared;
        w->options.share = true;
        return 0;
}

static int append_program(sd_bus_message *reply, const KernLoadedProgram *p)
{
        int r;

        r = sd_bus_message_open_container(reply, 'r', WORKER_LOADED_PROGRAM);
        if (r < 0)
                return r;
        r = sd_bus_message_append(reply, "sssh", p->name, p->section, p->type->name, p->fd);
        if (r < 0)
                return r;
        r = worker_fd_append(reply, p->extension_fd);
        if (r < 0)
                return r;
        r = sd_bus_message_append(reply, "uu", p->xdp_priority, p->xdp_proceed_on);
        if (r < 0)
                return r;
        return sd_bus_message_close_container(reply);
}

static int append_loaded(sd_bus_message *reply, const KernObject *object)
{
        int r;

        r = sd_bus_message_open_container(reply, 'a', "s");
        for (size_t i = 0; r >= 0 && object && i < object->n_unknown; i++)
                r = sd_bus_message_append(reply, "s", object->unknown[i]);
        if (r >= 0)
                r = sd_bus_message_close_container(reply);
        if (r >= 0)
                r = sd_bus_message_open_container(reply, 'a', "(" WORKER_LOADED_PROGRAM ")");
        if (r < 0)
                return r;
        for (size_t i = 0; object && i < object->n_programs; i++) {
                r = append_program(reply, &object->programs[i]);
                if (r < 0)
                        return r;
        }
        r = sd_bus_message_close_container(reply);
        if (r < 0)
                return r;
        r = sd_bus_message_open_container(reply, 'a', "(" WORKER_LOADED_MAP ")");
        if (r < 0)
                return r;
        for (size_t i = 0; object && i < object->n_maps; i++) {
                const KernLoadedMap *p = &object->maps[i];

                r = sd_bus_message_append(reply, "(" WORKER_LOADED_MAP ")", p->name, p->fd,
                                          (int)p->reused, (int)p->shared);
                if (r < 0)
                        return r;
        }
        return sd_bus_message_close_container(reply);
}

/* The program that freplace programs go into. */
typedef struct Target {
        int program;
        int btf; /* or -1 */
} Target;

static void close_target(Target *target)
{
        worker_close_fd(&target->program);
        worker_close_fd(&target->btf);
}

int worker_method_load(sd_bus_message *m, void *userdata, sd_bus_error *reterr)
{
        sd_bus_message *reply cleanup(worker_message_unref) = NULL;
        KernObject *object cleanup(worker_object_done) = NULL;
        KernDiag diag cleanup(worker_diag_done) = {0};
        LoadWishes *w cleanup(free_wishes) = calloc(1, sizeof(*w));
        int btf_fd cleanup(worker_close_fd) = -1;
        Target target cleanup(close_target) = {-1, -1};
        int fds[2] = {-1, -1};
        size_t n;
        int fd, extend, uprobe_multi, r;

        (void)userdata, (void)reterr;
        if (!w)
                return -ENOMEM;
        r = worker_confine_enter(WORKER_ROLE_LOAD);
        if (r < 0)
                return r;
        r = sd_bus_message_read_basic(m, 'h', &fd);
        if (r < 0)
                return r;
        r = read_wishes(m, w);
        if (r < 0)
                return r;
        r = worker_fd_take(m, &btf_fd);
        if (r < 0)
                return r;
        r = sd_bus_message_read(m, "ubb", &w->options.log_level, &extend, &uprobe_multi);
        if (r < 0)
                return r;
        r = worker_fds_take(m, fds, 2, &n);
        target = (Target){fds[0], fds[1]};
        if (r < 0)
                return r;
        r = sd_bus_message_read_basic(m, 's', &w->options.target_function);
        if (r < 0)
                return r;
        w->options.target_fd = target.program;
        w->options.target_btf_fd = target.btf;
        w->options.extend = extend;
        w->options.uprobe_multi = uprobe_multi;
        w->options.btf_fd = btf_fd;

        r = kern_object_load(fd, &w->options, &object, &diag);
        r = worker_reply_result(m, r, &diag, &reply);
        if (r < 0)
                return r;
        r = append_loaded(reply, object);
        if (r < 0)
                return r;
        r = object ? append_log(reply, object->log, object->log_size)
                   : append_log(reply, diag.log, diag.log_size);
        if (r < 0)
                return r;
        return worker_reply_send(reply);
}

int worker_method_test_run(sd_bus_message *m, void *userdata, sd_bus_error *reterr)
{
        sd_bus_message *reply cleanup(worker_message_unref) = NULL;
        KernDiag diag cleanup(worker_diag_done) = {0};
        void *data_out cleanup(worker_free_memory) = NULL;
        void *ctx_out cleanup(worker_free_memory) = NULL;
        KernTestRun run = {0};
        uint32_t room;
        int fd, r;

        (void)userdata, (void)reterr;
        r = worker_confine_enter(WORKER_ROLE_LOAD);
        if (r < 0)
                return r;
        r = sd_bus_message_read_basic(m, 'h', &fd);
        if (r < 0)
                return r;
        r = sd_bus_message_read_array(m, 'y', &run.data_in, &run.data_in_size);
        if (r < 0)
                return r;
        r = sd_bus_message_read_basic(m, 'u', &room);
        if (r < 0)
                return r;
        r = sd_bus_message_read_array(m, 'y', &run.ctx_in, &run.ctx_in_size);
        if (r < 0)
                return r;
        r = sd_bus_message_read_basic(m, 'u', &run.repeat);
        if (r < 0)
                return r;
        if (room > TEST_RUN_SIZE_MAX || run.ctx_in_size > TEST_RUN_SIZE_MAX)
                return -EINVAL;
        /* Types without packets refuse a buffer, so none is offered where no data came in. */
        if (run.data_in_size > 0) {
                data_out = calloc(1, room + 1);
                run.data_out = data_out;
                run.data_out_size = room;
        }
        if (run.ctx_in_size > 0) {
                ctx_out = calloc(1, run.ctx_in_size);
                run.ctx_out = ctx_out;
                run.ctx_out_size = run.ctx_in_size;
        }
        if ((run.data_in_size > 0 && !data_out) || (run.ctx_in_size > 0 && !ctx_out))
                return -ENOMEM;
        r = kern_test_run(fd, &run);
        if (r == -ENOSPC)
                (void)kern_fail(&diag, r, KERN_ERROR_INVALID_ARGUMENT,
                                "The output has %zu bytes and data_size is %u.", run.data_out_size,
                                room);
        else if (r == -KERNEL_ENOTSUPP || r == -EOPNOTSUPP)
                (void)kern_fail(&diag, r, KERN_ERROR_NOT_SUPPORTED,
                                "The kernel can't run this type of program without a hook.");
        else if (r == -EINVAL)
                (void)kern_fail(
                        &diag, r, KERN_ERROR_INVALID_ARGUMENT,
                        "The kernel refuses this test run (EINVAL). Packet programs need at "
                        "least 14 bytes of data, others take a context and no data, and some "
                        "no repeat.");
        else if (r < 0)
                worker_diag_ensure(&diag, r);
        if (diag.error != KERN_ERROR_NONE)
                run = (KernTestRun){0};
        r = worker_reply_new(m, &diag, &reply);
        if (r < 0)
                return r;
        r = sd_bus_message_append_basic(reply, 'u', &run.retval);
        if (r < 0)
                return r;
        r = sd_bus_message_append_array(reply, 'y', run.data_out,
                                        run.data_out ? run.data_out_size : 0);
        if (r < 0)
                return r;
        r = sd_bus_message_append_array(reply, 'y', run.ctx_out,
                                        run.ctx_out ? run.ctx_out_size : 0);
        if (r < 0)
                return r;
        r = sd_bus_message_append(reply, "t", (uint64_t)run.duration_ns);
        if (r < 0)
                return r;
        return worker_reply_send(reply);
}
