/*
 * Moving through a list of buffers.
 */
#include "vm/uio.h"

#include "lib/errno.h"
#include "lib/string.h"
#include "vm/usercopy.h"

/* Leave segments that are used up behind. */
static void
skip_empty(struct uio *uio)
{
    while (uio->nsegments > 0 && uio->offset >= uio->segments->size) {
        uio->offset -= uio->segments->size;
        uio->segments++;
        uio->nsegments--;
    }
}

void
uio_advance(struct uio *uio, size_t n)
{
    n = min(n, uio->residue);
    uio->residue -= n;
    while (n > 0) {
        skip_empty(uio);
        size_t part = min(n, uio->segments->size - uio->offset);
        uio->offset += part;
        n -= part;
    }
}

enum direction { OUT, IN, ZERO };

static size_t
move_part(const struct uio *uio, enum direction direction, vaddr_t at, char *buf, size_t n)
{
    if (!uio->kernel) {
        switch (direction) {
        case OUT:
            return copyout_some(at, buf, n);
        case IN:
            return copyin_some(buf, at, n);
        case ZERO:
            return zeroout_some(at, n);
        }
    }
    if (direction == OUT)
        memcpy((void *)at, buf, n);
    else if (direction == IN)
        memcpy(buf, (const void *)at, n);
    else
        memset((void *)at, 0, n);
    return n;
}

/* Move n bytes between the segments and buf (unused for ZERO), and advance. */
static size_t
move(struct uio *uio, enum direction direction, char *buf, size_t n)
{
    size_t done = 0;
    n = min(n, uio->residue);
    while (done < n) {
        skip_empty(uio);
        size_t want = min(n - done, uio->segments->size - uio->offset);
        vaddr_t at = uio->segments->base + uio->offset;
        size_t got = move_part(uio, direction, at, buf ? buf + done : NULL, want);
        uio->offset += got;
        done += got;
        if (got < want)
            break;
    }
    uio->residue -= done;
    return done;
}

size_t
uio_copyout(struct uio *uio, const void *src, size_t n)
{
    return move(uio, OUT, (char *)src, n);
}

size_t
uio_copyin(struct uio *uio, void *dst, size_t n)
{
    return move(uio, IN, dst, n);
}

size_t
uio_zero(struct uio *uio, size_t n)
{
    return move(uio, ZERO, NULL, n);
}

/* Touch the page at va; to write, by an atomic operation that changes nothing. */
static int
touch(vaddr_t va, bool write)
{
    uint32_t old;
    va &= ~3UL;
    return write ? user_atomic32(va, USER_OR, 0, &old) : get_user32(&old, va);
}

int
uio_prefault(struct uio *uio, size_t n, bool write)
{
    n = min(n, uio->residue);
    if (n == 0 || uio->kernel)
        return 0;
    skip_empty(uio);
    vaddr_t start = uio->segments->base + uio->offset;
    vaddr_t end = start + min(n, uio->segments->size - uio->offset);
    if (start >= user_top || end < start || touch(start, write) != 0)
        return -EFAULT;
    for (vaddr_t va = PAGE_ALIGN_DOWN(start) + PAGE_SIZE; va < end; va += PAGE_SIZE)
        if (touch(va, write) != 0)
            break;
    return 0;
}
