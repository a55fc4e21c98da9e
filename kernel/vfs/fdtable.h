/*
 * Descriptor tables: small numbers to open files, shared by CLONE_FILES.
 *
 * When one thread only uses the table, looking a descriptor up takes neither
 * lock nor reference (fd_borrow): no other thread can close it meanwhile. More
 * users take the table's lock and a reference. Tables grow by doubling.
 *
 * A table has two counts, so that a look at it from outside never changes what
 * its users see:
 *
 *      users    threads that run with it. With one user nothing needs a lock;
 *               when the last one leaves, it closes every file, there and then.
 *      refs     what keeps the memory: one for all users together, one for
 *               each observer (/proc). An observer looks at a table under its
 *               lock, changes nothing, and finds it empty once the users are gone.
 *
 * Only a user makes another user (clone), so a thread that finds itself the
 * only one stays so until it clones.
 */
#ifndef QUIRE_VFS_FDTABLE_H
#define QUIRE_VFS_FDTABLE_H

#include "arch/riscv/spinlock.h"
#include "lib/refcount.h"
#include "lib/types.h"

struct file;

#define FDTABLE_INLINE 64 /* descriptors that need no arrays of their own */

/*
 * Guarded by: (L) lock  (A) atomic
 * What a pointer leads to: [C] counted  [O] lives as long as this; docs/locking.md
 */
struct fdtable {
    struct refcount users; /* (A) threads that run with it */
    struct refcount refs;  /* (A) the users together, and each observer */
    struct spinlock lock;
    uint32_t capacity;    /* (L) slots */
    uint32_t first_free;  /* (L) no lower descriptor is free */
    struct file **files;  /* (L to write) [O] the array, [C] what is in it; NULL where nothing is open */
    uint64_t *open;       /* (L) [O] bitmap: taken, or reserved by fd_reserve */
    uint64_t *cloexec;    /* (L) [O] bitmap */
    struct file *inline_files[FDTABLE_INLINE]; /* (L) [C] */
    uint64_t inline_open, inline_cloexec;
};

/* The most descriptors a process may have: RLIMIT_NOFILE's soft limit. proc/ fills this in. */
extern uint32_t (*fd_limit)(void);
/* The most that limit may be: /proc/sys/fs/nr_open. */
extern uint32_t fd_nr_open;

struct fdtable *fdtable_create(void);               /* NULL: memory is out */
struct fdtable *fdtable_copy(struct fdtable *from); /* fork: references to every file */
/*
 * fdtable_copy() in two steps, for exec: an empty table with room for what `from` holds now
 * (NULL: memory is out), and a reference to each of from's files put into it. Filling fails
 * (-ENOMEM) only if `from` has grown since and there is no memory for that.
 */
struct fdtable *fdtable_prepare(struct fdtable *from);
int fdtable_fill(struct fdtable *to, struct fdtable *from);
/* One user more, made by a user; one less: the last one closes all files. May sleep. */
void fdtable_use(struct fdtable *table);
void fdtable_leave(struct fdtable *table);
/* Is the current thread, a user, the only one? */
static inline bool
fdtable_sole(const struct fdtable *table)
{
    return ref_count(&table->users) == 1;
}
/* An observer's reference. To get one needs a lock under which a user stays (proc/share.h). */
void fdtable_get(struct fdtable *table);
void fdtable_put(struct fdtable *table);
/* exec: close what is close-on-exec. The current thread is the only user. */
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
/* close_range(2) from first to last, which is no less: close, or only mark close-on-exec. */
void fd_close_range(unsigned first, unsigned last, bool mark);
int fd_get_cloexec(int fd); /* 0, 1, -EBADF */
int fd_set_cloexec(int fd, bool on); /* 0, -EBADF */
void fdtable_init(void);
/* The next open descriptor >= from in table, or -1; for /proc/PID/fd. */
int fd_next(struct fdtable *table, int from);
/* How many descriptors of table are open or reserved. */
uint32_t fd_count(struct fdtable *table);

#endif
