/*
 * What a new program finds on its stack: argc, argv, envp, the auxiliary
 * vector, their order, alignment and contents. The program looks at it
 * itself, starting from environ and argv, which point into that area.
 */
#include "tap.h"
#include <elf.h>
#include <link.h>
#include <sys/auxv.h>
#include <sys/resource.h>

static long *bottom;            /* where sp was: argc */
static Elf64_auxv_t *vector;

static unsigned long
aux(unsigned long type)
{
    for (Elf64_auxv_t *a = vector; a->a_type; a++)
        if (a->a_type == type)
            return a->a_un.a_val;
    return 0;
}

static int
has(unsigned long type)
{
    for (Elf64_auxv_t *a = vector; a->a_type; a++)
        if (a->a_type == type)
            return 1;
    return 0;
}

static void
test_layout(int argc, char **argv, char **envp)
{
    bottom = (long *)argv - 1;
    is((long)bottom % 16, 0);
    is(bottom[0], argc);
    ok(argv[argc] == NULL, "argv ends with NULL");
    ok(envp == argv + argc + 1, "envp follows argv");
    while (*envp)
        envp++;
    vector = (Elf64_auxv_t *)(envp + 1);
    int n = 0, seen[64] = { 0 }, twice = 0;
    for (Elf64_auxv_t *a = vector; a->a_type; a++, n++)
        if (a->a_type < 64)
            twice += seen[a->a_type]++;
    ok(n >= 10 && n < 64, "the auxiliary vector has %d entries", n);
    is(twice, 0);
}

static void
test_strings(int argc, char **argv, char **envp)
{
    char *low = (char *)vector, *at = argv[0];
    int order = 1;

    for (int i = 0; i < argc; i++) {
        order &= argv[i] == at && argv[i] > low;
        at += strlen(at) + 1;
    }
    for (; *envp; envp++) {
        order &= *envp == at;
        at += strlen(at) + 1;
    }
    ok(order, "the strings lie above, argv's and then envp's, in order");
    char *name = (char *)aux(AT_EXECFN);
    ok(name >= at, "and the file's name above them");
    ok(access(name, X_OK) == 0 || name[0] != '/', "AT_EXECFN: %s", name);
}

static void
test_vector(void)
{
    is(aux(AT_PAGESZ), PAGE);
    is(aux(AT_CLKTCK), 100);
    is(aux(AT_UID), getuid());
    is(aux(AT_EUID), geteuid());
    is(aux(AT_GID), getgid());
    is(aux(AT_EGID), getegid());
    is(aux(AT_SECURE), 0);
    is(aux(AT_FLAGS), 0);
    is(aux(AT_BASE), 0);
    is(aux(AT_PHENT), sizeof(Elf64_Phdr));
    ok(has(AT_HWCAP), "AT_HWCAP is there");
    is(aux(AT_HWCAP) & 0x112d, 0x112d);     /* I M A F D C */
    unsigned char *random = (unsigned char *)aux(AT_RANDOM);
    ok(random != NULL, "AT_RANDOM is there");
    int zeros = 0;
    for (int i = 0; i < 16; i++)
        zeros += random[i] == 0;
    ok(zeros < 8, "and its 16 bytes look random");

    extern char __ehdr_start[] __attribute__((weak));
    extern void _start(void);
    Elf64_Phdr *ph = (Elf64_Phdr *)aux(AT_PHDR);
    is(aux(AT_ENTRY), (long)_start);
    if (__ehdr_start)
        ok((char *)ph == __ehdr_start + ((Elf64_Ehdr *)__ehdr_start)->e_phoff,
           "AT_PHDR is where the headers are mapped");
    int loads = 0;
    for (unsigned long i = 0; i < aux(AT_PHNUM); i++)
        loads += ph[i].p_type == PT_LOAD;
    ok(loads >= 1, "%d segments to load of %ld", loads, (long)aux(AT_PHNUM));
    Elf64_Ehdr *vdso = (Elf64_Ehdr *)aux(AT_SYSINFO_EHDR);
    if (vdso)
        ok(!memcmp(vdso->e_ident, ELFMAG, SELFMAG), "the vDSO is an ELF");
    else
        tap_skip("no vDSO");
}

static void
test_registers_and_rights(void)
{
    /* The stack may be written but not run. */
    uint32_t code[2] = { 0x00008067, 0x00008067 };
    pid_t pid = tap_fork();
    if (pid == 0) {
        struct rlimit none = { 0, 0 };
        setrlimit(RLIMIT_CORE, &none);
        ((void (*)(void))code)();
        _exit(0);
    }
    is(tap_wait(pid), SIGSEGV);
}

/* Run ourselves with a given number of arguments; sp must be aligned. */
static int
aligned(int argc, char **argv)
{
    return argc > 1 && !strcmp(argv[1], "--aligned")
           ? ((long)((long *)argv - 1) % 16 == 0) + 10 : 0;
}

static void
test_alignment(char *self)
{
    char *argv[12] = { "startup", "--aligned" }, *envp[4] = { NULL };
    int good = 0, runs = 0;

    for (int n = 2; n < 8; n++) {
        argv[n] = NULL;
        for (int e = 0; e < 3; e++) {
            envp[e] = NULL;
            pid_t pid = tap_fork();
            if (pid == 0) {
                execve(self, argv, envp);
                _exit(1);
            }
            good += tap_wait(pid) == 11 << 8;
            runs++;
            envp[e] = "A=bc";
        }
        argv[n] = "word and word" + n;
    }
    is(good, runs);
}

int
main(int argc, char **argv, char **envp)
{
    static char self[512];

    if (aligned(argc, argv))
        return aligned(argc, argv);
    if (!realpath((char *)getauxval(AT_EXECFN), self))
        return 98;
    test_layout(argc, argv, envp);
    test_strings(argc, argv, envp);
    tap_begin("startup");
    test_vector();
    test_registers_and_rights();
    test_alignment(self);
    return tap_end();
}
