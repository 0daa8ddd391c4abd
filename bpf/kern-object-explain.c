/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <ctype.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include <bpf/bpf.h>

#include "kern-elf.h"
#include "kern-object-internal.h"

/*
 * libbpf returns one number for everything that can go wrong between an object and the kernel. What
 * it was is told by which of its warnings came last, by the verifier's log and by asking the kernel;
 * the wording of warnings only ever chooses between messages, and an unknown one gets a general one.
 */

#define LOG_TAIL_LINES 10
#define LOG_TAIL_MAX 1500

/* libbpf has error numbers of its own above the system's. */
static int as_errno(int r)
{
        return r <= -4000 ? -EBADMSG : r;
}

/* Statistics and empty lines, which the verifier writes even where it never came to verify. */
static bool meaningless(const char *line, size_t n)
{
        static const char *const starts[] = {"processed ", "verification time ", "stack depth ",
                                             "max_states_per_insn ", "-- "};
        size_t blank = 0;

        while (blank < n && isspace((unsigned char)line[blank]))
                blank++;
        if (blank == n)
                return true;
        for (size_t i = 0; i < KERN_ELEMENTSOF(starts); i++)
                if (n >= strlen(starts[i]) && strncmp(line, starts[i], strlen(starts[i])) == 0)
                        return true;
        return false;
}

/* The last lines that say something; returns how many. */
static size_t log_tail(const char *log, char *ret, size_t size)
{
        const char *lines[LOG_TAIL_LINES];
        size_t lengths[LOG_TAIL_LINES], n = 0, total = 0, first;

        for (const char *end = log + strlen(log); end > log && n < LOG_TAIL_LINES;) {
                const char *start = memrchr(log, '\n', (size_t)(end - log));
                size_t length;

                start = start ? start + 1 : log;
                length = (size_t)(end - start);
                if (!meaningless(start, length)) {
                        if (n > 0 && total + length + 1 > LOG_TAIL_MAX)
                                break;
                        lines[n] = start;
                        lengths[n++] = length;
                        total += length + 1;
                }
                end = start > log ? start - 1 : log;
        }

        ret[0] = '\0';
        first = n;
        for (size_t used = 0; first > 0 && used < size;) {
                first--;
                used += (size_t)snprintf(ret + used, size - used, "%.*s%s", (int)lengths[first],
                                         lines[first], first > 0 ? "\n" : "");
        }
        return n;
}

static void keep_log(const char *log, KernDiag *diag)
{
        if (!diag || diag->log || log[0] == '\0')
                return;
        diag->log = kern_object_copy_log(log, false, &diag->log_size);
}

int kern_object_explain_open(const KernLoad *load, int r, KernDiag *reterr_diag)
{
        char last[512];

        r = as_errno(r);
        kern_capture_last(&load->capture, last, sizeof(last));
        if (strstr(load->capture.text, "BTF is required") || strstr(last, "failed to find BTF"))
                return kern_fail(reterr_diag, r, KERN_ERROR_NO_BTF,
                                 "The object has no BTF, which its maps need; compile with -g");
        if (r == -ENOMEM)
                return kern_fail(reterr_diag, r, KERN_ERROR_LIMIT_EXCEEDED, "Out of memory");
        return kern_fail(reterr_diag, r, KERN_ERROR_NOT_ELF, "libbpf can't read the object: %s",
                         last[0] ? last : strerror(-r));
}

/* The program that the kernel refused, and the log that belongs to it. */
static const KernType *find_refused(const KernLoad *load, const char *name,
                                    const char **ret_section, const char **ret_log)
{
        for (size_t i = 0; i < load->n_programs; i++) {
                if (strcmp(bpf_program__name(load->programs[i].program), name) != 0)
                        continue;
                *ret_section = bpf_program__section_name(load->programs[i].program);
                *ret_log = load->programs[i].log.data ? load->programs[i].log.data : load->log.data;
                return load->programs[i].type;
        }
        return NULL;
}

