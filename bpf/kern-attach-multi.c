/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <search.h>
#include <stdio.h>
#include <string.h>

#include <bpf/bpf.h>

#include "kern-attach-internal.h"

/*
 * kprobe_multi and kretprobe_multi: one link for many functions. The kernel takes them by name, and of
 * those that share one the first. Where a pattern was given, tracefs has the names that it is matched
 * against. (It has addresses as well, but with these the kernel loses the cookies on machines where a
 * function's address isn't that of its first traceable instruction.)
 */

/* A name or pattern that was asked for. */
typedef struct Wish {
        char text[KERN_FUNCTION_MAX];
        bool is_pattern;
        bool found;
        uint64_t cookie;
} Wish;

typedef struct Wishes {
        Wish *list;
        size_t n;
        bool have_patterns;
} Wishes;

/* What the kernel is given. */
typedef struct Functions {
        const char **names;
        uint64_t *cookies;
        size_t n;
        struct hsearch_data known; /* the names, where they are matched */
} Functions;

#define LIST "available_filter_functions"

static void wishes_done(Wishes *wishes)
{
        free(wishes->list);
}

static void functions_done(Functions *functions)
{
        for (size_t i = 0; i < functions->n; i++)
                free((char *)functions->names[i]);
        free(functions->names);
        free(functions->cookies);
        hdestroy_r(&functions->known);
}

static void file_closep(FILE **file)
{
        if (*file)
                fclose(*file);
}

static int out_of_memory(KernDiag *diag)
{
        return kern_fail(diag, -ENOMEM, KERN_ERROR_LIMIT_EXCEEDED, "Out of memory");
}

static bool is_return(const KernHook *hook)
{
        return strcmp(hook->type->name, "kretprobe_multi") == 0;
}

bool kern_glob_matches(const char *pattern, const char *s)
{
        const char *star = NULL, *resume = NULL;

        while (*s) {
                if (*pattern == '*') {
                        star = ++pattern;
                        resume = s;
                } else if (*pattern == '?' || *pattern == *s) {
                        pattern++;
                        s++;
                } else if (star) {
                        pattern = star;
                        s = ++resume;
                } else {
                        return false;
                }
        }
        while (*pattern == '*')
                pattern++;
        return *pattern == '\0';
}

/* kern_hook_check() has seen to the form. */
static int read_wishes(const KernHook *hook, Wishes *ret, KernDiag *diag)
{
        const char *s = hook->functions;
        size_t n = 1;

        for (const char *p = s; *p; p++)
                n += *p == ',';
        ret->list = calloc(n, sizeof(*ret->list));
        if (!ret->list)
                return out_of_memory(diag);
        for (; ret->n < n; ret->n++) {
                Wish *wish = &ret->list[ret->n];
                size_t length = strcspn(s, ",");

                memcpy(wish->text, s, length);
                wish->is_pattern = strpbrk(wish->text, "*?");
                wish->cookie = hook->cookies.n > 0 ? hook->cookies.list[ret->n] : hook->cookie;
                ret->have_patterns = ret->have_patterns || wish->is_pattern;
                s += length + 1;
        }
        return 0;
}

/* The first wish that means the function, or NULL; all that do are marked as found. */
static Wish *find_wish(Wishes *wishes, const char *name)
{
        Wish *first = NULL;

        for (size_t i = 0; i < wishes->n; i++) {
                Wish *wish = &wishes->list[i];

                if (wish->is_pattern ? !kern_glob_matches(wish->text, name)
                                     : strcmp(wish->text, name) != 0)
                        continue;
                wish->found = true;
                if (!first)
                        first = wish;
        }
        return first;
}

static int make_room(Functions *functions, size_t n, KernDiag *diag)
{
        functions->names = calloc(n + 1, sizeof(*functions->names));
        functions->cookies = calloc(n + 1, sizeof(*functions->cookies));
        return functions->names && functions->cookies ? 0 : out_of_memory(diag);
}

static int add(Functions *functions, const char *name, uint64_t cookie, KernDiag *diag)
{
        char *copy = strdup(name);

        if (!copy)
                return out_of_memory(diag);
        functions->cookies[functions->n] = cookie;
        functions->names[functions->n++] = copy;
        return 0;
}

