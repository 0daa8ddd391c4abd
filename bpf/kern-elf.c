/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <elf.h>
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "kern-elf.h"

#ifndef EM_BPF
#define EM_BPF 247
#endif

/* Of an uninitialized section only its size is in the file: a few bytes could ask for anything. */
#define NOBITS_MAX (256ULL * 1024 * 1024)
#define SECTIONS_MAX 8192
#define SYMBOLS_MAX (1U << 18)

typedef struct Elf {
        const uint8_t *data;
        size_t size;
        Elf64_Ehdr header;
} Elf;

static int not_elf(KernDiag *diag, const char *why)
{
        return kern_fail(diag, -EBADMSG, KERN_ERROR_NOT_ELF, "Damaged object file: %s", why);
}

/* Structures are copied out: nothing aligns them in a hostile file. */
static Elf64_Shdr section_at(const Elf *elf, size_t i)
{
        Elf64_Shdr s;

        memcpy(&s, elf->data + elf->header.e_shoff + i * sizeof(s), sizeof(s));
        return s;
}

static bool within(const Elf *elf, uint64_t offset, uint64_t size)
{
        return offset <= elf->size && size <= elf->size - offset;
}

static const char *machine_name(unsigned machine)
{
        switch (machine) {
        case EM_X86_64:
                return "x86-64";
        case EM_386:
                return "x86";
        case EM_AARCH64:
                return "arm64";
        case EM_ARM:
                return "arm";
        case EM_RISCV:
                return "riscv";
        case EM_S390:
                return "s390";
        case EM_PPC64:
                return "ppc64";
        case EM_NONE:
                return "no machine";
        default:
                return "another machine";
        }
}

static const char *type_name(unsigned type)
{
        switch (type) {
        case ET_EXEC:
                return "an executable";
        case ET_DYN:
                return "a shared library or executable";
        case ET_CORE:
                return "a core dump";
        default:
                return "of an unknown type";
        }
}

static int check_ident(const uint8_t *data, size_t size, KernDiag *diag)
{
        const uint8_t here = __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? ELFDATA2LSB : ELFDATA2MSB;

        if (size == 0)
                return kern_fail(diag, -ENOEXEC, KERN_ERROR_NOT_ELF,
                                 "Not an object file: it is empty; compile with clang -target bpf");
        if (size < SELFMAG || memcmp(data, ELFMAG, SELFMAG) != 0)
                return kern_fail(
                        diag, -ENOEXEC, KERN_ERROR_NOT_ELF,
                        "Not an ELF file: it begins with %02x %02x %02x %02x, not with 7f 45 "
                        "4c 46; give an object compiled with clang -target bpf",
                        data[0], size > 1 ? data[1] : 0, size > 2 ? data[2] : 0,
                        size > 3 ? data[3] : 0);
        if (size < EI_NIDENT)
                return not_elf(diag, "it ends within its first header");
        if (data[EI_CLASS] != ELFCLASS64)
                return kern_fail(diag, -ENOEXEC, KERN_ERROR_WRONG_ARCHITECTURE,
                                 "A %s ELF; BPF objects are 64-bit ones",
                                 data[EI_CLASS] == ELFCLASS32 ? "32-bit" : "malformed");
        if (data[EI_DATA] != here)
                return kern_fail(
                        diag, -ENOEXEC, KERN_ERROR_WRONG_ARCHITECTURE,
                        "The object is %s-endian and this machine is not; compile with clang "
                        "-target %s",
                        data[EI_DATA] == ELFDATA2MSB ? "big" : "little",
                        here == ELFDATA2LSB ? "bpfel" : "bpfeb");
        if (size < sizeof(Elf64_Ehdr))
                return not_elf(diag, "it ends within its first header");
        return 0;
}

