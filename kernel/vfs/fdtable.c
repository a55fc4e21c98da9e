/*
 * Descriptor tables; fdtable.h tells how they are read.
 *
 * A slot is free (its bit in `open` clear), reserved (bit set, file NULL: an
 * open is under way) or open. Writers hold the table's lock, even where the
 * table is one thread's own: /proc looks at other processes' tables.
 */
#include "vfs/fdtable.h"

#include "arch/riscv/panic.h"
#include "arch/riscv/trap.h"
#include "lib/atomic.h"
#include "lib/bitmap.h"
#include "lib/bits.h"
#include "lib/errno.h"
#include "lib/string.h"
#include "mem/slab.h"
#include "sched/thread.h"
#include "vfs/file.h"

#define DEFAULT_LIMIT 1024
#define COPY_BATCH 512 /* descriptors copied with the lock held; a multiple of 64 */
#define MOST_FILES (1U << 18) /* their pointers fit in the largest kmalloc() */

static uint32_t
default_limit(void)
{
    return DEFAULT_LIMIT;
}

uint32_t (*fd_limit)(void) = default_limit;
uint32_t fd_nr_open = 1048576; /* Linux's default */

static struct slab_cache *fdtable_cache;

void
fdtable_init(void)
{
    fdtable_cache = slab_cache_create("fdtable", sizeof(struct fdtable), 0);
}

static struct fdtable *
current_table(void)
{
    return current_thread()->files;
}

/* Arrays for `capacity` descriptors in one piece: files, then the two bitmaps. */
static struct file **
make_arrays(uint32_t capacity, uint64_t **open, uint64_t **cloexec)
{
    size_t words = BITMAP_WORDS(capacity);
    struct file **files = kzalloc(capacity * sizeof(*files) + 2 * words * sizeof(uint64_t));
    if (files) {
        *open = (uint64_t *)(files + capacity);
        *cloexec = *open + words;
    }
    return files;
}

static void
free_arrays(const struct fdtable *table, struct file **files)
{
    if (files != table->inline_files)
        kmfree(files);
}

struct fdtable *
fdtable_create(void)
{
    struct fdtable *table = slab_alloc_zeroed(fdtable_cache);
    if (!table)
        return NULL;
    ref_init(&table->users, 1);
    ref_init(&table->refs, 1);
    spin_init(&table->lock, "fdtable");
    table->capacity = FDTABLE_INLINE;
    table->files = table->inline_files;
    table->open = &table->inline_open;
    table->cloexec = &table->inline_cloexec;
    return table;
}

/* One past the highest descriptor in use. Lock held. */
static uint32_t
extent(const struct fdtable *table)
{
    for (size_t word = BITMAP_WORDS(table->capacity); word-- > 0;)
        if (table->open[word])
            return (uint32_t)(word * 64 + log2_floor(table->open[word]) + 1);
    return 0;
}

/* Give a fresh table room for n descriptors. */
static bool
make_room(struct fdtable *table, uint32_t n)
{
    if (n <= table->capacity)
        return true;
    uint32_t capacity = (uint32_t)roundup_pow2(n);
    struct file **files = make_arrays(capacity, &table->open, &table->cloexec);
    if (!files)
        return false;
    free_arrays(table, table->files);
    table->files = files;
    table->capacity = capacity;
    return true;
}

/*
 * Copy what is open, not what is reserved, from descriptor `first` up to n. from's lock held;
 * `to` is fresh and large enough.
 */
static void
copy_slots(struct fdtable *to, const struct fdtable *from, uint32_t first, uint32_t n)
{
    for (size_t word = first / 64; word < BITMAP_WORDS(n); word++) {
        uint64_t open = from->open[word];
        for (uint64_t left = open; left; left &= left - 1) {
            uint32_t fd = (uint32_t)(word * 64 + ctz64(left));
            struct file *file = from->files[fd];
            if (file)
                file_get(file);
            else
                open &= ~(left & -left);
            to->files[fd] = file;
        }
        to->open[word] = open;
        to->cloexec[word] = from->cloexec[word] & open;
    }
}

/*
 * The same up to n, with pauses in which from's lock is free. A thread that shares `from` may
 * then change what has been copied, or what has not: of each descriptor the copy has what it
 * was at some moment of the call. from's table grows only.
 */
static void
copy_all(struct fdtable *to, struct fdtable *from, uint32_t n)
{
    for (uint32_t first = 0; first < n; first += COPY_BATCH) {
        if (first) {
            spin_unlock(&from->lock);
            preempt_point();
            spin_lock(&from->lock);
        }
        copy_slots(to, from, first, min(n, first + COPY_BATCH));
    }
}

struct fdtable *
fdtable_prepare(struct fdtable *from)
{
    struct fdtable *to = fdtable_create();
    if (!to)
        return NULL;

    spin_lock(&from->lock);
    uint32_t n = extent(from);
    spin_unlock(&from->lock);
    if (make_room(to, n))
        return to;
    fdtable_leave(to);
    return NULL;
}

