/*
 * ELF files that are no programs, or hostile ones: truncated, overlapping,
 * wrapping, with headers that lie. Where Linux refuses before it gives up
 * the old image, execve fails with the errno; where it notices later it
 * kills the process. hostile() takes either, but nothing else, and the
 * machine goes on.
 */
#include "tap.h"
#include <elf.h>
#include <stddef.h>

#define BASE 0x10000UL

/* A whole program: headers, and code that exits with 42. */
struct image {
    Elf64_Ehdr header;
    Elf64_Phdr segment[4];
    uint32_t code[8];
    char path[32];
};

static const struct image good = {
    .header = {
        .e_ident = { 0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB,
                     EV_CURRENT },
        .e_type = ET_EXEC,
        .e_machine = EM_RISCV,
        .e_version = EV_CURRENT,
        .e_entry = BASE + offsetof(struct image, code),
        .e_phoff = offsetof(struct image, segment),
        .e_ehsize = sizeof(Elf64_Ehdr),
        .e_phentsize = sizeof(Elf64_Phdr),
        .e_phnum = 1,
    },
    .segment = {
        {
            .p_type = PT_LOAD,
            .p_flags = PF_R | PF_X,
            .p_vaddr = BASE,
            .p_filesz = sizeof(struct image),
            .p_memsz = sizeof(struct image),
            .p_align = 4096,
        },
    },
    /* li a0, 42; li a7, 93; ecall */
    .code = { 0x02a00513, 0x05d00893, 0x00000073 },
};

