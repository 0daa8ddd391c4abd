/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "kern-libbpf.h"

static _Thread_local KernCapture *current;

static void append(KernCapture *c, const char *line, size_t n)
{
        if (n >= sizeof(c->text))
                n = sizeof(c->text) - 1;
        if (c->n + n >= sizeof(c->text)) {
                /* the oldest go: it is the last words that count */
                size_t drop = c->n + n + 1 - sizeof(c->text);

                memmove(c->text, c->text + drop, c->n - drop);
                c->n -= drop;
        }
        memcpy(c->text + c->n, line, n);
        c->n += n;
        c->text[c->n] = '\0';
}

__attribute__((format(printf, 2, 0))) static int print(enum libbpf_print_level level,
                                                       const char *format, va_list ap)
{
        static const char prefix[] = "libbpf: ";
        char line[1024];
        const char *text = line;
        int n;

        if (level != LIBBPF_WARN || !current)
                return 0;
        n = vsnprintf(line, sizeof(line), format, ap);
        if (n <= 0)
                return 0;
        if (strncmp(text, prefix, strlen(prefix)) == 0)
                text += strlen(prefix);
        append(current, text, strlen(text));
        if ((size_t)n >= sizeof(line))
                append(current, "\n", 1);
        return 0;
}

static void set_up(void)
{
        libbpf_set_print(print);
        /* Memory is accounted by cgroup since Linux 5.11; without this libbpf probes for it. */
        libbpf_set_memlock_rlim(0);
}

void kern_capture_begin(KernCapture *capture)
{
        static pthread_once_t once = PTHREAD_ONCE_INIT;

        pthread_once(&once, set_up);
        capture->n = 0;
        capture->text[0] = '\0';
        current = capture;
}

void kern_capture_end(KernCapture *capture)
{
        if (current == capture)
                current = NULL;
}

bool kern_capture_find(const KernCapture *capture, const char *before, const char *after, char *ret,
                       size_t size)
{
        bool found = false;

        for (const char *line = capture->text; *line;) {
                size_t n = strcspn(line, "\n");
                const char *start = memmem(line, n, before, strlen(before)), *end, *rest;

                if (start && start[strlen(before)] == '\'') {
                        start += strlen(before) + 1;
                        end = memchr(start, '\'', (size_t)(line + n - start));
                        rest = end ? memmem(end, (size_t)(line + n - end), after, strlen(after))
                                   : NULL;
                        if (rest && (size_t)(end - start) < size) {
                                memcpy(ret, start, (size_t)(end - start));
                                ret[end - start] = '\0';
                                found = true;
                        }
                }
                line += n;
                if (*line == '\n')
                        line++;
        }
        return found;
}

void kern_capture_last(const KernCapture *capture, char *ret, size_t size)
{
        const char *last = "";
        size_t last_n = 0;

        for (const char *line = capture->text; *line;) {
                size_t n = strcspn(line, "\n");

                if (n > 0) {
                        last = line;
                        last_n = n;
                }
                line += n;
                if (*line == '\n')
                        line++;
        }
        snprintf(ret, size, "%.*s", (int)last_n, last);
}
