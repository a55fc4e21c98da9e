/*
 * Open files: references, reading and writing, positions.
 *
 * The functions here make the checks that every kind of file shares and then
 * call its file_ops. open.c makes open files, anon.c those without names.
 */
#include "vfs/file.h"

#include <linux/capability.h>
#include <linux/falloc.h>
#include <linux/mount.h>
#include "arch/riscv/hart.h"
#include "arch/riscv/panic.h"
#include "lib/atomic.h"
#include "mem/frame.h"
#include "mem/slab.h"
#include "sched/thread.h"
#include "vfs/cred.h"
#include "vfs/fileinit.h"
#include "vfs/inode.h"
#include "vfs/locks.h"
#include "vfs/mount.h"
#include "vfs/seals.h"
#include "vm/vmspace.h"

#define SEEK_SET 0 /* lseek(2) */
#define SEEK_CUR 1
#define SEEK_END 2
#define SEEK_DATA 3
#define SEEK_HOLE 4

#define SECONDS_PER_DAY 86400
#define FILE_MAX_LEAST 8192 /* NR_FILE, linux/fs.h */

static uint64_t
no_size_limit(void)
{
    return UINT64_MAX;
}

static void
no_signal(void)
{
}

uint64_t (*file_size_limit)(void) = no_size_limit;
void (*file_size_exceeded)(void) = no_signal;
void (*file_epoll_gone)(struct file *file);

static struct slab_cache *file_cache;

uint64_t file_max;

/*
 * How many files are open. Each hart counts for itself, and adds what it has to the sum when
 * that is COUNT_BATCH or more, so the sum is wrong by less than COUNT_BATCH for each hart.
 */
#define COUNT_BATCH 32
static int64_t nfiles; /* atomic: the sum */
static struct {
    int32_t n; /* written by its hart alone; may be negative */
} __cacheline hart_nfiles[MAX_HARTS];

static inline void
count_file(int32_t change)
{
    int32_t *mine = &hart_nfiles[this_hart()->index].n;
    int32_t n = *mine + change;

    if (unlikely(n >= COUNT_BATCH || n <= -COUNT_BATCH)) {
        __atomic_fetch_add(&nfiles, n, __ATOMIC_RELAXED);
        n = 0;
    }
    store_relaxed(mine, n);
}

uint64_t
file_count(void)
{
    int64_t n = __atomic_load_n(&nfiles, __ATOMIC_RELAXED);

    for (uint32_t i = 0; i < nharts; i++)
        n += __atomic_load_n(&hart_nfiles[i].n, __ATOMIC_RELAXED);
    return (uint64_t)max(n, (int64_t)0);
}

/* May there be one more? The sum decides where it is far from the limit. */
static inline bool
under_file_max(void)
{
    uint64_t most = __atomic_load_n(&file_max, __ATOMIC_RELAXED);
    int64_t sum = __atomic_load_n(&nfiles, __ATOMIC_RELAXED);

    if (likely(sum + (int64_t)(nharts * COUNT_BATCH) < (int64_t)most))
        return true;
    return file_count() < most || capable(CAP_SYS_ADMIN);
}

struct file *
file_alloc(const struct path *path, uint32_t access, uint32_t flags)
{
    if (unlikely(!under_file_max()))
        return err_ptr(-ENFILE);
    struct file *file = slab_alloc(file_cache);
    if (!file)
        return err_ptr(-ENOMEM);
    ref_init(&file->refs, 1);
    file->access = access;
    file->flags = flags;
    file->pos = 0;
    mutex_init(&file->pos_lock, "file position");
    file->path = *path;
    file->inode = path->dentry->inode;
    file->ops = file->inode->file_ops;
    file->private = NULL;
    file->cred = cred_get(current_cred());
    file->readdir_version = 0;
    file->epoll = NULL;
    file->owner = 0;
    file->owner_signal = 0;
    count_file(1);
    return file;
}

int
begin_write(const struct path *path)
{
    int error = mount_begin_write(path->mount);
    if (error)
        return error;
    error = inode_begin_write(path->dentry->inode);
    if (error)
        mount_end_write(path->mount);
    return error;
}

void
end_write(const struct path *path)
{
    inode_end_write(path->dentry->inode);
    mount_end_write(path->mount);
}

int
file_execute(struct file *file)
{
    int error = inode_begin_execute(file->inode);
    if (!error)
        file->access |= FILE_EXECUTES;
    return error;
}

void
file_uncount(struct file *file)
{
    if (file->access & FILE_COUNTED)
        end_write(&file->path);
    file->access &= ~(uint32_t)FILE_COUNTED;
}

