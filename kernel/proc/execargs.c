/*
 * Arguments and environment of exec: from the old program's memory into the
 * kernel, before that memory goes; see exec.h.
 */
#include "arch/riscv/trap.h"
#include "lib/errno.h"
#include "lib/string.h"
#include "mem/frame.h"
#include "mem/slab.h"
#include "proc/exec.h"
#include "proc/limits.h"
#include "vm/usercopy.h"

#define ARGS_MIN (32 * PAGE_SIZE)          /* room there always is: ARG_MAX, execve(2) */
#define STRINGS_AT_ONCE 64                 /* between two preemption points */
#define ARGS_MAX (_STK_LIM / 4 * 3)        /* room there never is more of */

void
exec_args_init(struct exec_args *args)
{
    memset(args, 0, sizeof(*args));
    uint64_t stack = limit_soft(RLIMIT_STACK);
    args->limit = max(min(stack / 4, (uint64_t)ARGS_MAX), ARGS_MIN);
    args->limit = min(args->limit, max(stack, PAGE_SIZE));
}

void
exec_args_free(struct exec_args *args)
{
    while (args->first) {
        struct exec_page *page = args->first;
        args->first = page->next;
        kfree(page);
        preempt_point();
    }
    while (args->nprefix)
        kmfree(args->prefix[--args->nprefix]);
}

/* Room in the last page, adding one if it is full. NULL: memory is out. */
static char *
room(struct exec_args *args, size_t *n)
{
    size_t used = args->size % sizeof(args->last->text);

    if (used == 0) {
        struct exec_page *page = kalloc();
        if (!page)
            return NULL;
        page->next = NULL;
        if (args->last)
            args->last->next = page;
        else
            args->first = page;
        args->last = page;
    }
    *n = sizeof(args->last->text) - used;
    return args->last->text + used;
}

/* Charge n bytes. 0 or -E2BIG. */
static int
charge(struct exec_args *args, size_t n)
{
    if (n > args->limit)
        return -E2BIG;
    args->limit -= n;
    return 0;
}

/* Append one string of the user's, a page at a time. */
static int
append_user(struct exec_args *args, vaddr_t string)
{
    size_t done = 0, space;

    for (;;) {
        char *to = room(args, &space);
        if (!to)
            return -ENOMEM;
        ssize_t length = copyinstr(to, string + done, space);
        if (length == -ENAMETOOLONG) {
            args->size += space;
            done += space;
            if (done >= EXEC_MAX_STRING)
                return -E2BIG;
            if (charge(args, space) < 0)
                return -E2BIG;
            preempt_point();
            continue;
        }
        if (length < 0)
            return (int)length;
        args->size += (size_t)length + 1;
        done += (size_t)length + 1;
        return done > EXEC_MAX_STRING ? -E2BIG : charge(args, (size_t)length + 1);
    }
}

static int
append_kernel(struct exec_args *args, const char *string)
{
    size_t left = strlen(string) + 1, space;

    if (charge(args, left) < 0)
        return -E2BIG;
    while (left) {
        char *to = room(args, &space);
        if (!to)
            return -ENOMEM;
        size_t n = min(left, space);
        memcpy(to, string, n);
        string += n;
        args->size += n;
        left -= n;
    }
    return 0;
}

/* Append a NULL-terminated array of strings. Their number, or an error. */
static int64_t
append_array(struct exec_args *args, vaddr_t user, const char *const *kernel)
{
    int64_t n = 0;
    int error = 0;

    if (!user && !kernel)
        return 0;
    for (;; n++) {
        uint64_t string = 0;
        if (!kernel)
            error = get_user64(&string, user + (uint64_t)n * sizeof(string));
        if (error)
            return error;
        if (kernel ? !kernel[n] : !string)
            return n;
        if ((n + 1) % STRINGS_AT_ONCE == 0)
            preempt_point();
        error = charge(args, sizeof(vaddr_t));
        if (!error)
            error = kernel ? append_kernel(args, kernel[n]) : append_user(args, string);
        if (error)
            return error;
    }
}

int
exec_args_gather(struct exec_args *args, const struct exec_source *source, const char *execfn)
{
    int error = charge(args, strlen(execfn) + 1);
    if (error)
        return error;
    int64_t n = append_array(args, source->argv, source->kernel_argv);
    if (n == 0) { /* a program always has a name, even if it is empty */
        error = append_kernel(args, "");
        n = error ? error : 1;
    }
    if (n < 0)
        return (int)n;
    args->argc = (uint32_t)n;
    n = append_array(args, source->envp, source->kernel_envp);
    if (n < 0)
        return (int)n;
    args->envc = (uint32_t)n;
    return 0;
}

static char *
duplicate(const char *string)
{
    size_t n = strlen(string) + 1;
    char *copy = kmalloc(n);

    if (copy)
        memcpy(copy, string, n);
    return copy;
}

/* Length of the chain's first string, with its NUL. */
static size_t
first_length(const struct exec_args *args)
{
    size_t length = 0;

    for (const struct exec_page *page = args->first; page; page = page->next) {
        size_t n = strnlen(page->text, sizeof(page->text));
        length += n;
        if (n < sizeof(page->text))
            break;
    }
    return length + 1;
}

static void
drop_first(struct exec_args *args)
{
    if (args->nprefix) {
        kmfree(args->prefix[0]);
        args->nprefix--;
        memmove(args->prefix, args->prefix + 1, args->nprefix * sizeof(char *));
        return;
    }
    args->skip = first_length(args);
    args->argc--;
}

/* Put a copy of one string in front of all. */
static int
prepend(struct exec_args *args, const char *string)
{
    if (args->nprefix == ARRAY_SIZE(args->prefix))
        return -ELOOP;
    char *copy = duplicate(string);
    if (!copy)
        return -ENOMEM;
    if (charge(args, strlen(copy) + 1 + sizeof(vaddr_t)) < 0) {
        kmfree(copy);
        return -E2BIG;
    }
    memmove(args->prefix + 1, args->prefix, args->nprefix * sizeof(char *));
    args->prefix[0] = copy;
    args->nprefix++;
    return 0;
}

int
exec_args_prepend(struct exec_args *args, const char *interpreter, const char *argument,
                  const char *script)
{
    drop_first(args);
    int error = prepend(args, script);
    if (!error && argument)
        error = prepend(args, argument);
    return error ? error : prepend(args, interpreter);
}
