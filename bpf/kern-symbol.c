/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <gelf.h>
#include <libelf.h>

#include "kern-attach-internal.h"
#include "kern-target.h"

#define NEAR_MAX 3

/* What is looked for, and what was found so far. */
typedef struct Search {
        const char *name; /* without the version */
        size_t name_n;
        const char *version; /* or NULL: the default one */
        bool default_only;   /* "@@" */

        uint64_t value;
        int rank; /* how good the one found is; 0: none */
        bool ambiguous;
        size_t symbols; /* functions there were in all */
        char near[256];
        size_t n_near, near_used;
} Search;

void kern_target_endp(Elf **elf)
{
        if (*elf)
                elf_end(*elf);
}

/* The name of version @index among those that the library defines, or NULL. */
static const char *version_name(Elf *elf, Elf_Scn *definitions, unsigned index)
{
        GElf_Shdr header;
        Elf_Data *data;
        int offset = 0;

        if (!definitions || !gelf_getshdr(definitions, &header))
                return NULL;
        data = elf_getdata(definitions, NULL);
        if (!data)
                return NULL;
        for (size_t i = 0; i < header.sh_info; i++) {
                GElf_Verdef def;
                GElf_Verdaux aux;

                if (!gelf_getverdef(data, offset, &def))
                        return NULL;
                if (def.vd_ndx == index) {
                        if (!gelf_getverdaux(data, offset + (int)def.vd_aux, &aux))
                                return NULL;
                        return elf_strptr(elf, header.sh_link, aux.vda_name);
                }
                /* steps only go forward, so that the walk ends whatever the file says */
                if (def.vd_next == 0 || def.vd_next > data->d_size)
                        return NULL;
                offset += (int)def.vd_next;
        }
        return NULL;
}

static void note_near(Search *search, const char *name)
{
        if (search->n_near >= NEAR_MAX || search->name_n < 3 ||
            !memmem(name, strlen(name), search->name, search->name_n))
                return;
        if (strlen(name) + 3 > sizeof(search->near) - search->near_used)
                return;
        search->near_used += (size_t)snprintf(search->near + search->near_used,
                                              sizeof(search->near) - search->near_used, "%s%s",
                                              search->n_near > 0 ? ", " : "", name);
        search->n_near++;
}

/* Global before weak before local; two of the best rank at different places are one too many. */
static void consider(Search *search, const GElf_Sym *sym, bool is_default)
{
        int rank = GELF_ST_BIND(sym->st_info) == STB_GLOBAL ? 3
                   : GELF_ST_BIND(sym->st_info) == STB_WEAK ? 2
                                                            : 1;

        rank = rank * 2 + is_default;
        if (rank < search->rank)
                return;
        search->ambiguous = rank == search->rank && sym->st_value != search->value;
        search->rank = rank;
        search->value = sym->st_value;
}

static void search_table(Elf *elf, Elf_Scn *table, Elf_Scn *versions, Elf_Scn *definitions,
                         Search *search)
{
        Elf_Data *data = elf_getdata(table, NULL);
        Elf_Data *version_data = versions ? elf_getdata(versions, NULL) : NULL;
        GElf_Shdr header;

        if (!data || !gelf_getshdr(table, &header) || header.sh_entsize == 0)
                return;
        for (size_t i = 0; i < header.sh_size / header.sh_entsize && i < INT32_MAX; i++) {
                const char *name, *at, *version = NULL;
                bool hidden = false;
                GElf_Versym index;
                GElf_Sym sym;
                size_t n;

                if (!gelf_getsym(data, (int)i, &sym) || sym.st_shndx == SHN_UNDEF ||
                    GELF_ST_TYPE(sym.st_info) != STT_FUNC)
                        continue;
                name = elf_strptr(elf, header.sh_link, sym.st_name);
                if (!name)
                        continue;
                search->symbols++;

                /* .symtab has versions in the name itself, .dynsym in a table beside it */
                at = strchr(name, '@');
                n = at ? (size_t)(at - name) : strlen(name);
                if (n != search->name_n || strncmp(name, search->name, n) != 0) {
                        note_near(search, name);
                        continue;
                }
                if (at) {
                        hidden = at[1] != '@';
                        version = at + (hidden ? 1 : 2);
                } else if (version_data && gelf_getversym(version_data, (int)i, &index)) {
                        hidden = index & 0x8000;
                        if (search->version)
                                version = version_name(elf, definitions, index & 0x7fff);
                }
                if (search->version && (!version || strcmp(version, search->version) != 0 ||
                                        (search->default_only && hidden)))
                        continue;
                consider(search, &sym, !hidden);
        }
}

int kern_target_file_offset(Elf *elf, uint64_t address, uint32_t flags, uint64_t *ret)
{
        size_t n;

        if (elf_getphdrnum(elf, &n) < 0)
                return -EBADMSG;
        for (size_t i = 0; i < n && i < INT32_MAX; i++) {
                GElf_Phdr p;

                if (!gelf_getphdr(elf, (int)i, &p) || p.p_type != PT_LOAD ||
                    (p.p_flags & flags) != flags)
                        continue;
                if (address >= p.p_vaddr && address - p.p_vaddr < p.p_filesz) {
                        *ret = address - p.p_vaddr + p.p_offset;
                        return 0;
                }
        }
        return -ENOENT;
}

