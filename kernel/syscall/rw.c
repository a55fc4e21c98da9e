/*
 * Reading and writing: read(2), write(2) and their families, lseek(2),
 * sendfile(2), copy_file_range(2).
 */
#include <linux/fs.h>

#include "mem/frame.h"
#include "mem/slab.h"
#include "syscall/filearg.h"
#include "sched/thread.h"
#include "syscall/syscall.h"
#include "vfs/file.h"
#include "vfs/inode.h"
#include "vm/usercopy.h"

#define RWF_NOAPPEND 0x20 /* pwritev2(2), Linux 6.9: younger than our headers */

typedef ssize_t (*transfer_fn)(struct file *file, struct uio *uio, uint64_t *pos);

/* Transfer at the file's own position. */
static int64_t
transfer(struct file *file, struct uio *uio, transfer_fn fn)
{
    bool locked = file_lock_pos(file);
    ssize_t n = fn(file, uio, &file->pos);
    file_unlock_pos(file, locked);
    return n;
}

/* Transfer at an offset of the caller's. */
static int64_t
transfer_at(struct file *file, struct uio *uio, int64_t offset, transfer_fn fn)
{
    if (file->ops->unseekable)
        return -ESPIPE;
    uint64_t pos = offset;
    return fn(file, uio, &pos);
}

/* What a call with bad buffers fails with, of which the file's own errors come first. */
static int64_t
bad_buffers(const struct file *file, bool at_offset, transfer_fn fn, int64_t error)
{
    if (at_offset && file->ops->unseekable)
        return -ESPIPE;
    return file->access & (fn == file_read ? FILE_READ : FILE_WRITE) ? error : -EBADF;
}

static int64_t
rw(const uint64_t *args, transfer_fn fn)
{
    struct fd_ref ref = fd_borrow(args[0]);
    if (unlikely(!ref.file))
        return -EBADF;
    int64_t result;
    if (likely(user_range(args[1], args[2]))) {
        struct uio uio;
        struct uio_segment segment;
        uio_user(&uio, &segment, args[1], min(args[2], UIO_MAX_BYTES));
        result = transfer(ref.file, &uio, fn);
    } else {
        result = bad_buffers(ref.file, false, fn, -EFAULT);
    }
    fd_return(ref);
    return result;
}

static int64_t
sys_read(const uint64_t *args)
{
    return rw(args, file_read);
}

static int64_t
sys_write(const uint64_t *args)
{
    return rw(args, file_write);
}

static int64_t
rw_at(const uint64_t *args, transfer_fn fn)
{
    if ((int64_t)args[3] < 0)
        return -EINVAL;
    struct fd_ref ref = fd_borrow(args[0]);
    if (!ref.file)
        return -EBADF;
    int64_t result;
    if (user_range(args[1], args[2])) {
        struct uio uio;
        struct uio_segment segment;
        uio_user(&uio, &segment, args[1], min(args[2], UIO_MAX_BYTES));
        result = transfer_at(ref.file, &uio, args[3], fn);
    } else {
        result = bad_buffers(ref.file, true, fn, -EFAULT);
    }
    fd_return(ref);
    return result;
}

static int64_t
sys_pread64(const uint64_t *args)
{
    return rw_at(args, file_read);
}

static int64_t
sys_pwrite64(const uint64_t *args)
{
    return rw_at(args, file_write);
}

/* Flags of preadv2(2), pwritev2(2): hints and promises that every file here keeps; others are refused. */
static int
check_rw_flags(const struct file *file, uint64_t flags)
{
    const uint64_t known = RWF_HIPRI | RWF_DSYNC | RWF_SYNC | RWF_NOWAIT | RWF_APPEND | RWF_NOAPPEND;

    if ((flags & ~known) || ((flags & RWF_NOWAIT) && !file->ops->nowait))
        return -EOPNOTSUPP;
    if ((flags & RWF_APPEND) && (flags & RWF_NOAPPEND))
        return -EINVAL;
    return (flags & RWF_NOAPPEND) && file->inode->append_only ? -EPERM : 0;
}

static int64_t
move_vector(struct file *file, struct uio *uio, int64_t at, uint64_t flags, transfer_fn fn)
{
    int error = flags && uio->residue ? check_rw_flags(file, flags) : 0;

    if (error)
        return error;
    uio->append = flags & RWF_APPEND;
    uio->noappend = flags & RWF_NOAPPEND;
    uio->nowait = flags & RWF_NOWAIT;
    return at < 0 ? transfer(file, uio, fn) : transfer_at(file, uio, at, fn);
}