/* Some helpers, and some types of programs, are for programs under the GPL alone. */
static int explain_license(const KernLoad *load, const char *name, const char *tail, int r,
                           KernDiag *diag)
{
        char license[64];

        kern_elf_license(load->file.data, load->file.size, license, sizeof(license));
        return kern_fail(
                diag, r, KERN_ERROR_VERIFIER,
                "The verifier refused program %.127s, since the object's licence is %s%s%s; "
                "what it takes is one of \"GPL\", \"GPL v2\", \"GPL and additional "
                "rights\", \"Dual BSD/GPL\", \"Dual MIT/GPL\" and \"Dual MPL/GPL\", in "
                "its section \"license\":\n%s",
                name, license[0] ? "\"" : "", license[0] ? license : "none", license[0] ? "\"" : "",
                tail);
}

static int explain_program(const KernLoad *load, const char *name, const KernType *type,
                           const char *section, const char *log, int r, KernDiag *diag)
{
        const KernHookName *hook = kern_type_section_hook(type, section);
        char tail[LOG_TAIL_MAX + 64];
        size_t lines = log_tail(log, tail, sizeof(tail));

        keep_log(log, diag);
        if (type->attach_type == BPF_MODIFY_RETURN && strstr(log, "is not modifiable"))
                return kern_fail(
                        diag, r, KERN_ERROR_INVALID_ARGUMENT,
                        "Program %.127s can't decide what its function returns; the kernel "
                        "allows that for functions that are open to error injection "
                        "(/sys/kernel/debug/error_injection/list) and for those whose names "
                        "begin with security_:\n%s",
                        name, tail);
        if (lines > 0 && (strstr(tail, "GPL-restricted function") || strstr(tail, "GPL only") ||
                          strstr(tail, "GPL compatible license")))
                return explain_license(load, name, tail, r, diag);
        if (lines > 0 && strstr(tail, "<invalid CO-RE relocation>"))
                return kern_fail(diag, r, KERN_ERROR_VERIFIER,
                                 "The verifier refused program %.127s, which needs what %s doesn't "
                                 "have:\n%s",
                                 name,
                                 load->btf_fd >= 0 ? "the BTF that was given" : "this kernel's BTF",
                                 tail);
        if (lines > 0)
                /* ENOSPC is what it says instead where the log is larger than its buffer. */
                return kern_fail(diag, r, KERN_ERROR_VERIFIER,
                                 "The verifier refused program %.127s%s%s%s:\n%s", name,
                                 r == -ENOSPC ? "" : " (", r == -ENOSPC ? "" : strerror(-r),
                                 r == -ENOSPC ? "" : ")", tail);

        switch (-r) {
        case EINVAL:
        case ENOTSUP:
                if (libbpf_probe_bpf_prog_type(type->prog_type, NULL) == 0)
                        return kern_fail(diag, -EOPNOTSUPP, KERN_ERROR_NOT_SUPPORTED,
                                         "This kernel has no %s programs%s%s", type->name,
                                         type->needs ? "; they need " : "",
                                         type->needs ? type->needs : "");
                if (hook)
                        return kern_fail(diag, -EOPNOTSUPP, KERN_ERROR_NOT_SUPPORTED,
                                         "This kernel has no %s programs for %s; they need %s",
                                         type->name, hook->name, type->needs);
                break;
        case EPERM:
        case EACCES:
                return kern_fail(diag, r, KERN_ERROR_NOT_SUPPORTED,
                                 "This kernel doesn't load %s programs (%s)%s%s", type->name,
                                 strerror(-r), type->needs ? "; they need " : "",
                                 type->needs ? type->needs : "");
        case E2BIG:
                return kern_fail(diag, r, KERN_ERROR_LIMIT_EXCEEDED,
                                 "Program %.127s has more instructions than the kernel takes",
                                 name);
        case ENOMEM:
                return kern_fail(diag, r, KERN_ERROR_LIMIT_EXCEEDED,
                                 "The kernel has no memory for program %.127s", name);
        default:
                break;
        }
        return kern_fail(diag, r, KERN_ERROR_FAILED,
                         "The kernel refused program %.127s of type %s without a word: %s", name,
                         type->name, strerror(-r));
}

