/*
 * The kernel log: a ring of records, each a small header and its text.
 *
 * Positions count bytes ever written, so a record's place in the ring is its
 * position modulo the size, and "still there" is a comparison. New records
 * push out the oldest whole.
 */
#include "arch/riscv/klog.h"

#include "arch/riscv/clock.h"
#include "arch/riscv/sbi.h"
#include "arch/riscv/spinlock.h"
#include "lib/errno.h"
#include "lib/printf.h"
#include "lib/string.h"

#define RING_SIZE (128 * 1024U)
#define LINE_MAX 1024 /* longest message kept */
#define MARK_EVERY 16 /* messages */
#define NMARKS 1024

struct header {
    uint64_t nsec;
    uint16_t length;
    uint8_t level;
} __packed;

static char ring[RING_SIZE];
static uint64_t head, tail;         /* positions: end of the newest, start of the oldest */
static uint64_t next_seq, first_seq; /* of those records */
static uint64_t marks[NMARKS];       /* the position of message i * MARK_EVERY, at i modulo NMARKS */
_Static_assert(RING_SIZE / sizeof(struct header) / MARK_EVERY < NMARKS, "a mark for all in the ring");
static struct spinlock klog_lock = SPINLOCK_INIT("klog");
static struct spinlock console_lock = SPINLOCK_INIT("console");
static void (*console_write)(const char *text, size_t length);

int klog_console_level = LOG_DEBUG;
bool klog_panicking;
void (*klog_notify)(void);

static void
ring_copy_in(uint64_t position, const void *from, size_t n)
{
    const char *bytes = from;
    for (size_t i = 0; i < n; i++)
        ring[(position + i) % RING_SIZE] = bytes[i];
}

static void
ring_copy_out(void *to, uint64_t position, size_t n)
{
    char *bytes = to;
    for (size_t i = 0; i < n; i++)
        bytes[i] = ring[(position + i) % RING_SIZE];
}

static uint64_t
record_after(uint64_t position)
{
    struct header header;
    ring_copy_out(&header, position, sizeof(header));
    return position + sizeof(header) + header.length;
}

static void
append(int level, uint64_t nsec, const char *text, size_t length)
{
    struct header header = {.nsec = nsec, .length = length, .level = level};
    SCOPED_SPIN(&klog_lock);
    while (head + sizeof(header) + length - tail > RING_SIZE) {
        tail = record_after(tail);
        first_seq++;
    }
    if (next_seq % MARK_EVERY == 0)
        marks[next_seq / MARK_EVERY % NMARKS] = head;
    ring_copy_in(head, &header, sizeof(header));
    ring_copy_in(head + sizeof(header), text, length);
    head += sizeof(header) + length;
    next_seq++;
}

void
klog_set_console(void (*write)(const char *text, size_t length))
{
    console_write = write;
}

static void
console_text(const char *text, size_t length)
{
    if (console_write) {
        console_write(text, length);
        return;
    }
    for (size_t i = 0; i < length; i++) {
        if (text[i] == '\n')
            sbi_putchar('\r');
        sbi_putchar(text[i]);
    }
}

/* Show a line; harts take turns. After a panic nobody else runs, and the lock may be held for ever. */
static void
console(uint64_t nsec, const char *text, size_t length)
{
    char stamp[32];
    size_t n = scnprintf(stamp, sizeof(stamp), "[%5lu.%06lu] ", nsec / NSEC_PER_SEC,
                         nsec % NSEC_PER_SEC / NSEC_PER_USEC);
    bool locked = !klog_panicking;
    if (locked)
        spin_lock(&console_lock);
    console_text(stamp, n);
    console_text(text, length);
    console_text("\n", 1);
    if (locked)
        spin_unlock(&console_lock);
}

void
vprintk(int level, const char *fmt, va_list ap)
{
    char text[LINE_MAX];
    size_t length = vscnprintf(text, sizeof(text), fmt, ap);
    if (length && text[length - 1] == '\n')
        length--;
    uint64_t nsec = clock_mult ? clock_now() : 0;
    append(level, nsec, text, length);
    if (level < klog_console_level)
        console(nsec, text, length);
    if (klog_notify)
        klog_notify();
}

void
printk(int level, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vprintk(level, fmt, ap);
    va_end(ap);
}

bool
klog_may_print(struct klog_limit *limit)
{
    uint64_t now = clock_now(), start = __atomic_load_n(&limit->start, __ATOMIC_RELAXED);

    if (now - start >= KLOG_INTERVAL &&
        __atomic_compare_exchange_n(&limit->start, &start, now, false, __ATOMIC_RELAXED,
                                    __ATOMIC_RELAXED)) {
        __atomic_store_n(&limit->nprinted, 0, __ATOMIC_RELAXED);
        uint32_t nleft_out = __atomic_exchange_n(&limit->nleft_out, 0, __ATOMIC_RELAXED);
        if (nleft_out)
            pr_info("%u messages about %s were left out", nleft_out, limit->what);
    }
    if (__atomic_load_n(&limit->nprinted, __ATOMIC_RELAXED) < KLOG_BURST &&
        __atomic_fetch_add(&limit->nprinted, 1, __ATOMIC_RELAXED) < KLOG_BURST)
        return true;
    __atomic_fetch_add(&limit->nleft_out, 1, __ATOMIC_RELAXED);
    return false;
}

int
klog_read(uint64_t seq, struct klog_record *record, char *text, size_t size)
{
    SCOPED_SPIN(&klog_lock);
    if (seq < first_seq)
        seq = first_seq;
    if (seq >= next_seq)
        return -ENOENT;
    uint64_t at = first_seq, position = tail, marked = seq - seq % MARK_EVERY;
    if (marked > first_seq) {
        at = marked;
        position = marks[marked / MARK_EVERY % NMARKS];
    }
    for (; at < seq; at++)
        position = record_after(position);

    struct header header;
    ring_copy_out(&header, position, sizeof(header));
    *record = (struct klog_record){
        .seq = seq, .nsec = header.nsec, .level = header.level, .length = header.length};
    size_t length = min((size_t)header.length, size);
    ring_copy_out(text, position + sizeof(header), length);
    return length;
}

uint64_t
klog_next_seq(void)
{
    return __atomic_load_n(&next_seq, __ATOMIC_RELAXED);
}

uint64_t
klog_first_seq(void)
{
    return __atomic_load_n(&first_seq, __ATOMIC_RELAXED);
}
