/*
 * execve: a new program in an old process.
 *
 * Everything that can fail comes first. exec.c opens the file and gathers the
 * arguments (args.c), follows #! lines, checks the ELF headers and maps the
 * segments into an address space of its own (elf.c), puts the start-up stack
 * there (stack.c), and only then, when nothing can fail any more, ends the
 * other threads and lets the old image go. A failure before that throws the
 * new address space away and leaves the caller as it was.
 */
#ifndef QUIRE_PROC_EXEC_H
#define QUIRE_PROC_EXEC_H

#include "lib/types.h"

struct file;
struct path;
struct vmspace;

#define EXEC_MAX_STRING (32 * PAGE_SIZE) /* one argument with its NUL: MAX_ARG_STRLEN, execve(2) */
#define EXEC_HEADER_SIZE 256             /* bytes of the file that #! and ELF are looked for in */
#define EXEC_MAX_PAGES 2048

/*
 * Strings on their way to a new stack: file name, arguments, environment, each
 * with its NUL, one after another in pages.
 */
struct exec_args {
    void **pages;       /* EXEC_MAX_PAGES slots, filled as needed */
    size_t size;        /* bytes used */
    size_t limit;       /* most that may be used, pointers included */
    uint32_t argc, envc;
    size_t argv_start;  /* offset of argv[0] */
    size_t envp_start;  /* offset of envp[0] */
};

/* Where strings come from: arrays in user memory, or in the kernel's (process 1). */
struct exec_source {
    vaddr_t argv, envp;             /* user addresses; 0: empty */
    const char *const *kernel_argv; /* if not NULL these are used instead */
    const char *const *kernel_envp;
};

/* A program as elf.c found it, for auxv. */
struct exec_image {
    struct file *file;
    struct file *interpreter;   /* NULL: none asked for */
    vaddr_t entry;              /* of the program */
    vaddr_t start;              /* where to begin: the interpreter's entry, if there is one */
    vaddr_t interpreter_base;   /* 0: none */
    vaddr_t program_headers;
    uint32_t nprogram_headers;
    bool executable_stack;
    bool secure;                /* AT_SECURE */
    vaddr_t sp;                 /* after exec_stack_build() */
};

/*
 * Execute. start NULL: relative to the current directory; flags: AT_EMPTY_PATH,
 * AT_SYMLINK_NOFOLLOW. On success the current thread's trap frame starts the
 * program. 0 or an error, the caller unharmed.
 */
int exec(const struct path *start, const char *name, int dirfd_for_name, unsigned flags,
         const struct exec_source *source);

/* args.c: */
int exec_args_init(struct exec_args *args);
void exec_args_free(struct exec_args *args);
/* Fill in everything. -E2BIG, -EFAULT, -ENOMEM. */
int exec_args_gather(struct exec_args *args, const struct exec_source *source);
/* For #!: drop argv[0], put `interpreter`, `argument` (or NULL) and `script` in front. */
int exec_args_prepend(struct exec_args *args, const char *interpreter, const char *argument,
                      const char *script);

/* elf.c: */
/* Check the headers and map the file (and its interpreter) into vm. -ENOEXEC, -ENOMEM, ... */
int elf_load(struct exec_image *image, struct vmspace *vm, const void *header, size_t size);

/* stack.c: */
/*
 * Put strings, vectors and auxv on vm's stack; vm is loaded on this thread.
 * name: AT_EXECFN. -ENOMEM, -EFAULT, -E2BIG.
 */
int exec_stack_build(struct vmspace *vm, struct exec_image *image, struct exec_args *args,
                     const char *name);

#endif