int
fdtable_fill(struct fdtable *to, struct fdtable *from)
{
    for (;;) {
        spin_lock(&from->lock);
        uint32_t n = extent(from);
        if (n <= to->capacity) {
            copy_all(to, from, n);
            to->first_free = 0;
            spin_unlock(&from->lock);
            return 0;
        }
        spin_unlock(&from->lock);
        if (!make_room(to, n))
            return -ENOMEM;
    }
}

struct fdtable *
fdtable_copy(struct fdtable *from)
{
    struct fdtable *to = fdtable_create();

    if (to && fdtable_fill(to, from) < 0) {
        fdtable_leave(to);
        return NULL;
    }
    return to;
}

void
fdtable_get(struct fdtable *table)
{
    ref_get(&table->refs);
}

void
fdtable_put(struct fdtable *table)
{
    if (!ref_put(&table->refs))
        return;
    free_arrays(table, table->files);
    slab_free(fdtable_cache, table);
}

void
fdtable_use(struct fdtable *table)
{
    ref_get(&table->users);
}

/* Empty a slot and return the file that was there, its reference now the caller's. Lock held. */
static struct file *
take_out(struct fdtable *table, uint32_t fd)
{
    struct file *file = table->files[fd];

    store_relaxed(&table->files[fd], NULL);
    bitmap_clear(table->open, fd);
    bitmap_clear(table->cloexec, fd);
    if (fd < table->first_free)
        table->first_free = fd;
    return file;
}

/* Close what `marks` (one of the table's bitmaps) has. The table has no other user, or none any more. */
static void
close_marked(struct fdtable *table, const uint64_t *marks)
{
    for (size_t word = 0; word < BITMAP_WORDS(table->capacity); word++) {
        while (marks[word]) {
            uint32_t fd = (uint32_t)(word * 64 + ctz64(marks[word]));
            spin_lock(&table->lock);
            struct file *file = take_out(table, fd);
            spin_unlock(&table->lock);
            if (file) {
                file_closed(file, table);
                file_put(file);
            }
            preempt_point();
        }
    }
}

void
fdtable_exec(struct fdtable *table)
{
    close_marked(table, table->cloexec);
}

void
fdtable_leave(struct fdtable *table)
{
    if (!ref_put(&table->users))
        return;
    close_marked(table, table->open);
    fdtable_put(table);
}

static struct fd_ref
borrow(int fd)
{
    struct fdtable *table = current_table();

    if (likely(fdtable_sole(table))) {
        if (unlikely((unsigned)fd >= table->capacity))
            return (struct fd_ref){NULL, false};
        return (struct fd_ref){table->files[fd], false};
    }
    struct file *file = fd_file(table, fd);
    return (struct fd_ref){file, file != NULL};
}

struct fd_ref
fd_borrow(int fd)
{
    struct fd_ref ref = borrow(fd);
    if (unlikely(ref.file && (ref.file->access & FILE_PATH))) {
        fd_return(ref);
        ref.file = NULL;
    }
    return ref;
}

struct fd_ref
fd_borrow_path(int fd)
{
    return borrow(fd);
}

void
fd_return(struct fd_ref ref)
{
    if (unlikely(ref.counted) && ref.file)
        file_put(ref.file);
}

struct file *
fd_file(struct fdtable *table, int fd)
{
    SCOPED_SPIN(&table->lock);
    if ((unsigned)fd >= table->capacity || !table->files[fd])
        return NULL;
    file_get(table->files[fd]);
    return table->files[fd];
}

/*
 * Make room for descriptor fd, with the lock held; lets it go meanwhile, so the caller
 * must look again. 0; -ENOMEM; -EMFILE if there can be no such table.
 */
static int
grow(struct fdtable *table, uint32_t fd)
{
    uint32_t capacity = (uint32_t)roundup_pow2((uint64_t)fd + 1);
    uint64_t *open, *cloexec;

    if (capacity > MOST_FILES)
        return -EMFILE;
    spin_unlock(&table->lock);
    struct file **files = make_arrays(capacity, &open, &cloexec);
    preempt_point(); /* to clear large ones takes long */
    spin_lock(&table->lock);
    if (!files)
        return -ENOMEM;
    if (table->capacity >= capacity) { /* another thread was faster */
        kmfree(files);
        return 0;
    }
    size_t words = BITMAP_WORDS(table->capacity);
    memcpy(files, table->files, table->capacity * sizeof(*files));
    memcpy(open, table->open, words * sizeof(uint64_t));
    memcpy(cloexec, table->cloexec, words * sizeof(uint64_t));
    struct file **old = table->files;
    table->files = files;
    table->open = open;
    table->cloexec = cloexec;
    table->capacity = capacity;
    spin_unlock(&table->lock);
    preempt_point();
    free_arrays(table, old);
    preempt_point();
    spin_lock(&table->lock);
    return 0;
}

