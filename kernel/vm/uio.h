/*
 * Where a read puts its bytes and a write gets them: a list of user buffers,
 * or one kernel buffer. The consumer moves through it with uio_copyout(),
 * uio_copyin(); short transfers leave it where the transfer stopped.
 */
#ifndef QUIRE_VM_UIO_H
#define QUIRE_VM_UIO_H

#include "lib/types.h"

struct uio_segment {
    vaddr_t base; /* user address, or kernel address if uio.kernel */
    size_t size;
};

struct uio {
    const struct uio_segment *segments;
    unsigned nsegments;
    size_t offset;  /* into the first segment */
    size_t residue; /* bytes left in all */
    bool kernel;
    bool nowait;    /* -EAGAIN instead of waiting, as with O_NONBLOCK (RWF_NOWAIT) */
    bool append;    /* a write goes to the end of the file, wherever it was asked to go (RWF_APPEND) */
    bool noappend;  /* ... and not to the end, in spite of O_APPEND (RWF_NOAPPEND) */
};

#define UIO_MAX_SEGMENTS 1024 /* UIO_MAXIOV, Linux's uio.h */
#define UIO_MAX_BYTES 0x7ffff000UL /* most that one call transfers (read(2)) */

/* One user buffer / one kernel buffer; *segment must live as long as the uio. */
static inline void
uio_user(struct uio *uio, struct uio_segment *segment, vaddr_t base, size_t size)
{
    *segment = (struct uio_segment){.base = base, .size = size};
    *uio = (struct uio){.segments = segment, .nsegments = 1, .residue = size};
}

static inline void
uio_kernel(struct uio *uio, struct uio_segment *segment, void *base, size_t size)
{
    *segment = (struct uio_segment){.base = (vaddr_t)base, .size = size};
    *uio = (struct uio){.segments = segment, .nsegments = 1, .residue = size, .kernel = true};
}

/* Copy up to n bytes and advance. Returns bytes copied; less than min(n, residue) means a bad address. */
size_t uio_copyout(struct uio *uio, const void *src, size_t n); /* to the reader */
size_t uio_copyin(struct uio *uio, void *dst, size_t n);        /* from the writer */
size_t uio_zero(struct uio *uio, size_t n);
/* Skip n bytes. */
void uio_advance(struct uio *uio, size_t n);
/*
 * Fault in the next n bytes (one segment's worth at most), so that a copy
 * under a page lock most likely succeeds. 0 or -EFAULT if the first byte cannot be reached.
 */
int uio_prefault(struct uio *uio, size_t n, bool write);

#endif