/* Exit status, minus the signal, or 1000 + errno if execve returned. */
static int
run_bytes(const void *bytes, size_t size)
{
    int *error = shared_pages(1);
    char *argv[] = { "elf", NULL }, *envp[] = { NULL };

    put_file("program", bytes, size, 0755);
    pid_t pid = tap_fork();
    if (pid == 0) {
        execve("program", argv, envp);
        *error = errno;
        _exit(0);
    }
    int status = tap_wait(pid);
    int failed = *error;
    munmap(error, PAGE);
    if (failed)
        return 1000 + failed;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

static int
run_image(const struct image *image)
{
    return run_bytes(image, sizeof(*image));
}

/* Refused with a sensible errno, or killed; never run to the end. */
static int
hostile(const struct image *image)
{
    int result = run_image(image);

    return result == -SIGSEGV || result == -SIGKILL || result == -SIGBUS ||
           result == -SIGILL || result == 1000 + ENOEXEC ||
           result == 1000 + ENOMEM || result == 1000 + EINVAL ||
           result == 1000 + EIO || result == 1000 + EFAULT;
}

#define CHANGED(change) \
    ({ struct image i = good; change; i; })
#define refuse(change, error) \
    is(({ struct image changed = CHANGED(change); run_image(&changed); }), \
       1000 + (error))
#define survive(change) \
    ok(({ struct image changed = CHANGED(change); hostile(&changed); }), \
       "hostile: %s", #change)

static void
test_truncated(void)
{
    is(run_image(&good), 42);
    is(run_bytes(&good, 0), 1000 + ENOEXEC);
    is(run_bytes(&good, 1), 1000 + ENOEXEC);
    is(run_bytes(&good, 4), 1000 + ENOEXEC);
    is(run_bytes(&good, 16), 1000 + ENOEXEC);
    is(run_bytes(&good, 63), 1000 + ENOEXEC);
    is(run_bytes(&good, 64), 1000 + ENOEXEC);
    is(run_bytes(&good, 64 + 55), 1000 + ENOEXEC);
    is(run_bytes(&good, offsetof(struct image, path)), 42);
}

static void
test_identity(void)
{
    refuse(i.header.e_ident[0] = 0, ENOEXEC);
    refuse(i.header.e_ident[3] = 'G', ENOEXEC);
    refuse(i.header.e_ident[EI_CLASS] = ELFCLASS32, ENOEXEC);
    refuse(i.header.e_machine = EM_X86_64, ENOEXEC);
    refuse(i.header.e_type = ET_REL, ENOEXEC);
    refuse(i.header.e_type = ET_CORE, ENOEXEC);
    refuse(i.header.e_type = 0, ENOEXEC);
}

static void
test_table(void)
{
    refuse(i.header.e_phentsize = 55, ENOEXEC);
    refuse(i.header.e_phentsize = 0, ENOEXEC);
    refuse(i.header.e_phnum = 0, ENOEXEC);
    refuse(i.header.e_phnum = 65535, ENOEXEC);
    refuse(i.header.e_phnum = 1000, ENOEXEC);
    refuse(i.header.e_phoff = 1 << 30, ENOEXEC);
    refuse(i.header.e_phoff = ~0UL, ENOEXEC);
    refuse(i.header.e_phoff = ~0UL - 55, ENOEXEC);
    refuse(i.header.e_phoff = 1UL << 63, ENOEXEC);
    refuse(i.header.e_phoff = sizeof(i) - 40, ENOEXEC);
}

/* Ask for an interpreter by a name of size bytes. */
static void
interpreter(struct image *i, const char *name, size_t size)
{
    i->header.e_phnum = 2;
    i->segment[1] = (Elf64_Phdr){
        .p_type = PT_INTERP,
        .p_offset = offsetof(struct image, path),
        .p_filesz = size,
    };
    strcpy(i->path, name);
}

static void
test_interpreter(void)
{
    refuse(interpreter(&i, "/missing", 9), ENOENT);
    refuse(interpreter(&i, "/missing", 8), ENOEXEC);
    refuse(interpreter(&i, "/missing", 1), ENOEXEC);
    refuse(interpreter(&i, "/missing", 0), ENOEXEC);
    refuse(interpreter(&i, "/missing", 4097), ENOEXEC);
    refuse(interpreter(&i, "/tmp", 5), EACCES);
}

static void
test_segments(void)
{
    survive(i.segment[0].p_type = PT_NULL);
    survive(i.segment[0].p_filesz = i.segment[0].p_memsz + 1);
    survive(i.segment[0].p_memsz = 0; i.segment[0].p_filesz = 0);
    survive(i.segment[0].p_memsz = ~0UL);
    survive(i.segment[0].p_memsz = 1UL << 62);
    survive(i.segment[0].p_filesz = i.segment[0].p_memsz = ~0UL);
    survive(i.segment[0].p_filesz = i.segment[0].p_memsz = 1UL << 57);
    survive(i.segment[0].p_filesz = i.segment[0].p_memsz = 0UL - BASE);
    survive(i.segment[0].p_vaddr = ~0UL & -PAGE);
    survive(i.segment[0].p_vaddr = 0xffffffff80000000UL);
    survive(i.segment[0].p_vaddr = 1UL << 63);
    survive(i.segment[0].p_vaddr = (1UL << 38) - 2 * PAGE;
            i.segment[0].p_memsz = 1UL << 63);
    survive(i.segment[0].p_vaddr += 8);
    survive(i.segment[0].p_offset = 8);
    survive(i.segment[0].p_offset = 1UL << 62);
    survive(i.segment[0].p_offset = ~0UL & -PAGE);
    survive(i.segment[0].p_flags = PF_R | PF_W);
    survive(i.segment[0].p_flags = 0);
}

static void
test_entries(void)
{
    survive(i.header.e_entry = 0);
    survive(i.header.e_entry = ~0UL);
    survive(i.header.e_entry = 0xffffffff80000000UL);
    survive(i.header.e_entry = 1UL << 63);
    survive(i.header.e_entry += 0x100000);
}

/* Add a second segment to load, writable data. */
static void
second(struct image *i, uint64_t at, uint64_t filesz, uint64_t memsz)
{
    i->header.e_phnum = 2;
    i->segment[1] = (Elf64_Phdr){
        .p_type = PT_LOAD,
        .p_flags = PF_R | PF_W,
        .p_vaddr = at,
        .p_filesz = filesz,
        .p_memsz = memsz,
        .p_align = 4096,
    };
}

static void
test_several_segments(void)
{
    struct image data = CHANGED(second(&i, BASE + PAGE, 8, 3 * PAGE));
    is(run_image(&data), 42);
    struct image bss = CHANGED(second(&i, BASE + PAGE, 0, 1 << 20));
    is(run_image(&bss), 42);

    survive(second(&i, ~0UL & -PAGE, 8, PAGE));
    survive(second(&i, BASE + PAGE, 8, ~0UL));
    survive(second(&i, BASE + PAGE, 8, 0UL - BASE - PAGE));
    survive(second(&i, BASE + PAGE, PAGE, 8));
    survive(second(&i, 0xffffffff80000000UL, 8, PAGE));
    survive(second(&i, BASE + PAGE + 4, 8, PAGE));

    /* Over the first: laid on top, and the code is still there, for the bytes are the same. */
    struct image over = CHANGED(second(&i, BASE, sizeof(i), sizeof(i)));
    over.segment[1].p_flags = PF_R | PF_X;
    is(run_image(&over), 42);
    struct image below = CHANGED(second(&i, BASE - PAGE, PAGE, PAGE));
    is(run_image(&below), 42);
    struct image low = CHANGED(second(&i, PAGE, 8, PAGE));
    is(run_image(&low), 42); /* root may map below vm.mmap_min_addr */
}

/* What a segment of zeroes says of the file is not looked at. */
static void
test_zeroes(void)
{
    struct image odd = CHANGED(second(&i, BASE + PAGE + 0x123, 0, 3 * PAGE));
    odd.segment[1].p_offset = 0x77;
    is(run_image(&odd), 42);
    struct image nothing = CHANGED(second(&i, BASE + PAGE + 0x777, 0, 0));
    is(run_image(&nothing), 42);
}

/* Interpreters: any kind of program, and -ELIBBAD or -EIO for what is none. */
static void
test_interpreters(void)
{
    struct image with = CHANGED(interpreter(&i, "./linker", 9)), linker = good;

    with.code[0] = 0x00100513; /* li a0, 1 */
    linker.header.e_entry += 0x100000;
    linker.segment[0].p_vaddr += 0x100000;
    put_file("linker", &linker, sizeof(linker), 0755);
    is(run_image(&with), 42);
    linker.header.e_type = ET_DYN;
    put_file("linker", &linker, sizeof(linker), 0755);
    is(run_image(&with), 42);
    linker.header.e_machine = EM_X86_64;
    put_file("linker", &linker, sizeof(linker), 0755);
    is(run_image(&with), 1000 + ELIBBAD);
    put_file("linker", &linker, 20, 0755);
    is(run_image(&with), 1000 + EIO);
    put_file("linker", &linker, sizeof(linker), 0644);
    is(run_image(&with), 1000 + EACCES);
}

/* A seeded stream of bit flips over the headers: anything but a hang. */
static void
test_random(void)
{
    uint32_t seed = 12345;
    int outcomes = 0;

    for (int round = 0; round < 60; round++) {
        struct image i = good;
        uint8_t *byte = (uint8_t *)&i;
        i.header.e_phnum = 1 + round % 2;
        i.segment[1] = i.segment[0];
        for (int flip = 0; flip < 1 + round % 4; flip++) {
            seed = seed * 1664525 + 1013904223;
            size_t at = (seed >> 8) % offsetof(struct image, segment[2]);
            byte[at] ^= 1 << (seed >> 29);
        }
        outcomes += run_image(&i) != -SIGALRM;
    }
    is(outcomes, 60);
    is(run_image(&good), 42);
}

int
main(void)
{
    tap_begin("elf");
    test_truncated();
    test_identity();
    test_table();
    test_interpreter();
    test_segments();
    test_entries();
    test_several_segments();
    test_zeroes();
    test_interpreters();
    test_random();
    return tap_end();
}