static int compare_names(const void *a, const void *b)
{
        return strcmp(((const Wish *)a)->text, ((const Wish *)b)->text);
}

/* Sorts the wishes, whose order only counts where a function may be meant by several. */
static int take_names(Wishes *wishes, Functions *functions, KernDiag *diag)
{
        int r = make_room(functions, wishes->n, diag);

        qsort(wishes->list, wishes->n, sizeof(*wishes->list), compare_names);
        for (size_t i = 0; r >= 0 && i < wishes->n; i++) {
                const Wish *wish = &wishes->list[i];

                /* The kernel looks each up once, and would say that there is no such function. */
                if (i > 0 && strcmp(wish->text, wish[-1].text) == 0)
                        return kern_fail(diag, -EINVAL, KERN_ERROR_INVALID_ARGUMENT,
                                         "Function %s is given twice", wish->text);
                r = add(functions, wish->text, wish->cookie, diag);
        }
        return r;
}

static FILE *open_list(void)
{
        FILE *file = fopen("/sys/kernel/tracing/" LIST, "re");

        return file ? file : fopen("/sys/kernel/debug/tracing/" LIST, "re");
}

/* The name in a line "NAME[ [MODULE]]", or NULL for what is no function any more. */
static const char *read_name(char *line)
{
        line[strcspn(line, " \t\n")] = '\0';
        return *line && !strstr(line, "__ftrace_invalid_address__") ? line : NULL;
}

/* As add(), once for each name: of several functions that share one the kernel takes the first. */
static int add_new(Functions *functions, const char *name, uint64_t cookie, KernDiag *diag)
{
        ENTRY item = {.key = (char *)name};
        ENTRY *entry;
        int r;

        if (hsearch_r(item, FIND, &entry, &functions->known))
                return 0;
        if (functions->n == KERN_FUNCTIONS_MATCHED_MAX)
                return kern_fail(diag, -E2BIG, KERN_ERROR_LIMIT_EXCEEDED,
                                 "What was given matches more than %d kernel functions, the most "
                                 "for one link; give narrower patterns",
                                 KERN_FUNCTIONS_MATCHED_MAX);
        r = add(functions, name, cookie, diag);
        if (r < 0)
                return r;
        item.key = (char *)functions->names[functions->n - 1];
        return hsearch_r(item, ENTER, &entry, &functions->known) ? 0 : out_of_memory(diag);
}

static int take_matching(FILE *file, Wishes *wishes, Functions *functions, KernDiag *diag)
{
        char line[1024];
        int r = make_room(functions, KERN_FUNCTIONS_MATCHED_MAX, diag);

        if (r >= 0 && !hcreate_r((size_t)KERN_FUNCTIONS_MATCHED_MAX * 4 / 3, &functions->known))
                r = out_of_memory(diag);
        while (r >= 0 && fgets(line, sizeof(line), file)) {
                const char *name = read_name(line);
                const Wish *wish = name ? find_wish(wishes, name) : NULL;

                if (wish)
                        r = add_new(functions, name, wish->cookie, diag);
        }
        if (r >= 0 && ferror(file))
                r = kern_fail(diag, -EIO, KERN_ERROR_FAILED, "Can't read tracefs' " LIST);
        return r;
}

/* Which of the names and patterns there is no function for; 0 if there is one for each. */
static int check_found(const Wishes *wishes, KernDiag *diag)
{
        for (size_t i = 0; i < wishes->n; i++)
                if (!wishes->list[i].found)
                        return kern_fail(
                                diag, -ENOENT, KERN_ERROR_NO_SUCH_FUNCTION,
                                "%s %s; /sys/kernel/tracing/" LIST
                                " lists those that can be traced",
                                wishes->list[i].is_pattern
                                        ? "No kernel function that can be traced matches"
                                        : "The kernel has no function that can be traced called",
                                wishes->list[i].text);
        return 0;
}

/*
 * Addresses that can't be read are refused where the kernel knows the kind of link, and the kind where
 * it doesn't; a probe that was made would wait for a grace period when it goes.
 */
