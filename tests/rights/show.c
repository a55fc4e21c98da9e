/*
 * What the table of rights has executed: it prints on one line the rights with
 * which it runs. It has no C library, so that a thousand runs cost little.
 */
#include <linux/auxvec.h>
#include <linux/capability.h>
#include <linux/prctl.h>
#include <linux/securebits.h>
#include <asm/unistd.h>

static char line[512];
static unsigned long used;

static long
call(long number, long a, long b, long c)
{
    register long a0 __asm__("a0") = a, a1 __asm__("a1") = b, a2 __asm__("a2") = c;
    register long a3 __asm__("a3") = 0, a4 __asm__("a4") = 0, a7 __asm__("a7") = number;

    __asm__ volatile("ecall" : "+r"(a0) : "r"(a1), "r"(a2), "r"(a3), "r"(a4), "r"(a7) : "memory");
    return a0;
}

static void
text(const char *s)
{
    while (*s)
        line[used++] = *s++;
}

static void
number(unsigned long n, unsigned base)
{
    char digits[24];
    int i = 0;

    do
        digits[i++] = "0123456789abcdef"[n % base];
    while (n /= base);
    while (i)
        line[used++] = digits[--i];
}

static void
three(const char *what, long getter)
{
    unsigned id[3];

    call(getter, (long)&id[0], (long)&id[1], (long)&id[2]);
    text(what);
    for (int i = 0; i < 3; i++) {
        text(i ? "," : " ");
        number(id[i], 10);
    }
}

static void
option(const char *what, long option_number, unsigned base)
{
    text(what);
    text(" ");
    number((unsigned long)call(__NR_prctl, option_number, 0, 0), base);
}

static void
sets(void)
{
    struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
    struct __user_cap_data_struct d[2];
    unsigned long ambient = 0;

    call(__NR_capget, (long)&header, (long)d, 0);
    text(" effective ");
    number(d[0].effective | (unsigned long)d[1].effective << 32, 16);
    text(" permitted ");
    number(d[0].permitted | (unsigned long)d[1].permitted << 32, 16);
    text(" inheritable ");
    number(d[0].inheritable | (unsigned long)d[1].inheritable << 32, 16);
    for (long cap = 0; cap <= CAP_LAST_CAP; cap++)
        if (call(__NR_prctl, PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, cap) == 1)
            ambient |= 1UL << cap;
    text(" ambient ");
    number(ambient, 16);
}

__attribute__((used)) static void
begin(const unsigned long *stack)
{
    unsigned long argc = stack[0], secure = 9;
    const unsigned long *p = stack + 1 + argc + 1;
    int signal = 0;

    while (*p++)
        ;
    for (; p[0] != AT_NULL; p += 2)
        if (p[0] == AT_SECURE)
            secure = p[1];
    /* The words of the line that the caller wants before the result. */
    text(argc ? (const char *)stack[1] : "");
    three("uids", __NR_getresuid);
    text(",");
    number((unsigned long)call(__NR_setfsuid, -1, 0, 0), 10);
    three(" gids", __NR_getresgid);
    text(",");
    number((unsigned long)call(__NR_setfsgid, -1, 0, 0), 10);
    sets();
    text(" secure ");
    number(secure, 10);
    option(" dumpable", PR_GET_DUMPABLE, 10);
    option(" securebits", PR_GET_SECUREBITS, 16);
    option(" nnp", PR_GET_NO_NEW_PRIVS, 10);
    call(__NR_prctl, PR_GET_PDEATHSIG, (long)&signal, 0);
    text(" pdeathsig ");
    number((unsigned long)signal, 10);
    text("\n");
    call(__NR_write, 1, (long)line, (long)used);
    call(__NR_exit_group, 0, 0, 0);
}

__asm__(".globl _start\n"
        "_start:\n"
        ".option push\n"
        ".option norelax\n"
        "la gp, __global_pointer$\n"
        ".option pop\n"
        "mv a0, sp\n"
        "call begin\n");