static bool is_executed(Elf *elf, uint64_t offset)
{
        size_t n;

        if (elf_getphdrnum(elf, &n) < 0)
                return true;
        for (size_t i = 0; i < n && i < INT32_MAX; i++) {
                GElf_Phdr p;

                if (gelf_getphdr(elf, (int)i, &p) && p.p_type == PT_LOAD && (p.p_flags & PF_X) &&
                    offset >= p.p_offset && offset - p.p_offset < p.p_filesz)
                        return true;
        }
        return false;
}

int kern_offsets_check(int fd, const uint64_t *offsets, size_t n, KernDiag *diag)
{
        __attribute__((cleanup(kern_target_endp))) Elf *elf = NULL;

        if (kern_target_open(fd, &elf, NULL) < 0)
                return 0;
        for (size_t i = 0; i < n; i++)
                if (!is_executed(elf, offsets[i]))
                        return kern_fail(diag, -EINVAL, KERN_ERROR_INVALID_ARGUMENT,
                                         "offset %#llx is in no part of the target that is "
                                         "executed; it counts from the file's begin",
                                         (unsigned long long)offsets[i]);
        return 0;
}

static void search_all(Elf *elf, Search *search)
{
        Elf_Scn *versions = NULL, *definitions = NULL, *scn = NULL;
        GElf_Shdr header;

        while ((scn = elf_nextscn(elf, scn))) {
                if (!gelf_getshdr(scn, &header))
                        continue;
                if (header.sh_type == SHT_GNU_versym)
                        versions = scn;
                else if (header.sh_type == SHT_GNU_verdef)
                        definitions = scn;
        }
        while ((scn = elf_nextscn(elf, scn))) {
                if (!gelf_getshdr(scn, &header))
                        continue;
                if (header.sh_type == SHT_SYMTAB)
                        search_table(elf, scn, NULL, NULL, search);
                else if (header.sh_type == SHT_DYNSYM)
                        search_table(elf, scn, versions, definitions, search);
        }
}

int kern_target_open(int fd, Elf **ret, KernDiag *diag)
{
        __attribute__((cleanup(kern_target_endp))) Elf *elf = NULL;
        GElf_Ehdr header;

        elf_version(EV_CURRENT);
        /* Not mapped: others' probes are breakpoints in all mappings of the file, in ours as well. */
        elf = elf_begin(fd, ELF_C_READ, NULL);
        if (!elf || elf_kind(elf) != ELF_K_ELF || !gelf_getehdr(elf, &header))
                return kern_fail(diag, -ENOEXEC, KERN_ERROR_NO_SUCH_TARGET,
                                 "The target is no ELF binary or library; give offset instead of "
                                 "function, or the program that a script runs in");
        if (header.e_type != ET_EXEC && header.e_type != ET_DYN)
                return kern_fail(diag, -ENOEXEC, KERN_ERROR_NO_SUCH_TARGET,
                                 "The target is an ELF, but neither a binary nor a library");
        *ret = elf;
        elf = NULL;
        return 0;
}

static int resolve(Elf *elf, const char *symbol, uint64_t *ret_offset, KernDiag *reterr_diag)
{
        const char *at = strchr(symbol, '@');
        Search search = {
                .name = symbol,
                .name_n = at ? (size_t)(at - symbol) : strlen(symbol),
                .version = at ? at + (at[1] == '@' ? 2 : 1) : NULL,
                .default_only = at && at[1] == '@',
        };
        uint64_t offset;

        search_all(elf, &search);
        if (search.rank == 0 && search.symbols == 0)
                return kern_fail(
                        reterr_diag, -ENOENT, KERN_ERROR_NO_SUCH_FUNCTION,
                        "The target has no function symbols (it is stripped), so that \"%.127s\" "
                        "can't be found; give offset in the file",
                        symbol);
        if (search.rank == 0)
                return kern_fail(reterr_diag, -ENOENT, KERN_ERROR_NO_SUCH_FUNCTION,
                                 "The target has no function \"%.127s\"%s%s", symbol,
                                 search.n_near > 0 ? "; it has " : "", search.near);
        if (search.ambiguous)
                return kern_fail(
                        reterr_diag, -EINVAL, KERN_ERROR_INVALID_ARGUMENT,
                        "The target has several functions \"%.127s\"; give offset in the file",
                        symbol);
        if (kern_target_file_offset(elf, search.value, PF_X, &offset) < 0)
                return kern_fail(reterr_diag, -EINVAL, KERN_ERROR_NO_SUCH_FUNCTION,
                                 "Function \"%.127s\" is in no part of the target that is executed",
                                 symbol);
        *ret_offset = offset;
        return 0;
}

int kern_symbol_resolve(int fd, const char *symbol, uint64_t *ret_offset, KernDiag *reterr_diag)
{
        __attribute__((cleanup(kern_target_endp))) Elf *elf = NULL;
        int r = kern_target_open(fd, &elf, reterr_diag);

        return r < 0 ? r : resolve(elf, symbol, ret_offset, reterr_diag);
}

