/*
 * Advisory locks on files: fcntl's, by process or by open file, and flock's.
 *
 *      kind            owner               goes when
 *      POSIX (F_SETLK)   descriptor table    any descriptor of the file is closed
 *      OFD (F_OFD_SETLK) struct file         its last reference goes
 *      flock             struct file         its last reference goes
 *
 * The first two cover ranges of bytes and see each other; flock's cover the
 * whole file and see only flock's.
 */
#ifndef QUIRE_VFS_LOCKS_H
#define QUIRE_VFS_LOCKS_H

#include <linux/fcntl.h>
#include "lib/types.h"

struct fdtable;
struct file;
struct inode;

/*
 * F_SETLK and F_SETLKW (wait), F_OFD_*: 0, -EAGAIN, -EDEADLK, -ERESTARTSYS, -ENOLCK, -EBADF (not
 * opened for this), -EINVAL, -EOVERFLOW.
 */
int file_set_lock(struct file *file, const struct flock *request, bool ofd, bool wait);
/*
 * F_GETLK, F_OFD_GETLK: what stands in the way, into *request; else its type becomes F_UNLCK.
 * F_OFD_GETLK of F_UNLCK: the first of the open file's own locks in the range.
 */
int file_get_lock(struct file *file, struct flock *request, bool ofd);
/* flock(2), operation one of LOCK_*, with or without LOCK_NB: 0, -EAGAIN, -ERESTARTSYS, -ENOLCK, -EBADF. */
int file_flock(struct file *file, int operation);

/* A descriptor of the inode in table was closed. */
void locks_release_table(struct inode *inode, struct fdtable *table);
/* The last reference to an open file goes. */
void locks_release_file(struct file *file);
/* The inode goes; it has no locks any more. */
void locks_free(struct inode *inode);

/* Set up the graph of waiting requests (lockwait.c). Boot hart, once. */
void locks_init(void);
/* The current process's id, for F_GETLK; proc/ fills this in. */
extern int (*locks_pid)(void);

/* A lock as /proc/locks shows it. */
struct lock_info {
    const char *kind; /* "POSIX", "OFDLCK", "FLOCK"; NULL: no lock */
    bool write;
    int pid; /* -1: OFD */
    uint64_t dev, ino, start, end; /* end inclusive; INT64_MAX: to the end of the file */
};
/*
 * A place in the list of all locks, one file after the other. All zeros: the first. It may be kept
 * for any time, and holds nothing.
 */
struct lock_cursor {
    uint64_t file;       /* number of the first set of locks that is not told whole */
    uint64_t index;      /* locks of its current list that were told */
    uint64_t nremoved;   /* the set's count then ... */
    const void *last;    /* [never followed unless that is still the count] ... and the lock told last */
    bool flocks;         /* the current list is that of flock()'s */
};
/*
 * Tell of the lock at the cursor and move on; info->kind is NULL where there is none, but may be
 * further on. False: there are no more. Where locks go meanwhile others of the same file may be
 * left out. May sleep.
 */
bool locks_next(struct lock_cursor *cursor, struct lock_info *info);

#endif
