/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <endian.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <bpf/bpf.h>

#include "kern-target.h"
#include "kern-usdt.h"
#include "kern-util.h"

#define NOTES ".note.stapsdt"
#define BASE ".stapsdt.base"
#define NOTE_TYPE 3
#define NEAR_MAX 8

#if __BYTE_ORDER == __LITTLE_ENDIAN
#define NATIVE_DATA ELFDATA2LSB
#else
#define NATIVE_DATA ELFDATA2MSB
#endif

/* What a note has: three addresses, and behind them three texts. */
typedef struct Note {
        uint64_t location, base, semaphore;
        const char *provider, *name, *args;
} Note;

typedef struct Search {
        Elf *elf;
        unsigned machine;
        const char *probe; /* "PROVIDER:NAME" */
        uint64_t base;     /* where .stapsdt.base is, or 0 */
        KernUsdtProbe found;
        size_t notes;   /* there were in all */
        char near[256]; /* some of the others */
        size_t n_near, near_used;
        KernDiag *diag;
} Search;

void kern_usdt_probe_done(KernUsdtProbe *probe)
{
        free(probe->sites);
        free(probe->specs);
        *probe = (KernUsdtProbe){0};
}

static int out_of_memory(KernDiag *diag)
{
        return kern_fail(diag, -ENOMEM, KERN_ERROR_LIMIT_EXCEEDED, "Out of memory");
}

/* The text at @*s, which is behind that then; NULL where it has no end. */
static const char *next_text(const char **s, const char *end)
{
        const char *text = *s;
        const char *zero = text < end ? memchr(text, '\0', (size_t)(end - text)) : NULL;

        if (!zero)
                return NULL;
        *s = zero + 1;
        return text;
}

static bool read_note(const char *data, size_t size, Note *ret)
{
        const char *s = data + 3 * sizeof(uint64_t), *end = data + size;
        uint64_t addresses[3];

        if (size < sizeof(addresses))
                return false;
        memcpy(addresses, data, sizeof(addresses));
        *ret = (Note){.location = addresses[0], .base = addresses[1], .semaphore = addresses[2]};
        ret->provider = next_text(&s, end);
        ret->name = ret->provider ? next_text(&s, end) : NULL;
        ret->args = ret->name ? next_text(&s, end) : NULL;
        return ret->args;
}

static bool is_meant(const Search *search, const Note *note)
{
        size_t n = strlen(note->provider);

        return strncmp(search->probe, note->provider, n) == 0 && search->probe[n] == ':' &&
               strcmp(search->probe + n + 1, note->name) == 0;
}

/* Each once, as long as there is room. */
static void note_near(Search *search, const Note *note)
{
        size_t room = sizeof(search->near) - search->near_used;
        char text[130], *found;
        int n = snprintf(text, sizeof(text), "%s:%s", note->provider, note->name);

        if (n < 0 || (size_t)n >= sizeof(text) || search->n_near == NEAR_MAX ||
            (size_t)n + 3 > room)
                return;
        found = strstr(search->near, text);
        if (found && (found[n] == ',' || found[n] == '\0'))
                return;
        search->near_used += (size_t)snprintf(search->near + search->near_used, room, "%s%s",
                                              search->n_near > 0 ? ", " : "", text);
        search->n_near++;
}

/* Which of the specs says the same, or a new one. */
static int find_spec(Search *search, const KernUsdtSpec *spec, uint64_t *ret)
{
        KernUsdtProbe *found = &search->found;

        for (size_t i = 0; i < found->n_specs; i++)
                if (memcmp(&found->specs[i], spec, sizeof(*spec)) == 0) {
                        *ret = i;
                        return 0;
                }
        if (found->n_specs == KERN_USDT_SPECS_MAX)
                return kern_fail(search->diag, -E2BIG, KERN_ERROR_LIMIT_EXCEEDED,
                                 "The arguments of %s are at more than %d different places",
                                 search->probe, KERN_USDT_SPECS_MAX);
        *ret = found->n_specs;
        found->specs[found->n_specs++] = *spec;
        return 0;
}

static int parse_args(Search *search, const Note *note, KernUsdtSpec *ret)
{
        const char *bad = "";
        char arg[64];
        int r = kern_usdt_parse_args(note->args, search->machine, ret, &bad);

        if (r >= 0)
                return 0;
        if (r == -EOPNOTSUPP)
                return kern_fail(
                        search->diag, r, KERN_ERROR_NOT_SUPPORTED,
                        "The target is for a machine (ELF's number %u) whose static probes "
                        "are not understood; those of x86-64 and aarch64 are",
                        search->machine);
        if (r == -E2BIG)
                return kern_fail(search->diag, r, KERN_ERROR_NOT_SUPPORTED,
                                 "%s has more than %d arguments, the most that a program reads",
                                 search->probe, KERN_USDT_ARGS_MAX);
        snprintf(arg, sizeof(arg), "%.*s", (int)strcspn(bad, " "), bad);
        return kern_fail(search->diag, r, KERN_ERROR_NOT_SUPPORTED,
                         "The target has an argument of %s where a program can't read it (\"%s\"): "
                         "it must be a number, in a register, or in memory that one points to",
                         search->probe, kern_text_clean(arg));
}

