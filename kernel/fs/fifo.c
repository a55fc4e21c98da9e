/*
 * The ends of a pipe: making a pipe, opening a FIFO, and closing either.
 *
 * All that opened one FIFO share one struct pipe, found through the inode. It
 * is made by the first open and freed by the last close. A pipe without a name
 * hangs on its inode in the same way. fifo_lock guards inode->pipe.
 *
 * Opening a FIFO waits for the other side (fifo(7)): a reader for a writer and
 * a writer for a reader. A partner may come and go again before the waiter
 * runs, so what is waited for is not that there is one, but that there was
 * one: the count of opens so far has changed.
 */
#include "fs/pipe_internal.h"
#include "lib/atomic.h"
#include "vfs/dcache.h"

static struct spinlock fifo_lock = SPINLOCK_INIT("fifo");

/* The pipe behind a FIFO, counted for the caller; made if there is none. NULL: none can be made. */
static struct pipe *
fifo_pipe(struct inode *inode)
{
    struct pipe *fresh = NULL;
    for (;;) {
        spin_lock(&fifo_lock);
        if (!inode->pipe && fresh) {
            inode->pipe = fresh;
            fresh = NULL;
        }
        struct pipe *pipe = inode->pipe;
        if (pipe)
            __atomic_add_fetch(&pipe->nfiles, 1, __ATOMIC_RELAXED);
        spin_unlock(&fifo_lock);
        if (fresh && pipe)
            pipe_free(fresh);
        if (pipe)
            return pipe;
        fresh = pipe_alloc();
        if (is_err(fresh))
            return NULL;
        fresh->inode = inode;
        fresh->named = inode->sb != &anon_superblock;
    }
}

/* An open file less; the last one takes the pipe along. */
static void
pipe_drop(struct pipe *pipe)
{
    uint32_t n = __atomic_load_n(&pipe->nfiles, __ATOMIC_RELAXED);
    while (n > 1) {
        if (__atomic_compare_exchange_n(&pipe->nfiles, &n, n - 1, false, __ATOMIC_RELEASE,
                                        __ATOMIC_RELAXED))
            return;
    }
    /* Perhaps the last: nobody may find it through the inode meanwhile. */
    spin_lock(&fifo_lock);
    bool last = __atomic_sub_fetch(&pipe->nfiles, 1, __ATOMIC_ACQ_REL) == 0;
    if (last)
        pipe->inode->pipe = NULL;
    spin_unlock(&fifo_lock);
    if (last)
        pipe_free(pipe);
}

/* Wake both sides: an end was opened or closed. */
static void
wake_both(struct pipe *pipe)
{
    pipe_wake(pipe, &pipe->readers, POLLIN | POLLRDNORM | POLLERR | POLLHUP);
    pipe_wake(pipe, &pipe->writers, POLLOUT | POLLWRNORM | POLLERR | POLLHUP);
}

/* Count a file's ends in. Mutex held. */
static void
add_ends(struct pipe *pipe, const struct file *file)
{
    if (file->access & FILE_READ) {
        store_release(&pipe->nreaders, pipe->nreaders + 1);
        pipe->nreaders_ever++;
    }
    if (file->access & FILE_WRITE) {
        store_release(&pipe->nwriters, pipe->nwriters + 1);
        store_release(&pipe->nwriters_ever, pipe->nwriters_ever + 1);
    }
}

static void
remove_ends(struct pipe *pipe, const struct file *file)
{
    if (file->access & FILE_READ)
        store_release(&pipe->nreaders, pipe->nreaders - 1);
    if (file->access & FILE_WRITE)
        store_release(&pipe->nwriters, pipe->nwriters - 1);
}

/* Wait until *ever changes: somebody opened the other side. Mutex held. */
static int
wait_for_partner(struct pipe *pipe, const uint64_t *ever, bool reader)
{
    uint64_t before = *ever;
    while (*ever == before) {
        int error = reader ? pipe_wait(pipe, &pipe->readers, &pipe->readers_waiting)
                           : pipe_wait(pipe, &pipe->writers, &pipe->writers_waiting);
        if (error)
            return error;
    }
    return 0;
}

/* Open the ends that the file asks for. Mutex held. */
static int
open_ends(struct pipe *pipe, struct file *file)
{
    bool nonblock = file->flags & O_NONBLOCK;
    bool reads = file->access & FILE_READ, writes = file->access & FILE_WRITE;
    if (!reads && !writes) /* access mode 3 */
        return -EINVAL;
    if (pipe->named && writes && !reads && nonblock && !pipe->nreaders)
        return -ENXIO;
    add_ends(pipe, file);
    wake_both(pipe);
    if (!pipe->named) /* opened again through /proc/PID/fd: it had both sides once */
        return 0;

    int error = 0;
    if (reads && !writes && !pipe->nwriters) {
        if (nonblock)
            file->readdir_version = pipe->nwriters_ever; /* poll: not hung up yet */
        else
            error = wait_for_partner(pipe, &pipe->nwriters_ever, true);
    } else if (writes && !reads && !pipe->nreaders) {
        error = wait_for_partner(pipe, &pipe->nreaders_ever, false);
    }
    if (error) {
        remove_ends(pipe, file);
        wake_both(pipe);
    }
    return error;
}

int
fifo_open(struct inode *inode, struct file *file)
{
    struct pipe *pipe = fifo_pipe(inode);
    if (!pipe)
        return -ENOMEM;
    file->private = pipe;
    file->readdir_version = ~0UL; /* no count: poll hangs up */
    mutex_lock(&pipe->mutex);
    int error = open_ends(pipe, file);
    mutex_unlock(&pipe->mutex);
    if (error)
        pipe_drop(pipe);
    return error;
}

void
pipe_release(struct file *file)
{
    struct pipe *pipe = file->private;
    mutex_lock(&pipe->mutex);
    remove_ends(pipe, file);
    /* Only the end of one side is news to the other. */
    bool tell = !pipe->nreaders != !pipe->nwriters;
    mutex_unlock(&pipe->mutex);
    if (tell)
        wake_both(pipe);
    pipe_drop(pipe);
}

int
pipe_create(uint32_t flags, struct file *ends[2])
{
    struct pipe *pipe = pipe_alloc();
    if (is_err(pipe))
        return (int)ptr_err(pipe);
    pipe->nfiles = 2;
    pipe->nreaders = pipe->nwriters = 1;
    pipe->nreaders_ever = pipe->nwriters_ever = 1;
    flags &= O_NONBLOCK | O_DIRECT;
    int error = file_anonymous("pipe", &pipe_file_ops, pipe, FILE_READ, flags, &ends[0]);
    if (error) {
        pipe_free(pipe);
        return error;
    }
    /* Through the inode /proc/PID/fd/N opens the same pipe. */
    pipe->inode = ends[0]->inode;
    pipe->inode->pipe = pipe;
    pipe->inode->file_ops = &pipe_file_ops;
    error = file_anonymous_like(ends[0], &pipe_file_ops, pipe, FILE_WRITE, flags, &ends[1]);
    if (error) {
        pipe->nfiles = 1; /* the second end never was */
        pipe->nwriters = 0;
        file_put(ends[0]);
    }
    return error;
}