void
file_discard(struct file *file)
{
    if (file->access & FILE_COUNTED)
        end_write(&file->path);
    if (file->access & FILE_EXECUTES)
        inode_end_execute(file->inode);
    path_put(&file->path);
    cred_put(file->cred);
    slab_free(file_cache, file);
    count_file(-1);
}

void
file_init(void)
{
    file_cache = slab_cache_create("file", sizeof(struct file), 0);
    /* As Linux counts: a kilobyte a file, in a tenth of memory. */
    file_max = max(nframes_ram * (PAGE_SIZE / 1024) / 10, (uint64_t)FILE_MAX_LEAST);
}

void
file_get(struct file *file)
{
    ref_get(&file->refs);
}

void
file_put(struct file *file)
{
    if (!ref_put(&file->refs))
        return;
    if (file->epoll && file_epoll_gone)
        file_epoll_gone(file);
    if (file->inode->locks)
        locks_release_file(file);
    if (file->ops->release)
        file->ops->release(file);
    file_discard(file);
}

void
file_closed(struct file *file, struct fdtable *table)
{
    if (file->ops->flush)
        file->ops->flush(file);
    if (file->inode->locks)
        locks_release_table(file->inode, table);
}

bool
file_lock_pos(struct file *file)
{
    if (file->ops->unseekable || ref_count(&file->refs) == 1)
        return false;
    if (!inode_is_reg(file->inode) && !inode_is_dir(file->inode))
        return false; /* a device's read may wait for ever, with no use for a position */
    mutex_lock(&file->pos_lock);
    return true;
}

void
file_unlock_pos(struct file *file, bool locked)
{
    if (locked)
        mutex_unlock(&file->pos_lock);
}

/* Does a transfer of n bytes at pos make sense? */
static inline int
check_range(const struct file *file, uint64_t pos, size_t n)
{
    if (file->ops->unseekable)
        return 0;
    return (int64_t)pos < 0 || (int64_t)(pos + n) < 0 ? -EINVAL : 0;
}

ssize_t
file_read(struct file *file, struct uio *uio, uint64_t *pos)
{
    if (!(file->access & FILE_READ))
        return -EBADF;
    if (unlikely(!file->ops->read))
        return inode_is_dir(file->inode) ? -EISDIR : -EINVAL;
    int error = check_range(file, *pos, uio->residue);
    return error ? error : file->ops->read(file, uio, pos);
}

ssize_t
file_write(struct file *file, struct uio *uio, uint64_t *pos)
{
    if (!(file->access & FILE_WRITE))
        return -EBADF;
    if (unlikely(!file->ops->write))
        return -EINVAL;
    int error = check_range(file, *pos, uio->residue);
    return error ? error : file->ops->write(file, uio, pos);
}

ssize_t
file_read_kernel(struct file *file, void *buf, size_t n, uint64_t pos)
{
    struct uio uio;
    struct uio_segment segment;
    size_t done = 0;

    while (done < n) {
        uio_kernel(&uio, &segment, (char *)buf + done, n - done);
        ssize_t moved = file_read(file, &uio, &pos);
        if (moved < 0)
            return done ? (ssize_t)done : moved;
        if (moved == 0)
            break;
        done += (size_t)moved;
    }
    return (ssize_t)done;
}

uint64_t
file_size_allowed(void)
{
    return current_thread()->task ? file_size_limit() : UINT64_MAX;
}

int
file_check_size(struct file *file, uint64_t pos, size_t *n)
{
    uint64_t limit = file_size_allowed();
    uint64_t most = file->inode->sb->max_size;

    if (unlikely(pos + *n > limit)) {
        if (pos >= limit) {
            file_size_exceeded();
            return -EFBIG;
        }
        *n = limit - pos;
    }
    if (unlikely(pos + *n > most)) {
        if (pos >= most)
            return -EFBIG;
        *n = most - pos;
    }
    return 0;
}

/* relatime: has the file changed since it was last seen to be read, or was that a day ago? */
static bool
atime_stale(const struct inode *inode)
{
    const struct timespec64 *a = &inode->atime, *m = &inode->mtime, *c = &inode->ctime;

    if (a->sec < m->sec || (a->sec == m->sec && a->nsec <= m->nsec))
        return true;
    if (a->sec < c->sec || (a->sec == c->sec && a->nsec <= c->nsec))
        return true;
    return false;
}

void
file_accessed(struct file *file)
{
    struct inode *inode = file->inode;
    uint64_t flags = file->path.mount->flags;

    if ((file->flags & O_NOATIME) || (flags & MS_NOATIME) || (inode->sb->flags & MS_RDONLY))
        return;
    if ((flags & MS_NODIRATIME) && inode_is_dir(inode))
        return;
    if (atime_stale(inode)) {
        inode_touch(inode, TOUCH_ATIME);
        return;
    }
    /* The day is checked once for each open file: reading the clock costs more than a read. */
    if (file->pos == 0 && vfs_realtime().sec - inode->atime.sec >= SECONDS_PER_DAY)
        inode_touch(inode, TOUCH_ATIME);
}

