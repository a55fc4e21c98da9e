/*
 * execve: a new program in an old process.
 *
 * Everything that can fail comes first. exec.c opens the file and gathers the
 * arguments (execargs.c), follows #! lines (script.c), checks the ELF headers and maps the
 * segments into an address space of its own (elf.c), puts the start-up stack
 * there (execstack.c), and gets ready what the new image will not share. A
 * failure up to here throws the new address space away and leaves the caller as
 * it was. Then, in this order:
 *
 *      the other threads of the process end             proc_end_other_threads()
 *      descriptors and signal actions that are still
 *      shared, with other processes therefore, are
 *      copied into what is ready                        spare_use()
 *      locks of the old robust list are freed           in the old memory
 *      dumpable of the new memory, credentials, then
 *      the new memory itself are seen by others         become(), proc/share.h
 *      descriptors marked so are closed, signal
 *      actions and timers are reset
 *      the old memory goes, a vfork parent goes on      leave_old_image()
 *
 * Only spare_use() can fail, if another process that shares the descriptors
 * opens thousands meanwhile and there is no memory to copy them: the threads are
 * gone, so the process ends by SIGSEGV, as on Linux. Until become() others see
 * the old memory, though the thread already runs on the new: task->shown_vm.
 */
#ifndef QUIRE_PROC_EXEC_H
#define QUIRE_PROC_EXEC_H

#include "lib/types.h"
#include "proc/credentials.h"

struct cred;
struct file;
struct path;
struct vmspace;

#define EXEC_MAX_STRING (32 * PAGE_SIZE) /* one argument with its NUL: MAX_ARG_STRLEN, execve(2) */
#define EXEC_HEADER_SIZE 256 /* bytes of the file that #! and ELF are looked for in: BINPRM_BUF_SIZE */
#define EXEC_MAX_SCRIPTS 5   /* #! lines that lead to one another */
#define EXEC_MAX_PREFIX (3 + 2 * EXEC_MAX_SCRIPTS) /* one line more is read, and refused then */

/* Strings one after another, each with its NUL, in a chain of pages. */
struct exec_page {
    struct exec_page *next;
    char text[PAGE_SIZE - sizeof(void *)];
};

/* Arguments and environment on their way to a new stack. */
struct exec_args {
    struct exec_page *first, *last;
    size_t size;     /* bytes of text: arguments, then environment */
    size_t limit;    /* most that text and pointers may take together */
    uint32_t argc, envc;
    size_t skip;     /* bytes of argv[0] that a #! line took away */
    char *prefix[EXEC_MAX_PREFIX]; /* what #! lines put in front, kmalloc'ed */
    unsigned nprefix;
};

/* Where strings come from: arrays in user memory, or in the kernel's (process 1). */
struct exec_source {
    vaddr_t argv, envp;             /* user addresses; 0: empty */
    const char *const *kernel_argv; /* if not NULL these are used instead */
    const char *const *kernel_envp;
    bool closes_name; /* execfn leads through a descriptor that exec closes: no script's interpreter finds it */
};

/* A program being loaded. */
struct exec_image {
    struct file *file;          /* counted */
    uint8_t header[EXEC_HEADER_SIZE]; /* its first bytes, zeroes behind its end */
    size_t header_size;         /* how many there are */
    bool executable_stack;
    struct exec_rights rights;
    bool unreadable;            /* the caller may not read the program, or its interpreter */
    const struct cred *cred;    /* what it will run as */
    vaddr_t entry;              /* of the program */
    vaddr_t start;              /* where to begin: the interpreter's entry, if there is one */
    vaddr_t interpreter_base;   /* 0: none */
    vaddr_t program_headers;
    uint32_t nprogram_headers;
    vaddr_t vdso;
    vaddr_t sp;
};

/*
 * Execute the file `name` (relative to start; NULL: the current directory); execfn is
 * what AT_EXECFN shows. flags: AT_EMPTY_PATH, AT_SYMLINK_NOFOLLOW. On success
 * the current thread's trap frame starts the program. 0 or an error, the caller unharmed.
 */
int exec(const struct path *start, const char *name, const char *execfn, unsigned flags,
         const struct exec_source *source);
void exec_init(void);

/* script.c: the file, its checks and its header. 0, -ENOENT, -EACCES, ... */
int exec_open(struct exec_image *image, const struct path *start, const char *name,
              unsigned flags);
/*
 * If the header is a #! line: rewrite the arguments, and open the interpreter in the
 * file's place. script: the name the file was found by; NULL: it will lead nowhere, -ENOENT.
 * 1: done; 0: it is none.
 */
int exec_script(struct exec_image *image, struct exec_args *args, const char *script,
                char *interpreter);

/* execargs.c: */
void exec_args_init(struct exec_args *args);
void exec_args_free(struct exec_args *args);
/* Fill in everything. -E2BIG, -EFAULT, -ENOMEM. */
int exec_args_gather(struct exec_args *args, const struct exec_source *source, const char *execfn);
/*
 * For #!: drop the first argument, put `interpreter`, `argument` (or NULL) and `script` in
 * front. -ENOMEM, -E2BIG, -ELOOP (that is more than EXEC_MAX_PREFIX strings).
 */
int exec_args_prepend(struct exec_args *args, const char *interpreter, const char *argument,
                      const char *script);

/*
 * elf.c: check the headers, map the file (and its interpreter) into vm, which is loaded.
 * -ENOEXEC, -ELIBBAD, errors of files, -ENOMEM. EXEC_DOOMED: the headers are well-formed, but
 * ask for what cannot be mapped; Linux finds that out when it has let the old image go, so
 * the process ends.
 */
#define EXEC_DOOMED 1
int elf_load(struct exec_image *image, struct vmspace *vm);

/* execstack.c: put strings, vectors and auxv on vm's stack; vm is loaded. -ENOMEM, -EFAULT, -E2BIG. */
int exec_stack_build(struct vmspace *vm, struct exec_image *image, struct exec_args *args,
                     const char *execfn);

#endif