int kern_probe_kprobe_multi(int prog_fd)
{
        LIBBPF_OPTS(bpf_link_create_opts, opts, .kprobe_multi.addrs = (const unsigned long *)1,
                    .kprobe_multi.cnt = 1);
        KERN_AUTO_CLOSE int link = bpf_link_create(prog_fd, 0, BPF_TRACE_KPROBE_MULTI, &opts);

        return link >= 0 || errno == EFAULT ? 0 : -errno;
}

static int resolve(Wishes *wishes, Functions *functions, KernDiag *diag)
{
        __attribute__((cleanup(file_closep))) FILE *file = NULL;
        int r;

        if (!wishes->have_patterns)
                return take_names(wishes, functions, diag);
        file = open_list();
        if (!file)
                return kern_fail(diag, -ENOENT, KERN_ERROR_NOT_SUPPORTED,
                                 "Patterns are matched against tracefs' " LIST
                                 ", which can't be read (%s); mount -t tracefs tracefs "
                                 "/sys/kernel/tracing, or give names",
                                 strerror(errno));
        r = take_matching(file, wishes, functions, diag);
        return r < 0 ? r : check_found(wishes, diag);
}

/* The kernel says that a name is missing, and not which. */
static int explain_missing(Wishes *wishes, KernDiag *diag)
{
        __attribute__((cleanup(functions_done))) Functions functions = {0};
        __attribute__((cleanup(file_closep))) FILE *file = NULL;
        int r = 0;

        file = open_list();
        if (file) {
                r = take_matching(file, wishes, &functions, diag);
                if (r >= 0)
                        r = check_found(wishes, diag);
        }
        if (r < 0)
                return r;
        return kern_fail(diag, -ENOENT, KERN_ERROR_NO_SUCH_FUNCTION,
                         "The kernel has no function that can be traced called %s%s",
                         wishes->list[0].text,
                         wishes->n > 1 ? ", or as another that was given" : "");
}

static int explain(const KernHook *hook, Wishes *wishes, int r, KernDiag *diag)
{
        switch (-r) {
        case ESRCH:
        case ENOENT:
                return explain_missing(wishes, diag);
        case EOPNOTSUPP:
        case 524: /* ENOTSUPP, which has no name outside of the kernel */
                return kern_cant_attach(r, hook, diag);
        case EINVAL:
                return kern_fail(
                        diag, r, KERN_ERROR_TYPE_MISMATCH,
                        "The kernel refuses the program as %s program: it was loaded as "
                        "another type, or changes results of functions where that can't be",
                        hook->type->name);
        case E2BIG:
        case ENOMEM:
                return kern_fail(diag, r, KERN_ERROR_LIMIT_EXCEEDED,
                                 "%s are more functions than the kernel takes for one link",
                                 hook->functions);
        default:
                return kern_fail(diag, r, KERN_ERROR_FAILED, "Can't attach the program to %s: %s",
                                 hook->functions, strerror(-r));
        }
}

int kern_attach_kprobe_multi(int prog_fd, const KernHook *hook, KernAttachment *attachment,
                             KernDiag *diag)
{
        __attribute__((cleanup(wishes_done))) Wishes wishes = {0};
        __attribute__((cleanup(functions_done))) Functions functions = {0};
        LIBBPF_OPTS(bpf_link_create_opts, opts);
        int fd, r;

        r = read_wishes(hook, &wishes, diag);
        if (r < 0)
                return r;
        /* Without such links there are no functions to be found either, which would be said instead. */
        r = kern_probe_kprobe_multi(prog_fd);
        if (r < 0)
                return explain(hook, &wishes, r, diag);
        r = resolve(&wishes, &functions, diag);
        if (r < 0)
                return r;

        opts.kprobe_multi.flags = is_return(hook) ? BPF_F_KPROBE_MULTI_RETURN : 0;
        opts.kprobe_multi.cnt = (uint32_t)functions.n;
        opts.kprobe_multi.syms = functions.names;
        opts.kprobe_multi.cookies = (const __u64 *)functions.cookies;
        fd = bpf_link_create(prog_fd, 0, BPF_TRACE_KPROBE_MULTI, &opts);
        if (fd < 0)
                return explain(hook, &wishes, -errno, diag);
        return kern_attachment_add(attachment, fd, diag);
}