/* Many at once */

static int out_of_memory(KernDiag *diag)
{
        return kern_fail(diag, -ENOMEM, KERN_ERROR_LIMIT_EXCEEDED, "Out of memory");
}

static int add_place(KernPlaces *places, uint64_t offset, uint32_t wish, KernDiag *diag)
{
        if (places->n == KERN_FUNCTIONS_MATCHED_MAX)
                return kern_fail(diag, -E2BIG, KERN_ERROR_LIMIT_EXCEEDED,
                                 "What was given matches more than %d functions of the target, the "
                                 "most for one link; give narrower patterns",
                                 KERN_FUNCTIONS_MATCHED_MAX);
        places->list[places->n++] = (KernPlace){offset, wish};
        return 0;
}

static int add_matching_of(Elf *elf, Elf_Scn *table, const char *pattern, uint32_t wish,
                           KernPlaces *places, KernDiag *diag)
{
        Elf_Data *data = elf_getdata(table, NULL);
        GElf_Shdr header;

        if (!data || !gelf_getshdr(table, &header) || header.sh_entsize == 0)
                return 0;
        for (size_t i = 0; i < header.sh_size / header.sh_entsize && i < INT32_MAX; i++) {
                const char *name;
                uint64_t offset;
                GElf_Sym sym;
                int r;

                if (!gelf_getsym(data, (int)i, &sym) || sym.st_shndx == SHN_UNDEF ||
                    GELF_ST_TYPE(sym.st_info) != STT_FUNC)
                        continue;
                name = elf_strptr(elf, header.sh_link, sym.st_name);
                if (!name || !kern_glob_matches(pattern, name) ||
                    kern_target_file_offset(elf, sym.st_value, PF_X, &offset) < 0)
                        continue;
                r = add_place(places, offset, wish, diag);
                if (r < 0)
                        return r;
        }
        return 0;
}

static int add_matching(Elf *elf, const char *pattern, uint32_t wish, KernPlaces *places,
                        KernDiag *diag)
{
        size_t before = places->n;
        Elf_Scn *scn = NULL;
        GElf_Shdr header;

        while ((scn = elf_nextscn(elf, scn))) {
                int r = 0;

                if (gelf_getshdr(scn, &header) &&
                    (header.sh_type == SHT_SYMTAB || header.sh_type == SHT_DYNSYM))
                        r = add_matching_of(elf, scn, pattern, wish, places, diag);
                if (r < 0)
                        return r;
        }
        if (places->n > before)
                return 0;
        return kern_fail(diag, -ENOENT, KERN_ERROR_NO_SUCH_FUNCTION,
                         "The target has no function that matches %.127s", pattern);
}

static int compare_places(const void *a, const void *b)
{
        const KernPlace *x = a, *y = b;

        if (x->offset != y->offset)
                return x->offset < y->offset ? -1 : 1;
        return x->wish < y->wish ? -1 : x->wish > y->wish;
}

/* A function may be in both tables, have several names, and be meant several times: first come. */
static void drop_doubles(KernPlaces *places)
{
        size_t n = 0;

        qsort(places->list, places->n, sizeof(*places->list), compare_places);
        for (size_t i = 0; i < places->n; i++)
                if (n == 0 || places->list[n - 1].offset != places->list[i].offset)
                        places->list[n++] = places->list[i];
        places->n = n;
}

int kern_symbols_resolve(int fd, const char *functions, KernPlaces *ret, KernDiag *reterr_diag)
{
        __attribute__((cleanup(kern_target_endp))) Elf *elf = NULL;
        __attribute__((cleanup(kern_places_done))) KernPlaces places = {0};
        uint32_t wish = 0;
        int r;

        places.list = calloc(KERN_FUNCTIONS_MATCHED_MAX, sizeof(*places.list));
        if (!places.list)
                return out_of_memory(reterr_diag);
        r = kern_target_open(fd, &elf, reterr_diag);
        for (const char *s = functions; r >= 0; wish++) {
                char name[KERN_FUNCTION_MAX];
                size_t length = strcspn(s, ",");
                uint64_t offset;

                if (length == 0 || length >= sizeof(name))
                        return kern_fail(reterr_diag, -EINVAL, KERN_ERROR_INVALID_ARGUMENT,
                                         "\"%.*s\" is no name of a function",
                                         (int)(length < sizeof(name) ? length : sizeof(name)), s);
                memcpy(name, s, length);
                name[length] = '\0';
                if (strpbrk(name, "*?")) {
                        r = add_matching(elf, name, wish, &places, reterr_diag);
                } else {
                        r = resolve(elf, name, &offset, reterr_diag);
                        if (r >= 0)
                                r = add_place(&places, offset, wish, reterr_diag);
                }
                s += length;
                if (*s++ == '\0')
                        break;
        }
        if (r < 0)
                return r;
        drop_doubles(&places);
        *ret = places;
        places = (KernPlaces){0};
        return 0;
}

void kern_places_done(KernPlaces *places)
{
        free(places->list);
        *places = (KernPlaces){0};
}