static int add_site(Search *search, const Note *note)
{
        KernUsdtProbe *found = &search->found;
        KernUsdtSite *site = &found->sites[found->n_sites];
        /* The file may have been moved to other addresses since; the notes were not. */
        uint64_t moved = search->base != 0 && note->base != 0 ? search->base - note->base : 0;
        KernUsdtSpec spec;
        int r;

        if (found->n_sites == KERN_USDT_SITES_MAX)
                return kern_fail(search->diag, -E2BIG, KERN_ERROR_LIMIT_EXCEEDED,
                                 "The target has %s at more than %d places", search->probe,
                                 KERN_USDT_SITES_MAX);
        site->semaphore = 0;
        if (kern_target_file_offset(search->elf, note->location + moved, PF_X, &site->offset) < 0 ||
            (note->semaphore != 0 && kern_target_file_offset(search->elf, note->semaphore + moved,
                                                             PF_W, &site->semaphore) < 0))
                return kern_fail(
                        search->diag, -EINVAL, KERN_ERROR_NO_SUCH_TARGET,
                        "The target says that %s is at %#" PRIx64
                        ", which is in no part of it that is executed, or its semaphore at "
                        "%#" PRIx64 ", which is in none that is written to",
                        search->probe, note->location, note->semaphore);
        r = parse_args(search, note, &spec);
        if (r >= 0)
                r = find_spec(search, &spec, &site->spec);
        if (r >= 0)
                found->n_sites++;
        return r;
}

static int search_notes(Search *search, Elf_Scn *scn)
{
        Elf_Data *data = elf_getdata(scn, NULL);
        size_t offset = 0, next, name, desc;
        GElf_Nhdr header;
        int r = 0;

        while (r >= 0 && data &&
               (next = gelf_getnote(data, offset, &header, &name, &desc)) > offset) {
                const char *bytes = data->d_buf;
                Note note;

                offset = next;
                if (header.n_type != NOTE_TYPE || header.n_namesz != sizeof("stapsdt") ||
                    memcmp(bytes + name, "stapsdt", sizeof("stapsdt")) != 0 ||
                    !read_note(bytes + desc, header.n_descsz, &note))
                        continue;
                search->notes++;
                if (is_meant(search, &note))
                        r = add_site(search, &note);
                else
                        note_near(search, &note);
        }
        return r;
}

/* The section's name, or "". */
static const char *section_name(Elf *elf, const GElf_Shdr *header)
{
        size_t names;
        const char *name;

        if (elf_getshdrstrndx(elf, &names) < 0)
                return "";
        name = elf_strptr(elf, names, header->sh_name);
        return name ? name : "";
}

static int search_all(Search *search)
{
        Elf_Scn *scn = NULL;
        GElf_Shdr header;
        int r = 0;

        while ((scn = elf_nextscn(search->elf, scn)))
                if (gelf_getshdr(scn, &header) &&
                    strcmp(section_name(search->elf, &header), BASE) == 0)
                        search->base = header.sh_addr;
        while (r >= 0 && (scn = elf_nextscn(search->elf, scn)))
                if (gelf_getshdr(scn, &header) && header.sh_type == SHT_NOTE &&
                    strcmp(section_name(search->elf, &header), NOTES) == 0)
                        r = search_notes(search, scn);
        return r;
}

static int check_class(Elf *elf, unsigned *ret_machine, KernDiag *diag)
{
        GElf_Ehdr header;

        if (!gelf_getehdr(elf, &header) || header.e_ident[EI_CLASS] != ELFCLASS64 ||
            header.e_ident[EI_DATA] != NATIVE_DATA)
                return kern_fail(
                        diag, -EOPNOTSUPP, KERN_ERROR_NOT_SUPPORTED,
                        "The target isn't of this machine's kind: static probes are looked "
                        "for in 64-bit binaries and libraries of its own byte order");
        *ret_machine = header.e_machine;
        return 0;
}

static int none_found(Search *search)
{
        if (search->notes == 0)
                return kern_fail(search->diag, -ENOENT, KERN_ERROR_NO_SUCH_TRACEPOINT,
                                 "The target has no static probes (no section " NOTES "), so "
                                 "that there is no %s",
                                 search->probe);
        return kern_fail(search->diag, -ENOENT, KERN_ERROR_NO_SUCH_TRACEPOINT,
                         "The target has no static probe %s; of its %zu there are %s",
                         search->probe, search->notes, kern_text_clean(search->near));
}

int kern_usdt_resolve(int fd, const char *probe, KernUsdtProbe *ret, KernDiag *reterr_diag)
{
        KERN_CLEANUP(kern_target_endp) Elf *elf = NULL;
        Search search = {.probe = probe, .diag = reterr_diag};
        int r;

        r = kern_target_open(fd, &elf, reterr_diag);
        if (r >= 0)
                r = check_class(elf, &search.machine, reterr_diag);
        if (r < 0)
                return r;
        search.elf = elf;
        search.found.sites = calloc(KERN_USDT_SITES_MAX, sizeof(*search.found.sites));
        search.found.specs = calloc(KERN_USDT_SPECS_MAX, sizeof(*search.found.specs));
        if (!search.found.sites || !search.found.specs) {
                kern_usdt_probe_done(&search.found);
                return out_of_memory(reterr_diag);
        }
        r = search_all(&search);
        if (r >= 0 && search.found.n_sites == 0)
                r = none_found(&search);
        if (r < 0)
                kern_usdt_probe_done(&search.found);
        else
                *ret = search.found;
        return r;
}

bool kern_usdt_map_fits(int map_fd, uint32_t *ret_entries)
{
        struct bpf_map_info info = {0};
        uint32_t size = sizeof(info);

        if (bpf_map_get_info_by_fd(map_fd, &info, &size) < 0 || info.type != BPF_MAP_TYPE_ARRAY ||
            info.key_size != sizeof(uint32_t) || info.value_size != sizeof(KernUsdtSpec))
                return false;
        *ret_entries = info.max_entries;
        return true;
}