/* readv and its kin; at < 0: the file's own position; flags: RWF_*. */
static int64_t
rw_vector(int fd, vaddr_t iov, uint64_t count, int64_t at, uint64_t flags, transfer_fn fn)
{
    struct fd_ref ref = fd_borrow(fd);
    if (!ref.file)
        return -EBADF;
    struct iovec_arg arg;
    int64_t result = iovec_begin(&arg, iov, count);
    if (result == 0) {
        result = move_vector(ref.file, &arg.uio, at, flags, fn);
        iovec_end(&arg);
    } else {
        result = bad_buffers(ref.file, at >= 0, fn, result);
    }
    fd_return(ref);
    return result;
}

static int64_t
sys_readv(const uint64_t *args)
{
    return rw_vector(args[0], args[1], args[2], -1, 0, file_read);
}

static int64_t
sys_writev(const uint64_t *args)
{
    return rw_vector(args[0], args[1], args[2], -1, 0, file_write);
}

static int64_t
sys_preadv(const uint64_t *args)
{
    if ((int64_t)args[3] < 0)
        return -EINVAL;
    return rw_vector(args[0], args[1], args[2], args[3], 0, file_read);
}

static int64_t
sys_pwritev(const uint64_t *args)
{
    if ((int64_t)args[3] < 0)
        return -EINVAL;
    return rw_vector(args[0], args[1], args[2], args[3], 0, file_write);
}

static int64_t
rw_vector2(const uint64_t *args, transfer_fn fn)
{
    if ((int64_t)args[3] < -1)
        return -EINVAL;
    return rw_vector(args[0], args[1], args[2], args[3], (uint32_t)args[5], fn);
}

static int64_t
sys_preadv2(const uint64_t *args)
{
    return rw_vector2(args, file_read);
}

static int64_t
sys_pwritev2(const uint64_t *args)
{
    return rw_vector2(args, file_write);
}

static int64_t
sys_lseek(const uint64_t *args)
{
    struct fd_ref ref = fd_borrow(args[0]);
    struct file *file = ref.file;
    if (!file)
        return -EBADF;
    int64_t result = -ESPIPE;
    if ((uint32_t)args[2] > SEEK_MAX)
        result = -EINVAL;
    else if (!file->ops->unseekable || file->ops->seek) {
        bool locked = file_lock_pos(file);
        result = file->ops->seek ? file->ops->seek(file, args[1], args[2])
                                 : generic_seek(file, args[1], args[2]);
        file_unlock_pos(file, locked);
    }
    fd_return(ref);
    return result;
}

#define COPY_CHUNK_ORDER 4 /* sendfile's buffer: 64 KiB, or a page if memory is scarce */

/*
 * Copy up to n bytes from one file to another through a kernel buffer. Each
 * position moves by what was written.
 */
static int64_t
copy_between(struct file *in, uint64_t *in_pos, struct file *out, uint64_t *out_pos, size_t n)
{
    unsigned order = n > PAGE_SIZE ? COPY_CHUNK_ORDER : 0;
    struct frame *frame = frame_alloc(order, FRAME_BUFFER);
    if (!frame && order)
        frame = frame_alloc(order = 0, FRAME_BUFFER);
    if (!frame)
        return -ENOMEM;
    void *buffer = frame_va(frame);
    size_t copied = 0;
    int64_t error = 0;
    while (copied < n && !error) {
        struct uio uio;
        struct uio_segment segment;
        uint64_t pos = *in_pos;
        uio_kernel(&uio, &segment, buffer, min(n - copied, PAGE_SIZE << order));
        ssize_t got = file_read(in, &uio, &pos);
        if (got <= 0) {
            error = got;
            break;
        }
        uio_kernel(&uio, &segment, buffer, got);
        ssize_t put = file_write(out, &uio, out_pos);
        if (put < 0) {
            error = put;
            break;
        }
        *in_pos += put;
        copied += put;
        if (put < got)
            break;
        preempt_point();
        if (thread_interrupted())
            break;
    }
    frame_put(frame);
    return copied ? (int64_t)copied : error;
}

/* An offset argument: the user's word if there is a pointer, else the file's position. */
static int
fetch_offset(struct file *file, vaddr_t user, uint64_t *pos)
{
    *pos = file->pos;
    if (user && get_user64(pos, user))
        return -EFAULT;
    return (int64_t)*pos < 0 ? -EINVAL : 0;
}

static int
store_offset(struct file *file, vaddr_t user, uint64_t pos)
{
    if (user)
        return put_user64(user, pos);
    file->pos = pos;
    return 0;
}

