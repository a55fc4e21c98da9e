#include "syscall/filearg.h"

#include <linux/fcntl.h>
#include <linux/uio.h>

#include "mem/slab.h"
#include "syscall/syscall.h"
#include "vfs/file.h"
#include "vm/usercopy.h"

/* Copy the name in. One that is too long for `own` is fetched anew, whatever it is by then. */
static int
fetch_name(struct at_name *at, vaddr_t name)
{
    ssize_t length = copyinstr(at->own, name, sizeof(at->own));

    at->name = likely(length >= 0) ? at->own : length == -ENAMETOOLONG ? get_path(name) : err_ptr(length);
    return is_err(at->name) ? (int)ptr_err(at->name) : 0;
}

static void
free_name(struct at_name *at)
{
    if (at->name != at->own)
        kmfree(at->name);
}

int
at_begin(struct at_name *at, int dirfd, vaddr_t name)
{
    return at_begin_flags(at, dirfd, name, 0);
}

int
at_begin_flags(struct at_name *at, int dirfd, vaddr_t name, unsigned flags)
{
    int error = fetch_name(at, name);
    if (error)
        return error;
    at->start = NULL;
    if (dirfd == AT_FDCWD || (at->name[0] == '/' && !(flags & LOOKUP_IN_ROOT)))
        return 0;
    at->ref = fd_borrow_path(dirfd);
    if (!at->ref.file) {
        free_name(at);
        return -EBADF;
    }
    at->start = &at->ref.file->path;
    return 0;
}

void
at_end(struct at_name *at)
{
    if (at->start)
        fd_return(at->ref);
    free_name(at);
}

int
at_lookup(int dirfd, vaddr_t name, unsigned flags, struct path *path)
{
    struct at_name at __uninitialized;
    int error = at_begin(&at, dirfd, name);
    if (error)
        return error;
    error = path_lookup(at.start, at.name, flags, path);
    at_end(&at);
    return error;
}

/* Check what was copied in and add up the lengths; a sum over the limit is cut there, as Linux does. */
static int
check_segments(struct iovec_arg *arg, unsigned count)
{
    size_t total = 0;
    for (unsigned i = 0; i < count; i++) {
        struct uio_segment *segment = &arg->segments[i];
        if ((ssize_t)segment->size < 0)
            return -EINVAL;
        if (!user_range(segment->base, segment->size))
            return -EFAULT;
        segment->size = min(segment->size, UIO_MAX_BYTES - total);
        total += segment->size;
    }
    arg->uio = (struct uio){.segments = arg->segments, .nsegments = count, .residue = total};
    return 0;
}

int
iovec_begin(struct iovec_arg *arg, vaddr_t iov, uint64_t count)
{
    /* struct iovec and struct uio_segment have the same shape: address, length. */
    _Static_assert(sizeof(struct iovec) == sizeof(struct uio_segment), "iovec");
    if (count > UIO_MAX_SEGMENTS)
        return -EINVAL;
    arg->segments = arg->inline_segments;
    if (count > IOVEC_INLINE) {
        arg->segments = kmalloc(count * sizeof(struct uio_segment));
        if (!arg->segments)
            return -ENOMEM;
    }
    int error = copyin(arg->segments, iov, count * sizeof(struct uio_segment));
    if (!error)
        error = check_segments(arg, count);
    if (error)
        iovec_end(arg);
    return error;
}

void
iovec_end(struct iovec_arg *arg)
{
    if (arg->segments != arg->inline_segments)
        kmfree(arg->segments);
}