/* Where lseek's whence and offset lead, or an error. */
static int64_t
seek_target(struct file *file, int64_t offset, int whence)
{
    int64_t size = (int64_t)__atomic_load_n(&file->inode->size, __ATOMIC_ACQUIRE);
    int64_t target;

    switch (whence) {
    case SEEK_SET:
        return offset < 0 ? -EINVAL : offset;
    case SEEK_CUR:
        if (__builtin_add_overflow((int64_t)file->pos, offset, &target))
            return -EINVAL;
        return target < 0 ? -EINVAL : target;
    case SEEK_END:
        if (__builtin_add_overflow(size, offset, &target))
            return -EINVAL;
        return target < 0 ? -EINVAL : target;
    case SEEK_DATA:
    case SEEK_HOLE:
        if (offset < 0 || offset >= size)
            return -ENXIO;
        if (inode_is_reg(file->inode) && file->inode->mapping.ops &&
            !file->inode->mapping.ops->read_page)
            return page_seek(file->inode, offset, whence == SEEK_HOLE);
        return whence == SEEK_HOLE ? size : offset;
    default:
        return -EINVAL;
    }
}

int64_t
generic_seek(struct file *file, int64_t offset, int whence)
{
    if (file->ops->unseekable)
        return -ESPIPE;
    int64_t target = seek_target(file, offset, whence);
    if (target < 0)
        return target;
    if ((uint64_t)target > file->inode->sb->max_size)
        return -EINVAL;
    file->pos = (uint64_t)target;
    return target;
}

uint32_t
file_poll(struct file *file, struct poll_table *table)
{
    if (!file->ops->poll)
        return POLLIN | POLLOUT | POLLRDNORM | POLLWRNORM;
    return file->ops->poll(file, table);
}

int
file_iterate(struct file *file, struct dir_context *ctx)
{
    struct inode *inode = file->inode;

    if (!inode_is_dir(inode) || !file->ops->iterate)
        return -ENOTDIR;
    ctx->pos = file->pos;
    mutex_lock(&inode->lock);
    int error = inode->nlink == 0 ? -ENOENT : file->ops->iterate(file, ctx);
    mutex_unlock(&inode->lock);
    file->pos = ctx->pos;
    if (!error)
        file_accessed(file);
    return error;
}

int
file_mmap(struct file *file, struct map_request *request)
{
    bool noexec = file->path.mount->flags & MS_NOEXEC;
    uint32_t may = REGION_MAY_READ | REGION_MAY_WRITE | REGION_MAY_EXEC;

    if (!(file->access & FILE_READ))
        return -EACCES;
    if (request->flags & REGION_SHARED) {
        if ((request->flags & REGION_WRITE) && !(file->access & FILE_WRITE))
            return -EACCES;
        if (!(file->access & FILE_WRITE))
            may &= ~(uint32_t)REGION_MAY_WRITE;
    }
    if (noexec) {
        if (request->flags & REGION_EXEC)
            return -EPERM;
        may &= ~(uint32_t)REGION_MAY_EXEC;
    }
    if (!file->ops->mmap)
        return -ENODEV;
    request->flags |= may;
    return file->ops->mmap(file, request);
}

int
file_fallocate(struct file *file, int mode, int64_t offset, int64_t length)
{
    uint64_t end = (uint64_t)offset + (uint64_t)length;

    if (offset < 0 || length <= 0)
        return -EINVAL;
    if ((mode & FALLOC_FL_PUNCH_HOLE) && !(mode & FALLOC_FL_KEEP_SIZE))
        return -EOPNOTSUPP;
    if (!(file->access & FILE_WRITE))
        return -EBADF;
    if (file->inode->immutable || (file->inode->append_only && (mode & ~FALLOC_FL_KEEP_SIZE)))
        return -EPERM;
    if (S_ISFIFO(file->inode->mode))
        return -ESPIPE;
    if (inode_is_dir(file->inode))
        return -EISDIR;
    if (!inode_is_reg(file->inode))
        return -ENODEV;
    if ((int64_t)end < 0 || end > file->inode->sb->max_size)
        return -EFBIG;
    if (!file->ops->fallocate)
        return -EOPNOTSUPP;
    return file->ops->fallocate(file, mode, (uint64_t)offset, (uint64_t)length);
}

int
file_fsync(struct file *file, uint64_t start, uint64_t end, bool data_only)
{
    return file->ops->fsync ? file->ops->fsync(file, start, end, data_only) : -EINVAL;
}
