/*
 * Process 1; see init.h.
 */
#include "proc/init.h"
#include <linux/fcntl.h>
#include "arch/riscv/klog.h"
#include "arch/riscv/machine.h"
#include "arch/riscv/panic.h"
#include "arch/riscv/trap.h"
#include "lib/errno.h"
#include "lib/parse.h"
#include "lib/path.h"
#include "lib/string.h"
#include "proc/exec.h"
#include "proc/fork.h"
#include "proc/vdso.h"
#include "sched/thread.h"
#include "vfs/fdtable.h"
#include "vfs/file.h"

#define MAX_INIT_ARGS 32 /* Linux's MAX_INIT_ARGS */

/* Boot arguments that are the kernel's own, by name. */
static const char *const known[] = {
    "console",   "debug",      "earlycon", "failalloc", "hostile", "init",      "isolation",
    "loglevel",  "maxcpus",    "mem",      "nokaslr",   "nosmp",   "paging",    "panic",
    "quiet",     "rdinit",     "ro",       "root",      "rootdelay", "rootflags", "rootfstype",
    "rootwait",  "rw",         "superpages", "sv48",    "usercopy", "vmprint",
};

static char words[sizeof(machine.bootargs) + MAX_INIT_ARGS];
static const char *argv[MAX_INIT_ARGS + 2] = {"init"};
static const char *envp[MAX_INIT_ARGS + 3] = {"HOME=/", "TERM=linux"};

static bool
is_known(const char *word)
{
    size_t length = strcspn(word, "=");

    if (memchr(word, '.', length))
        return true; /* a module's parameter */
    for (size_t i = 0; i < ARRAY_SIZE(known); i++)
        if (str_equals_n(word, length, known[i]))
            return true;
    return false;
}

static void
append(const char **list, const char *word)
{
    size_t n = 0;

    while (list[n])
        n++;
    if (n < MAX_INIT_ARGS + 1)
        list[n] = word;
}

/* Sort the boot arguments into init's arguments and environment. */
static void
read_bootargs(void)
{
    const char *pos = machine.bootargs, *rest = bootarg_rest(machine.bootargs);
    char *next = words;
    ssize_t length;

    for (;;) {
        char *word = next;
        length = bootarg_next(&pos, word, (size_t)(words + sizeof(words) - word));
        if (length < 0)
            return;
        next += length + 1;
        if (pos > rest)
            append(argv, word);
        else if (strcmp(word, "--") == 0)
            pos = rest;
        else if (!is_known(word))
            append(strchr(word, '=') ? envp : argv, word);
    }
}

static void
open_console(void)
{
    struct file *file;
    int error = vfs_open(NULL, "/dev/console", O_RDWR, 0, LOOKUP_FOLLOW, &file);

    if (error) {
        pr_warn("no console for init: /dev/console cannot be opened (error %d)", error);
        return;
    }
    for (int i = 0; i < 3; i++) {
        file_get(file);
        if (fd_add(file, false) < 0)
            break;
    }
    file_put(file);
}

static int
try(const char *path)
{
    argv[0] = path;
    struct exec_source source = {.kernel_argv = argv, .kernel_envp = envp};
    int error = exec(NULL, path, path, 0, &source);

    if (error && error != -ENOENT)
        pr_warn("init: %s cannot be executed (error %d)", path, error);
    return error;
}

/* Become the first program that works. */
static void
exec_init_program(void)
{
    static const char *const places[] = {"/init", "/sbin/init", "/etc/init", "/bin/init",
                                         "/bin/sh"};
    static char named[PATH_MAX];

    if (machine_bootarg("init", named, sizeof(named)) ||
        machine_bootarg("rdinit", named, sizeof(named))) {
        int error = try(named);
        if (error)
            panic("no working init found: %s, which was asked for, fails with error %d", named,
                  error);
        return;
    }
    for (size_t i = 0; i < ARRAY_SIZE(places); i++)
        if (try(places[i]) == 0)
            return;
    panic("no working init found: pass one by init=");
}

static void
init_start(void *arg)
{
    (void)arg;
    read_bootargs();
    open_console();
    exec_init_program();
    trap_return(thread_trapframe(current_thread()));
}

void
proc_start_init(void)
{
    vdso_init();
    if (!task_create_first(init_start, NULL))
        panic("no memory for the first process");
}
