/*
 * The vDSO taken apart, as a C library does it: from AT_SYSINFO_EHDR to the
 * dynamic table, and by the hash tables to its symbols with their version.
 */
#ifndef VDSO_H
#define VDSO_H

#include "tap.h"
#include <elf.h>
#include <sys/auxv.h>
#include <sys/utsname.h>

static struct {
    const char *base;
    const Elf64_Ehdr *header;
    const Elf64_Phdr *load, *dynamic, *eh_frame_hdr;
    const Elf64_Sym *symbols;
    const char *strings;
    const uint32_t *hash, *gnu_hash;
    const uint16_t *versym;
    const Elf64_Verdef *verdef;
    const char *soname;
    int relocations;
} vdso;

static void
read_dynamic(void)
{
    const Elf64_Dyn *d = (const Elf64_Dyn *)(vdso.base + vdso.dynamic->p_vaddr);
    size_t soname = 0;

    for (; d->d_tag != DT_NULL; d++) {
        const void *at = vdso.base + d->d_un.d_ptr;
        switch (d->d_tag) {
        case DT_SYMTAB:   vdso.symbols = at; break;
        case DT_STRTAB:   vdso.strings = at; break;
        case DT_HASH:     vdso.hash = at; break;
        case DT_GNU_HASH: vdso.gnu_hash = at; break;
        case DT_VERSYM:   vdso.versym = at; break;
        case DT_VERDEF:   vdso.verdef = at; break;
        case DT_SONAME:   soname = d->d_un.d_val; break;
        case DT_RELASZ:
        case DT_RELSZ:
        case DT_PLTRELSZ: vdso.relocations += d->d_un.d_val != 0; break;
        }
    }
    vdso.soname = vdso.strings + soname;
}

static const char *
version_of(unsigned symbol)
{
    const Elf64_Verdef *def = vdso.verdef;

    for (;; def = (const void *)((const char *)def + def->vd_next)) {
        if (def->vd_ndx == (vdso.versym[symbol] & 0x7fff))
            return vdso.strings +
                   ((const Elf64_Verdaux *)((const char *)def + def->vd_aux))->vda_name;
        if (!def->vd_next)
            return "";
    }
}

static inline int
on_quire(void)
{
    struct utsname name;

    uname(&name);
    return strstr(name.version, "Quire") != NULL;
}

static uint32_t
sysv_hash(const char *name)
{
    uint32_t h = 0;

    for (; *name; name++) {
        h = (h << 4) + (unsigned char)*name;
        h = (h ^ (h >> 24 & 0xf0)) & 0x0fffffff;
    }
    return h;
}

static uint32_t
gnu_hash(const char *name)
{
    uint32_t h = 5381;

    for (; *name; name++)
        h = h * 33 + (unsigned char)*name;
    return h;
}

static int
is_it(unsigned symbol, const char *name)
{
    const Elf64_Sym *s = &vdso.symbols[symbol];

    return s->st_shndx != SHN_UNDEF && !strcmp(vdso.strings + s->st_name, name) &&
           ELF64_ST_TYPE(s->st_info) == STT_FUNC && ELF64_ST_BIND(s->st_info) == STB_GLOBAL &&
           !strcmp(version_of(symbol), "LINUX_4.15");
}

/* By DT_HASH; 0: not there. */
static unsigned
find_sysv(const char *name)
{
    uint32_t nbuckets = vdso.hash[0];
    const uint32_t *buckets = vdso.hash + 2, *chains = buckets + nbuckets;
    uint32_t i = buckets[sysv_hash(name) % nbuckets];

    while (i && !is_it(i, name))
        i = chains[i];
    return i;
}

/* By DT_GNU_HASH. */
static unsigned
find_gnu(const char *name)
{
    uint32_t h = gnu_hash(name), nbuckets = vdso.gnu_hash[0], first = vdso.gnu_hash[1];
    uint32_t nbloom = vdso.gnu_hash[2], shift = vdso.gnu_hash[3];
    const uint64_t *bloom = (const uint64_t *)(vdso.gnu_hash + 4);
    const uint32_t *buckets = (const uint32_t *)(bloom + nbloom), *chains = buckets + nbuckets;
    uint64_t word = bloom[h / 64 % nbloom];

    if (!(word >> (h % 64) & 1) || !(word >> (h >> shift) % 64 & 1))
        return 0;
    for (uint32_t i = buckets[h % nbuckets]; i; i++) {
        if ((chains[i - first] | 1) == (h | 1) && is_it(i, name))
            return i;
        if (chains[i - first] & 1)
            break;
    }
    return 0;
}

/* A function of the vDSO, or NULL. Where both hash tables are promised they must agree. */
static inline void *
vdso_find(const char *name)
{
    unsigned symbol = vdso.hash ? find_sysv(name) : find_gnu(name);

    if (on_quire())
        ok(symbol && symbol == find_gnu(name), "%s, by both tables", name);
    return symbol ? (void *)(vdso.base + vdso.symbols[symbol].st_value) : NULL;
}

/* Find and read it; its absence, or a missing part, ends the test. */
static inline void
vdso_open(void)
{
    vdso.base = (const char *)getauxval(AT_SYSINFO_EHDR);
    if (!ok(vdso.base != NULL, "there is a vDSO"))
        exit(tap_end());
    vdso.header = (const Elf64_Ehdr *)vdso.base;
    const Elf64_Ehdr *h = vdso.header;
    ok(!memcmp(h->e_ident, ELFMAG, SELFMAG) && h->e_ident[EI_CLASS] == ELFCLASS64 &&
       h->e_type == ET_DYN && h->e_machine == EM_RISCV, "a shared object for riscv64");
    const Elf64_Phdr *ph = (const Elf64_Phdr *)(vdso.base + h->e_phoff);
    int loads = 0;
    for (int i = 0; i < h->e_phnum; i++) {
        if (ph[i].p_type == PT_LOAD) {
            vdso.load = &ph[i];
            loads++;
        } else if (ph[i].p_type == PT_DYNAMIC) {
            vdso.dynamic = &ph[i];
        } else if (ph[i].p_type == PT_GNU_EH_FRAME) {
            vdso.eh_frame_hdr = &ph[i];
        }
    }
    is(loads, 1);
    if (!ok(vdso.load && vdso.dynamic && vdso.eh_frame_hdr, "with all its segments"))
        exit(tap_end());
    is(vdso.load->p_vaddr, 0);
    is(vdso.load->p_flags, PF_R | PF_X);
    read_dynamic();
    ok(vdso.symbols && vdso.strings && (vdso.hash || vdso.gnu_hash) && vdso.versym && vdso.verdef,
       "and all its tables");
    ok(!strcmp(vdso.soname, "linux-vdso.so.1"), "its name is %s", vdso.soname);
    is(vdso.relocations, 0);

}

#endif