static int explain_map(const KernLoad *load, const char *name, int r, KernDiag *diag)
{
        struct bpf_map *map = bpf_object__find_map_by_name(load->object, name);
        enum bpf_map_type type = map ? bpf_map__type(map) : BPF_MAP_TYPE_UNSPEC;
        char definition[256] = "";

        if (map)
                snprintf(definition, sizeof(definition),
                         " (%s, keys of %u bytes, values of %u bytes, %u entries, flags %#x)",
                         kern_map_type_name(type), bpf_map__key_size(map), bpf_map__value_size(map),
                         bpf_map__max_entries(map), bpf_map__map_flags(map));

        /* ENOTSUPP, which has no name outside of the kernel */
        if (type == BPF_MAP_TYPE_STRUCT_OPS && r == -524)
                return kern_fail(diag, -EOPNOTSUPP, KERN_ERROR_NOT_SUPPORTED,
                                 "This kernel lets no program implement what map %.127s is of; it "
                                 "needs %s",
                                 name, kern_type_find("struct_ops")->needs);

        switch (-r) {
        case ENOMEM:
        case E2BIG:
                return kern_fail(
                        diag, r, KERN_ERROR_LIMIT_EXCEEDED,
                        "Map %.127s%s is larger than the kernel, or its free memory, allows", name,
                        definition);
        case EINVAL:
                if (map && libbpf_probe_bpf_map_type(type, NULL) == 0)
                        return kern_fail(diag, -EOPNOTSUPP, KERN_ERROR_NOT_SUPPORTED,
                                         "Map %.127s is of type %s, which this kernel doesn't have",
                                         name, kern_map_type_name(type));
                return kern_fail(diag, r, KERN_ERROR_INVALID_ARGUMENT,
                                 "The kernel finds the definition of map %.127s invalid%s", name,
                                 definition);
        case EPERM:
                return kern_fail(diag, r, KERN_ERROR_NOT_SUPPORTED,
                                 "The kernel doesn't let this process make map %.127s%s", name,
                                 definition);
        default:
                return kern_fail(diag, r, KERN_ERROR_FAILED, "Can't make map %.127s%s: %s", name,
                                 definition, strerror(-r));
        }
}

static int explain_target(const KernLoad *load, const char *name, const char *target, int r,
                          KernDiag *diag)
{
        const char *section, *log;
        const KernType *type = find_refused(load, name, &section, &log);
        const char *what = "function";
        KernError error = KERN_ERROR_NO_SUCH_FUNCTION;

        if (type && type->attach_type == BPF_TRACE_RAW_TP) {
                what = "tracepoint";
                error = KERN_ERROR_NO_SUCH_TRACEPOINT;
        } else if (type && type->prog_type == BPF_PROG_TYPE_LSM) {
                what = "LSM hook";
        }
        return kern_fail(
                diag, r, error,
                "Program %.127s is for %s %.127s, which the BTF of this kernel doesn't have", name,
                what, target);
}

/* What there is to be implemented, or called, in some kernels only */
static const struct {
        const char *ops, *functions, *needs;
} subsystems[] = {
        {"sched_ext_ops", "scx_bpf_", "; schedulers need Linux 6.12, CONFIG_SCHED_CLASS_EXT"},
        {"hid_bpf_ops", "hid_bpf_", "; input devices' need Linux 6.11, CONFIG_HID_BPF"},
        {"Qdisc_ops", "bpf_qdisc_", "; queueing disciplines need Linux 6.16, CONFIG_NET_SCH_BPF"},
};

static int lacks_function(const char *name, int r, KernDiag *diag)
{
        for (size_t i = 0; i < KERN_ELEMENTSOF(subsystems); i++)
                if (strncmp(name, subsystems[i].functions, strlen(subsystems[i].functions)) == 0)
                        return kern_fail(
                                diag, -EOPNOTSUPP, KERN_ERROR_NOT_SUPPORTED,
                                "The object calls kernel function %.127s, which this kernel "
                                "doesn't have%s",
                                name, subsystems[i].needs);
        return kern_fail(diag, r, KERN_ERROR_NO_SUCH_FUNCTION,
                         "The object calls kernel function %.127s, which this kernel doesn't have",
                         name);
}

static int explain_extern(const KernLoad *load, int r, KernDiag *diag)
{
        char name[128];

        if (kern_capture_find(&load->capture, "extern (func ksym) ", "not found", name,
                              sizeof(name)) ||
            kern_capture_find(&load->capture, "extern (func ksym) ", "resolving failed", name,
                              sizeof(name)))
                return lacks_function(name, r, diag);
        if (kern_capture_find(&load->capture, "extern (var ksym) ", "not found", name,
                              sizeof(name)) ||
            kern_capture_find(&load->capture, "extern ", "(strong): not resolved", name,
                              sizeof(name)))
                return kern_fail(
                        diag, r, KERN_ERROR_NOT_SUPPORTED,
                        "The object uses kernel variable %.127s, which this kernel doesn't "
                        "have",
                        name);
        return 0;
}