static int check_header(Elf *elf, KernDiag *diag)
{
        const Elf64_Ehdr *h = &elf->header;

        memcpy(&elf->header, elf->data, sizeof(elf->header));
        if (h->e_machine != EM_BPF)
                return kern_fail(
                        diag, -ENOEXEC, KERN_ERROR_WRONG_ARCHITECTURE,
                        "An ELF for %s (machine %u), not for BPF (machine %u); compile with "
                        "clang -target bpf",
                        machine_name(h->e_machine), h->e_machine, EM_BPF);
        if (h->e_type != ET_REL)
                return kern_fail(diag, -ENOEXEC, KERN_ERROR_NOT_ELF,
                                 "A BPF ELF, but %s (type %u), not a relocatable object (type %u); "
                                 "compile with clang -target bpf -c",
                                 type_name(h->e_type), h->e_type, ET_REL);
        if (h->e_ehsize < sizeof(Elf64_Ehdr) || h->e_shentsize != sizeof(Elf64_Shdr))
                return not_elf(diag, "its header gives wrong sizes");
        if (h->e_phnum != 0)
                return not_elf(diag, "it has program headers, which an object has not");
        if (h->e_shnum == 0 || h->e_shnum > SECTIONS_MAX)
                return not_elf(diag, "it has no sections, or too many");
        if (!within(elf, h->e_shoff, (uint64_t)h->e_shnum * sizeof(Elf64_Shdr)))
                return not_elf(diag, "its section table lies outside of the file");
        if (h->e_shstrndx == 0 || h->e_shstrndx >= h->e_shnum ||
            section_at(elf, h->e_shstrndx).sh_type != SHT_STRTAB)
                return not_elf(diag, "it has no section names");
        return 0;
}

static int check_section(const Elf *elf, const Elf64_Shdr *s, KernDiag *diag)
{
        Elf64_Shdr names = section_at(elf, elf->header.e_shstrndx);

        /* libbpf takes any section but the first for one that has a name and contents */
        if (s->sh_type == SHT_NULL)
                return not_elf(diag, "a section has no type");
        if (s->sh_name >= names.sh_size)
                return not_elf(diag, "a section's name lies outside of the names");
        if (s->sh_type == SHT_NOBITS) {
                if (s->sh_size > NOBITS_MAX)
                        return kern_fail(
                                diag, -E2BIG, KERN_ERROR_LIMIT_EXCEEDED,
                                "An uninitialized section has %llu bytes; %llu are the most",
                                (unsigned long long)s->sh_size, NOBITS_MAX);
                return 0;
        }
        if (!within(elf, s->sh_offset, s->sh_size))
                return not_elf(diag, "a section lies outside of the file");
        if (s->sh_flags & SHF_COMPRESSED)
                return not_elf(diag, "a section is compressed, which libbpf doesn't read");
        if (s->sh_link >= elf->header.e_shnum)
                return not_elf(diag, "a section refers to one that there isn't");
        if (s->sh_type == SHT_STRTAB &&
            (s->sh_size == 0 || elf->data[s->sh_offset + s->sh_size - 1] != '\0'))
                return not_elf(diag, "a string table has no end");
        if (s->sh_addralign > 4096 || (s->sh_addralign & (s->sh_addralign - 1)))
                return not_elf(diag, "a section's alignment is no power of two");
        return 0;
}

static int check_symbols(const Elf *elf, const Elf64_Shdr *s, KernDiag *diag)
{
        Elf64_Shdr names = section_at(elf, s->sh_link),
                   text = section_at(elf, elf->header.e_shstrndx);
        const char *section_names = (const char *)elf->data + text.sh_offset;
        size_t n = s->sh_size / sizeof(Elf64_Sym), programs = 0;

        if (s->sh_entsize != sizeof(Elf64_Sym) || s->sh_size % sizeof(Elf64_Sym) != 0 ||
            names.sh_type != SHT_STRTAB)
                return not_elf(diag, "its symbol table is malformed");
        if (n > SYMBOLS_MAX)
                return kern_fail(diag, -E2BIG, KERN_ERROR_LIMIT_EXCEEDED,
                                 "The object has %zu symbols; %u are the most", n, SYMBOLS_MAX);

        for (size_t i = 0; i < n; i++) {
                Elf64_Shdr in;
                Elf64_Sym sym;

                memcpy(&sym, elf->data + s->sh_offset + i * sizeof(sym), sizeof(sym));
                if (sym.st_name >= names.sh_size)
                        return not_elf(diag, "a symbol's name lies outside of the names");
                if (sym.st_shndx >= elf->header.e_shnum && sym.st_shndx < SHN_LORESERVE)
                        return not_elf(diag, "a symbol is in a section that there isn't");
                if (sym.st_shndx == SHN_UNDEF || sym.st_shndx >= SHN_LORESERVE)
                        continue;
                in = section_at(elf, sym.st_shndx);
                if (sym.st_value > in.sh_size || sym.st_size > in.sh_size - sym.st_value)
                        return not_elf(diag, "a symbol lies outside of its section");
                /* functions in .text are called by programs, those elsewhere are programs */
                if (ELF64_ST_TYPE(sym.st_info) == STT_FUNC && (in.sh_flags & SHF_EXECINSTR) &&
                    strcmp(section_names + in.sh_name, ".text") != 0)
                        programs++;
        }
        if (programs > KERN_PROGRAMS_MAX)
                return kern_fail(diag, -E2BIG, KERN_ERROR_LIMIT_EXCEEDED,
                                 "The object has %zu programs; %u are the most", programs,
                                 KERN_PROGRAMS_MAX);
        return 0;
}