static int64_t
do_sendfile(struct file *out, struct file *in, vaddr_t offset, size_t n)
{
    if (!(out->access & FILE_WRITE))
        return -EBADF;
    if (inode_is_dir(in->inode) || (out->flags & O_APPEND) || in->ops->unseekable)
        return -EINVAL;
    uint64_t pos, out_pos = out->pos;
    int64_t result = fetch_offset(in, offset, &pos);
    if (result)
        return result;
    /* This may wait for ever, so no position is locked meanwhile: each is set at the end. */
    result = copy_between(in, &pos, out, &out_pos, n);
    out->pos = out_pos;
    return store_offset(in, offset, pos) ? -EFAULT : result;
}

/* What sendfile asks of the file to read (NULL: none), before it looks at the other. */
static int
check_sendfile_in(const struct file *in, vaddr_t offset, int64_t n)
{
    if (!in || !(in->access & FILE_READ))
        return -EBADF;
    if (offset && in->ops->unseekable)
        return -ESPIPE;
    return n < 0 ? -EINVAL : 0;
}

static int64_t
sys_sendfile(const uint64_t *args)
{
    struct fd_ref out = fd_borrow(args[0]), in = fd_borrow(args[1]);
    int64_t result = check_sendfile_in(in.file, args[2], (int64_t)args[3]);
    if (!result)
        result = !out.file ? -EBADF
                           : do_sendfile(out.file, in.file, args[2], min(args[3], UIO_MAX_BYTES));
    if (in.file)
        fd_return(in);
    if (out.file)
        fd_return(out);
    return result;
}

/* Both regular, open the right way, and not overlapping. */
static int
check_copy_range(struct file *in, uint64_t in_pos, struct file *out, uint64_t out_pos, size_t *n)
{
    if (inode_is_dir(in->inode) || inode_is_dir(out->inode))
        return -EISDIR;
    if (!inode_is_reg(in->inode) || !inode_is_reg(out->inode))
        return -EINVAL;
    if (!(in->access & FILE_READ) || !(out->access & FILE_WRITE) || (out->flags & O_APPEND))
        return -EBADF;
    if (in->inode->sb != out->inode->sb)
        return -EXDEV; /* since Linux 5.19: no file system here copies from another */
    if ((int64_t)(in_pos + *n) < 0 || (int64_t)(out_pos + *n) < 0)
        return -EOVERFLOW;
    uint64_t size = __atomic_load_n(&in->inode->size, __ATOMIC_RELAXED);
    *n = in_pos >= size ? 0 : min((uint64_t)*n, size - in_pos);
    if (in->inode == out->inode && in_pos < out_pos + *n && out_pos < in_pos + *n)
        return -EINVAL;
    return 0;
}

static int64_t
do_copy_range(struct file *in, vaddr_t in_offset, struct file *out, vaddr_t out_offset, size_t n)
{
    uint64_t in_pos, out_pos;
    int64_t result = fetch_offset(in, in_offset, &in_pos);
    if (!result)
        result = fetch_offset(out, out_offset, &out_pos);
    if (!result)
        result = check_copy_range(in, in_pos, out, out_pos, &n);
    if (result || n == 0)
        return result;
    result = copy_between(in, &in_pos, out, &out_pos, n);
    if (result > 0 &&
        (store_offset(in, in_offset, in_pos) || store_offset(out, out_offset, out_pos)))
        return -EFAULT;
    return result;
}

static int64_t
sys_copy_file_range(const uint64_t *args)
{
    if ((uint32_t)args[5])
        return -EINVAL;
    struct fd_ref in = fd_borrow(args[0]), out = fd_borrow(args[2]);
    int64_t result = -EBADF;
    if (in.file && out.file)
        result = do_copy_range(in.file, args[1], out.file, args[3], min(args[4], UIO_MAX_BYTES));
    if (out.file)
        fd_return(out);
    if (in.file)
        fd_return(in);
    return result;
}

const struct syscall_row rw_syscalls[] = {
    {__NR_read, sys_read},
    {__NR_write, sys_write},
    {__NR_pread64, sys_pread64},
    {__NR_pwrite64, sys_pwrite64},
    {__NR_readv, sys_readv},
    {__NR_writev, sys_writev},
    {__NR_preadv, sys_preadv},
    {__NR_pwritev, sys_pwritev},
    {__NR_preadv2, sys_preadv2},
    {__NR_pwritev2, sys_pwritev2},
    {__NR_lseek, sys_lseek},
    {__NR_sendfile, sys_sendfile},
    {__NR_copy_file_range, sys_copy_file_range},
    {0, NULL},
};