/* The lowest free descriptor >= from, taken. Lock held. */
static int
take_free(struct fdtable *table, uint32_t from, bool cloexec)
{
    uint32_t limit = fd_limit();

    for (;;) {
        uint32_t start = max(from, table->first_free); /* another thread may close while it grows */
        uint32_t fd = start < table->capacity
                          ? (uint32_t)bitmap_next_zero(table->open, table->capacity, start)
                          : start;
        if (fd >= limit)
            return -EMFILE;
        if (fd < table->capacity) {
            bitmap_set(table->open, fd);
            if (cloexec)
                bitmap_set(table->cloexec, fd);
            if (from <= table->first_free)
                table->first_free = fd + 1;
            return (int)fd;
        }
        int error = grow(table, fd);
        if (error)
            return error;
    }
}

int
fd_reserve(int from, bool cloexec)
{
    struct fdtable *table = current_table();
    SCOPED_SPIN(&table->lock);
    return take_free(table, (uint32_t)from, cloexec);
}

void
fd_install(int fd, struct file *file)
{
    struct fdtable *table = current_table();
    SCOPED_SPIN(&table->lock);
    assert(bitmap_test(table->open, (size_t)fd) && !table->files[fd]);
    store_release(&table->files[fd], file);
}

void
fd_unreserve(int fd)
{
    struct fdtable *table = current_table();
    SCOPED_SPIN(&table->lock);
    take_out(table, (uint32_t)fd);
}

int
fd_add(struct file *file, bool cloexec)
{
    struct fdtable *table = current_table();

    spin_lock(&table->lock);
    int fd = take_free(table, 0, cloexec);
    if (fd >= 0)
        store_release(&table->files[fd], file);
    spin_unlock(&table->lock);
    if (fd < 0)
        file_put(file);
    return fd;
}

int
fd_close(int fd)
{
    struct fdtable *table = current_table();
    struct file *file = NULL;

    spin_lock(&table->lock);
    if ((unsigned)fd < table->capacity && table->files[fd])
        file = take_out(table, (uint32_t)fd);
    spin_unlock(&table->lock);
    if (!file)
        return -EBADF;
    file_closed(file, table);
    file_put(file);
    return 0;
}

int
fd_dup_to(int old, int new, bool cloexec)
{
    struct fdtable *table = current_table();
    struct file *file = NULL, *closed = NULL;

    if ((unsigned)new >= fd_limit())
        return -EBADF;
    spin_lock(&table->lock);
    int error = 0;
    while (!error && (uint32_t)new >= table->capacity)
        error = grow(table, (uint32_t)new);
    if ((unsigned)old < table->capacity)
        file = table->files[old];
    if (!file) {
        error = -EBADF;
    } else if (!error && bitmap_test(table->open, (size_t)new) && !table->files[new]) {
        error = -EBUSY; /* another thread is opening it */
    } else if (!error) {
        file_get(file);
        closed = take_out(table, (uint32_t)new);
        bitmap_set(table->open, (size_t)new);
        if (table->first_free == (uint32_t)new)
            table->first_free++;
        if (cloexec)
            bitmap_set(table->cloexec, (size_t)new);
        store_release(&table->files[new], file);
    }
    spin_unlock(&table->lock);
    if (closed) {
        file_closed(closed, table);
        file_put(closed);
    }
    return error ? error : new;
}

void
fd_close_range(unsigned first, unsigned last, bool mark)
{
    struct fdtable *table = current_table();

    for (int fd = (int)min(first, (unsigned)INT32_MAX); (fd = fd_next(table, fd)) >= 0; fd++) {
        if ((unsigned)fd > last)
            break;
        if (mark)
            fd_set_cloexec(fd, true);
        else
            fd_close(fd);
        preempt_point();
    }
}

int
fd_get_cloexec(int fd)
{
    struct fdtable *table = current_table();
    SCOPED_SPIN(&table->lock);
    if ((unsigned)fd >= table->capacity || !table->files[fd])
        return -EBADF;
    return bitmap_test(table->cloexec, (size_t)fd);
}

int
fd_set_cloexec(int fd, bool on)
{
    struct fdtable *table = current_table();
    SCOPED_SPIN(&table->lock);
    if ((unsigned)fd >= table->capacity || !table->files[fd])
        return -EBADF;
    if (on)
        bitmap_set(table->cloexec, (size_t)fd);
    else
        bitmap_clear(table->cloexec, (size_t)fd);
    return 0;
}

int
fd_next(struct fdtable *table, int from)
{
    SCOPED_SPIN(&table->lock);
    for (size_t fd = (size_t)from; fd < table->capacity; fd++) {
        fd = bitmap_next_set(table->open, table->capacity, fd);
        if (fd < table->capacity && table->files[fd])
            return (int)fd;
    }
    return -1;
}

uint32_t
fd_count(struct fdtable *table)
{
    uint32_t n = 0;
    SCOPED_SPIN(&table->lock);

    for (size_t word = 0; word < BITMAP_WORDS(table->capacity); word++)
        n += popcount64(table->open[word]);
    return n;
}
