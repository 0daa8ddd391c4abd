/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <string.h>

#include <gelf.h>
#include <libelf.h>

#include "kern-attach-internal.h"

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

static void elf_endp(Elf **elf)
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

static int to_file_offset(Elf *elf, uint64_t address, uint64_t *ret)
{
        size_t n;

        if (elf_getphdrnum(elf, &n) < 0)
                return -EBADMSG;
        for (size_t i = 0; i < n && i < INT32_MAX; i++) {
                GElf_Phdr p;

                if (!gelf_getphdr(elf, (int)i, &p) || p.p_type != PT_LOAD || !(p.p_flags & PF_X))
                        continue;
                if (address >= p.p_vaddr && address - p.p_vaddr < p.p_filesz) {
                        *ret = address - p.p_vaddr + p.p_offset;
                        return 0;
                }
        }
        return -ENOENT;
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

int kern_symbol_resolve(int fd, const char *symbol, uint64_t *ret_offset, KernDiag *reterr_diag)
{
        const char *at = strchr(symbol, '@');
        Search search = {
                .name = symbol,
                .name_n = at ? (size_t)(at - symbol) : strlen(symbol),
                .version = at ? at + (at[1] == '@' ? 2 : 1) : NULL,
                .default_only = at && at[1] == '@',
        };
        __attribute__((cleanup(elf_endp))) Elf *elf = NULL;
        GElf_Ehdr header;
        uint64_t offset;

        elf_version(EV_CURRENT);
        elf = elf_begin(fd, ELF_C_READ_MMAP, NULL);
        if (!elf || elf_kind(elf) != ELF_K_ELF || !gelf_getehdr(elf, &header))
                return kern_fail(reterr_diag, -ENOEXEC, KERN_ERROR_NO_SUCH_TARGET,
                                 "The target is no ELF binary or library; give offset instead of "
                                 "function, or the program that a script runs in");
        if (header.e_type != ET_EXEC && header.e_type != ET_DYN)
                return kern_fail(reterr_diag, -ENOEXEC, KERN_ERROR_NO_SUCH_TARGET,
                                 "The target is an ELF, but neither a binary nor a library");

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
        if (to_file_offset(elf, search.value, &offset) < 0)
                return kern_fail(reterr_diag, -EINVAL, KERN_ERROR_NO_SUCH_FUNCTION,
                                 "Function \"%.127s\" is in no part of the target that is executed",
                                 symbol);
        *ret_offset = offset;
        return 0;
}