static int check_relocations(const Elf *elf, const Elf64_Shdr *s, KernDiag *diag)
{
        Elf64_Shdr symbols = section_at(elf, s->sh_link), target;
        size_t n = s->sh_size / sizeof(Elf64_Rel);

        if (s->sh_entsize != sizeof(Elf64_Rel) || s->sh_size % sizeof(Elf64_Rel) != 0 ||
            s->sh_info >= elf->header.e_shnum || symbols.sh_type != SHT_SYMTAB)
                return not_elf(diag, "a relocation table is malformed");

        target = section_at(elf, s->sh_info);
        for (size_t i = 0; i < n; i++) {
                Elf64_Rel rel;

                memcpy(&rel, elf->data + s->sh_offset + i * sizeof(rel), sizeof(rel));
                if (ELF64_R_SYM(rel.r_info) >= symbols.sh_size / sizeof(Elf64_Sym) ||
                    rel.r_offset >= target.sh_size)
                        return not_elf(diag, "a relocation lies outside of its section or symbols");
        }
        return 0;
}

int kern_elf_check(const void *data, size_t size, KernDiag *reterr_diag)
{
        Elf elf = {.data = data, .size = size};
        bool symbols = false;
        int r;

        r = check_ident(data, size, reterr_diag);
        if (r >= 0)
                r = check_header(&elf, reterr_diag);

        /* All sections first: the tables' checks then rely on what the others are. */
        for (size_t i = 1; r >= 0 && i < elf.header.e_shnum; i++) {
                Elf64_Shdr s = section_at(&elf, i);

                r = check_section(&elf, &s, reterr_diag);
        }
        for (size_t i = 1; r >= 0 && i < elf.header.e_shnum; i++) {
                Elf64_Shdr s = section_at(&elf, i);

                if (s.sh_type == SHT_SYMTAB) {
                        if (symbols)
                                return not_elf(reterr_diag, "it has two symbol tables");
                        symbols = true;
                        r = check_symbols(&elf, &s, reterr_diag);
                } else if (s.sh_type == SHT_REL) {
                        r = check_relocations(&elf, &s, reterr_diag);
                } else if (s.sh_type == SHT_RELA) {
                        r = not_elf(reterr_diag, "it has relocations of another machine's kind");
                }
        }
        if (r >= 0 && !symbols)
                return not_elf(reterr_diag, "it has no symbols; was it stripped?");
        return r < 0 ? r : 0;
}

void kern_elf_license(const void *data, size_t size, char *ret, size_t ret_size)
{
        Elf elf = {.data = data, .size = size};
        Elf64_Shdr names;

        ret[0] = '\0';
        memcpy(&elf.header, data, sizeof(elf.header));
        names = section_at(&elf, elf.header.e_shstrndx);
        for (size_t i = 1; i < elf.header.e_shnum; i++) {
                Elf64_Shdr s = section_at(&elf, i);
                const char *name = (const char *)elf.data + names.sh_offset + s.sh_name;

                if (s.sh_type != SHT_PROGBITS || strcmp(name, "license") != 0)
                        continue;
                snprintf(ret, ret_size, "%.*s", (int)(s.sh_size < ret_size ? s.sh_size : ret_size),
                         (const char *)elf.data + s.sh_offset);
        }
}
