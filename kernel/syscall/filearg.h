/*
 * Arguments that many file calls share: where a relative name starts, and
 * lists of buffers.
 */
#ifndef QUIRE_SYSCALL_FILEARG_H
#define QUIRE_SYSCALL_FILEARG_H

#include "lib/types.h"
#include "vfs/fdtable.h"
#include "vfs/namei.h"
#include "vm/uio.h"

#define NAME_INLINE 128 /* with the NUL; longer names are rare, and may take an allocation */

/*
 * A name from the user and the directory it is relative to. at_begin() writes all that is
 * read, so variables are __uninitialized.
 */
struct at_name {
    char *name;                /* kmalloc'ed, or `own` */
    const struct path *start;  /* NULL: the current directory, or the name is absolute */
    struct fd_ref ref;         /* what start lies in, unless that is NULL */
    char own[NAME_INLINE];     /* holds a short name */
};

/*
 * Fetch a name and the directory behind dirfd. 0, or -EBADF, -EFAULT,
 * -ENAMETOOLONG, -ENOMEM; on success call at_end().
 */
int at_begin(struct at_name *at, int dirfd, vaddr_t name);
/* The same for a walk by flags (LOOKUP_*): with LOOKUP_IN_ROOT an absolute name begins at dirfd. */
int at_begin_flags(struct at_name *at, int dirfd, vaddr_t name, unsigned flags);
void at_end(struct at_name *at);

/*
 * Fetch a name and walk it. flags: LOOKUP_*. With LOOKUP_EMPTY an empty name
 * means what dirfd itself names. *path has references.
 */
int at_lookup(int dirfd, vaddr_t name, unsigned flags, struct path *path);

#define IOVEC_INLINE 8

/* A uio over a user's struct iovec array, checked. */
struct iovec_arg {
    struct uio uio;
    struct uio_segment *segments;
    struct uio_segment inline_segments[IOVEC_INLINE];
};

/* 0, -EINVAL (too many, or a negative length), -EFAULT, -ENOMEM; on success call iovec_end(). */
int iovec_begin(struct iovec_arg *arg, vaddr_t iov, uint64_t count);
void iovec_end(struct iovec_arg *arg);

#endif