/* The word between @before and @after, on one line of what libbpf said. */
static bool find_word(const KernCapture *capture, const char *before, const char *after, char *ret,
                      size_t size)
{
        for (const char *p = capture->text; (p = strstr(p, before));) {
                size_t n;

                p += strlen(before);
                n = strcspn(p, " \n");
                if (n == 0 || n >= size || strncmp(p + n, after, strlen(after)) != 0)
                        continue;
                memcpy(ret, p, n);
                ret[n] = '\0';
                return true;
        }
        return false;
}

/* A struct_ops of a struct that this kernel has not, or not with that member */
static int explain_struct_ops(const KernLoad *load, KernDiag *diag)
{
        static const char prefix[] = "bpf_struct_ops_", missing[] = " in kernel BTF";
        const char *needs = "; it comes with a newer one, or with a module that isn't loaded";
        char word[128], *name = word;

        if (find_word(&load->capture, ": Cannot find member ", missing, word, sizeof(word)))
                return kern_fail(diag, -EOPNOTSUPP, KERN_ERROR_NOT_SUPPORTED,
                                 "A struct_ops of the object has a member %s, which this kernel's "
                                 "struct has not",
                                 word);
        if (!find_word(&load->capture, "struct_ops init_kern: struct ", " is not found", word,
                       sizeof(word)))
                return 0;
        if (strncmp(word, prefix, strlen(prefix)) == 0)
                name += strlen(prefix);
        for (size_t i = 0; i < KERN_ELEMENTSOF(subsystems); i++)
                if (strcmp(name, subsystems[i].ops) == 0)
                        needs = subsystems[i].needs;
        return kern_fail(diag, -EOPNOTSUPP, KERN_ERROR_NOT_SUPPORTED,
                         "The object has a struct_ops of struct %s, which this kernel doesn't "
                         "have%s",
                         name, needs);
}

int kern_object_explain_load(const KernLoad *load, int r, KernDiag *reterr_diag)
{
        const KernCapture *capture = &load->capture;
        char name[256], target[256], last[512];
        const KernType *type;
        const char *section, *log;
        int e;

        r = as_errno(r);
        if (kern_capture_find(capture, "prog ", "BPF program load failed", name, sizeof(name))) {
                type = find_refused(load, name, &section, &log);
                if (type)
                        return explain_program(load, name, type, section, log, r, reterr_diag);
        }
        if (kern_capture_find(capture, "map ", "failed to create", name, sizeof(name)))
                return explain_map(load, name, r, reterr_diag);
        if (kern_capture_find(capture, "failed to find kernel BTF type ID of ", "", target,
                              sizeof(target)) &&
            kern_capture_find(capture, "prog ", "failed to find kernel BTF type ID of", name,
                              sizeof(name)))
                return explain_target(load, name, target, r, reterr_diag);
        e = explain_extern(load, r, reterr_diag);
        if (e >= 0)
                e = explain_struct_ops(load, reterr_diag);
        if (e < 0)
                return e;

        kern_capture_last(capture, last, sizeof(last));
        if (strstr(capture->text, "failed to parse target BTF"))
                return kern_fail(
                        reterr_diag, r, KERN_ERROR_NO_BTF,
                        "What was given as BTF is none: neither raw nor an ELF with a .BTF "
                        "section");
        if (strstr(capture->text, "Error loading vmlinux BTF") ||
            strstr(capture->text, "failed to find valid kernel BTF") ||
            strstr(capture->text, "failed to get target BTF"))
                return kern_fail(reterr_diag, r, KERN_ERROR_NO_BTF,
                                 "The object needs the kernel's BTF, and this kernel has none "
                                 "(CONFIG_DEBUG_INFO_BTF)%s",
                                 load->btf_fd >= 0 ? "" : "; give a BTF file");
        keep_log(load->log.data ? load->log.data : "", reterr_diag);
        return kern_fail(reterr_diag, r,
                         r == -ENOMEM ? KERN_ERROR_LIMIT_EXCEEDED : KERN_ERROR_FAILED,
                         "libbpf can't load the object: %s%s%s%s", last[0] ? last : strerror(-r),
                         last[0] ? " (" : "", last[0] ? strerror(-r) : "", last[0] ? ")" : "");
}
