/*
 * Descriptor tables: small numbers to open files, shared by CLONE_FILES.
 *
 * When the table belongs to one thread only, looking a descriptor up takes
 * neither lock nor reference (fd_borrow): nobody else can close it meanwhile.
 * Others take the table's lock and a reference. Tables grow by doubling.
 */
#ifndef QUIRE_VFS_FDTABLE_H
#define QUIRE_VFS_FDTABLE_H

#include "arch/riscv/spinlock.h"
#include "lib/refcount.h"
#include "lib/types.h"

struct file;

#define FDTABLE_INLINE 64 /* descriptors that need no arrays of their own */

/* Guarded by: (L) lock  (A) atomic */
struct fdtable {
    struct refcount refs; /* (A) threads that share it */
    struct spinlock lock;
    uint32_t capacity;    /* (L) slots */
    uint32_t first_free;  /* (L) no lower descriptor is free */
    struct file **files;  /* (L to write) NULL where nothing is open */
    uint64_t *open;       /* (L) bitmap: taken, or reserved by fd_reserve */
    uint64_t *cloexec;    /* (L) bitmap */
    struct file *inline_files[FDTABLE_INLINE];
    uint64_t inline_open, inline_cloexec;
};

/* The most descriptors a process may have: RLIMIT_NOFILE's soft limit. proc/ fills this in. */
extern uint32_t (*fd_limit)(void);

struct fdtable *fdtable_create(void);               /* NULL: memory is out */
struct fdtable *fdtable_copy(struct fdtable *from); /* fork: references to every file */
void fdtable_get(struct fdtable *table);
void fdtable_put(struct fdtable *table);            /* the last one closes all; may sleep */
/* exec: close what is close-on-exec. The table must not be shared any more. */
void fdtable_exec(struct fdtable *table);

/*
 * The file behind fd of the current thread, for the length of one system
 * call: give it back with fd_return(). Without a reference where that is
 * safe. .file is NULL for a bad descriptor (and for O_PATH ones, unless asked).
 */
struct fd_ref {
    struct file *file;
    bool counted;
};
struct fd_ref fd_borrow(int fd);
struct fd_ref fd_borrow_path(int fd); /* O_PATH descriptors too */
void fd_return(struct fd_ref ref);
/* A counted reference, or NULL. */
struct file *fd_file(struct fdtable *table, int fd);

/* The lowest free descriptor >= from, reserved but empty. -EMFILE, -ENOMEM. */
int fd_reserve(int from, bool cloexec);
/* Fill a reserved one (taking over the reference) or give it up. */
void fd_install(int fd, struct file *file);
void fd_unreserve(int fd);
/* Reserve and install; on error drops the reference. Returns the descriptor. */
int fd_add(struct file *file, bool cloexec);
int fd_close(int fd); /* 0, -EBADF */
/* dup3 but for the checks of its flags and of old == new: new, -EBADF, -EBUSY, -ENOMEM. */
int fd_dup_to(int old, int new, bool cloexec);
/* close_range(2): flags CLOSE_RANGE_CLOEXEC, CLOSE_RANGE_UNSHARE. -EINVAL, -ENOMEM. */
int fd_close_range(unsigned first, unsigned last, unsigned flags);
int fd_get_cloexec(int fd); /* 0, 1, -EBADF */
int fd_set_cloexec(int fd, bool on); /* 0, -EBADF */
void fdtable_init(void);
/* The next open descriptor >= from in table, or -1; for /proc/PID/fd. */
int fd_next(struct fdtable *table, int from);

#endif
