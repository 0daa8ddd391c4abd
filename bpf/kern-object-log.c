/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "kern-object-internal.h"

/*
 * The verifier's logs. A program that is refused is logged anyway, so that it can be told why; where
 * log_level asks for it the others are as well, and then each has a buffer of its own.
 */

/* What kernels before 5.16 take at most; the pages are only touched when there is something to log. */
#define LOG_SIZE ((UINT32_MAX >> 8))

/* Kernels from 6.4 on keep a log's end where it is larger, others its beginning. */
#define PROGRAM_LOG_SIZE (4U * 1024 * 1024)
#define PROGRAM_LOG_SIZE_MIN (256U * 1024)
#define PROGRAM_LOGS_SIZE_MAX (64ULL * 1024 * 1024)

static int make_log(KernMapping *ret, size_t size, KernDiag *diag)
{
        void *p = mmap(NULL, size, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

        if (p == MAP_FAILED)
                return kern_fail(diag, -ENOMEM, KERN_ERROR_LIMIT_EXCEEDED,
                                 "Out of memory for the verifier's log");
        *ret = (KernMapping){.data = p, .size = size};
        return 0;
}

int kern_object_make_log(KernLoad *load, KernDiag *reterr_diag)
{
        return make_log(&load->log, LOG_SIZE, reterr_diag);
}

int kern_object_set_logs(KernLoad *load, uint32_t level, KernDiag *reterr_diag)
{
        size_t size = PROGRAM_LOG_SIZE;
        int r = 0;

        if (level == 0)
                return 0;
        if (level > 7)
                return kern_fail(reterr_diag, -EINVAL, KERN_ERROR_INVALID_ARGUMENT,
                                 "log_level is %u; it is 0, or a sum of 1 or 2 and 4", level);
        if (load->n_programs * (uint64_t)size > PROGRAM_LOGS_SIZE_MAX)
                size = PROGRAM_LOGS_SIZE_MAX / load->n_programs;
        if (size < PROGRAM_LOG_SIZE_MIN)
                size = PROGRAM_LOG_SIZE_MIN;

        for (size_t i = 0; r >= 0 && i < load->n_programs; i++) {
                KernMapping *log = &load->programs[i].log;

                r = make_log(log, size, reterr_diag);
                if (r >= 0)
                        r = bpf_program__set_log_buf(load->programs[i].program, log->data,
                                                     log->size);
                if (r >= 0)
                        r = bpf_program__set_log_level(load->programs[i].program, level);
        }
        return r;
}

char *kern_object_copy_log(const char *log, bool cut, size_t *ret_size)
{
        static const char note[] = "; The beginning of this log was left out.\n";
        const size_t n = strlen(log);
        const char *start = log;
        char *copy;

        if (n > KERN_LOG_MAX) {
                const char *end_of_line;

                cut = true;
                start += n - KERN_LOG_MAX;
                end_of_line = memchr(start, '\n', KERN_LOG_MAX);
                if (end_of_line)
                        start = end_of_line + 1;
        }
        if (asprintf(&copy, "%s%s", cut ? note : "", start) < 0)
                return NULL;
        kern_text_clean(copy);
        *ret_size = strlen(copy);
        return copy;
}

int kern_object_collect_logs(const KernLoad *load, const char *overflown, KernObject *object)
{
        KERN_AUTO_FREE char *text = NULL;
        size_t first = load->n_programs, total = 0;
        FILE *f;

        /* The last ones, as far as there is room for them. */
        while (first > 0 && total <= KERN_LOG_MAX)
                total += strlen(load->programs[--first].log.data);
        f = open_memstream(&text, &total);
        if (!f)
                return -ENOMEM;
        for (size_t i = first; i < load->n_programs; i++) {
                if (load->n_programs > 1)
                        fprintf(f, "; program %s\n", bpf_program__name(load->programs[i].program));
                fputs(load->programs[i].log.data, f);
        }
        if (overflown)
                fprintf(f,
                        "\n; The log of program %s has more than %zu KiB, and is not complete. It "
                        "was "
                        "loaded without a log, as was what comes after it.\n",
                        overflown, load->programs[0].log.size / 1024);
        if (fclose(f) != 0)
                return -ENOMEM;
        object->log = kern_object_copy_log(text, first > 0, &object->log_size);
        return object->log ? 0 : -ENOMEM;
}
