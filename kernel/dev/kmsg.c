/*
 * The kernel log for programs.
 *
 * /dev/kmsg gives one message a read, in the form
 *
 *      6,17,123456,-;text\n        level, sequence number, microseconds, flags
 *
 * with unprintable bytes as \xNN. Every open has a place of its own in the
 * log; if the ring overtakes it, the next read says -EPIPE once and goes on
 * with the oldest message left. Writing adds a message, at the level of a
 * leading "<N>".
 *
 * syslog(2) gives lines as on a terminal; its read position and its "clear"
 * mark are the system's, not a file's.
 */
#include <linux/capability.h>
#include <linux/fs.h>
#include "arch/riscv/clock.h"
#include "arch/riscv/klog.h"
#include "arch/riscv/trap.h"
#include "dev/kmsg.h"
#include "lib/parse.h"
#include "lib/printf.h"
#include "lib/string.h"
#include "mem/slab.h"
#include "sched/wait.h"
#include "vfs/cred.h"
#include "vfs/device.h"
#include "vfs/inode.h"
#include "vm/usercopy.h"

#define TEXT_MAX 992 /* longest message that can be written or read, as Linux's LOG_LINE_MAX */
#define RECORD_MAX (TEXT_MAX * 4 + 64)
#define LOG_SIZE (1 << 16) /* what SYSLOG_ACTION_SIZE_BUFFER says; the ring's own size is klog's */

enum { /* syslog(2)'s actions */
       LOG_CLOSE, LOG_OPEN = KMSG_OPEN, LOG_READ, LOG_READ_ALL, LOG_READ_CLEAR, LOG_CLEAR,
       LOG_CONSOLE_OFF, LOG_CONSOLE_ON, LOG_CONSOLE_LEVEL, LOG_SIZE_UNREAD, LOG_SIZE_BUFFER };

static struct waitq kmsg_waiters = WAITQ_INIT(kmsg_waiters);
static struct spinlock kmsg_lock = SPINLOCK_INIT("kmsg");
static uint64_t syslog_seq; /* (kmsg_lock) next message for LOG_READ */
static uint64_t clear_seq;  /* (kmsg_lock) messages before it are hidden from LOG_READ_ALL */

/* Any context, any lock may be held: so touch nothing unless somebody waits. */
static void
kmsg_added(void)
{
    if (!waitq_empty(&kmsg_waiters))
        wake_key(&kmsg_waiters, POLLIN | POLLRDNORM);
}

uint32_t kmsg_restricted = 1;

int
kmsg_check(int type)
{
    bool open_to_all = type == LOG_READ_ALL || type == LOG_SIZE_BUFFER;
    if ((open_to_all && !kmsg_restricted) || capable(CAP_SYSLOG))
        return 0;
    return -EPERM;
}

/* /dev/kmsg. file->private points to the file's sequence number. */

static int
kmsg_open(struct inode *inode __unused, struct file *file)
{
    int error = file->access & FILE_READ ? kmsg_check(LOG_READ_ALL) : 0;
    if (error)
        return error;
    uint64_t *seq = kmalloc(sizeof(*seq));
    if (!seq)
        return -ENOMEM;
    *seq = klog_first_seq();
    file->private = seq;
    return 0;
}

static void
kmsg_release(struct file *file)
{
    kmfree(file->private);
}

/* Format one message as a record; returns its length. */
static size_t
format_record(const struct klog_record *record, const char *text, char *out, size_t size)
{
    size_t n = scnprintf(out, size, "%d,%lu,%lu,-;", record->level, record->seq,
                         record->nsec / NSEC_PER_USEC);
    for (size_t i = 0; i < record->length; i++) {
        uint8_t c = (uint8_t)text[i];
        if (c < 0x20 || c >= 0x7f || c == '\\')
            n += scnprintf(out + n, size - n, "\\x%02x", c);
        else if (n + 2 < size)
            out[n++] = (char)c;
    }
    out[n++] = '\n';
    return n;
}

/*
 * Wait for a message at *seq or later. kmsg_added() takes no lock of ours, so
 * a message may slip in between the look and the sleep: look again by and by.
 */
static int
wait_for_message(const uint64_t *seq, bool nonblock)
{
    spin_lock(&kmsg_lock);
    int error = 0;
    while (*seq >= klog_next_seq() && !error) {
        if (nonblock)
            error = -EAGAIN;
        else if (wait_on(&kmsg_waiters, &kmsg_lock, WAIT_INTERRUPTIBLE,
                         clock_now() + NSEC_PER_SEC) == -EINTR)
            error = -ERESTARTSYS;
    }
    spin_unlock(&kmsg_lock);
    return error;
}

static ssize_t
kmsg_read(struct file *file, struct uio *uio, uint64_t *pos __unused)
{
    uint64_t *seq = file->private;
    int error = wait_for_message(seq, file->flags & O_NONBLOCK);
    if (error)
        return error;
    if (*seq < klog_first_seq()) {
        *seq = klog_first_seq();
        return -EPIPE;
    }
    char *buf = kmalloc(RECORD_MAX + TEXT_MAX);
    if (!buf)
        return -ENOMEM;
    char *text = buf + RECORD_MAX;
    struct klog_record record;
    ssize_t result = klog_read(*seq, &record, text, TEXT_MAX);
    if (result >= 0) {
        record.length = (uint16_t)min(result, (ssize_t)TEXT_MAX);
        size_t n = format_record(&record, text, buf, RECORD_MAX);
        if (n > uio->residue)
            result = -EINVAL;
        else
            result = uio_copyout(uio, buf, n) == n ? (ssize_t)n : -EFAULT;
        if (result >= 0)
            *seq = record.seq + 1;
    }
    kmfree(buf);
    return result;
}

static ssize_t
kmsg_write(struct file *file __unused, struct uio *uio, uint64_t *pos __unused)
{
    size_t n = uio->residue;
    if (n > TEXT_MAX)
        return -EINVAL;
    char *buf = kmalloc(n + 1);
    if (!buf)
        return -ENOMEM;
    if (uio_copyin(uio, buf, n) != n) {
        kmfree(buf);
        return -EFAULT;
    }
    size_t length = n;
    while (length && (buf[length - 1] == '\n' || buf[length - 1] == 0))
        length--;
    buf[length] = 0;

    int level = LOG_WARNING;
    const char *text = buf, *end;
    uint64_t priority;
    if (text[0] == '<' && parse_number(text + 1, &end, &priority) == 0 && *end == '>') {
        level = (int)(priority & 7);
        text = end + 1;
    }
    printk(level, "%s", text);
    kmfree(buf);
    return (ssize_t)n;
}

static int64_t
kmsg_seek(struct file *file, int64_t offset, int whence)
{
    uint64_t *seq = file->private;
    if (offset)
        return -ESPIPE;
    switch (whence) {
    case SEEK_SET:
        *seq = klog_first_seq();
        return 0;
    case SEEK_DATA:
        *seq = max(clear_seq, klog_first_seq());
        return 0;
    case SEEK_END:
        *seq = klog_next_seq();
        return 0;
    }
    return -EINVAL;
}

static uint32_t
kmsg_poll(struct file *file, struct poll_table *table)
{
    const uint64_t *seq = file->private;
    poll_wait(table, file, &kmsg_waiters);
    uint32_t events = POLLOUT | POLLWRNORM;
    if (*seq < klog_next_seq())
        events |= POLLIN | POLLRDNORM;
    if (*seq < klog_first_seq())
        events |= POLLERR | POLLPRI;
    return events;
}

static const struct file_ops kmsg_file_ops = {
    .read = kmsg_read,
    .write = kmsg_write,
    .seek = kmsg_seek,
    .poll = kmsg_poll,
    .open = kmsg_open,
    .release = kmsg_release,
};

/* syslog(2). */

/*
 * Write the first message from *seq on as a line to out, as much as fits, and move *seq
 * behind it. Returns the line's length, whole; 0: there is no message.
 */
static size_t
format_line(uint64_t *seq, char *out, size_t size)
{
    char text[256]; /* longer messages are cut: a kernel stack is small */
    struct klog_record record;
    int length = klog_read(*seq, &record, text, sizeof(text));

    if (length < 0)
        return 0;
    *seq = record.seq + 1;
    uint64_t usec = record.nsec / NSEC_PER_USEC;
    return (size_t)snprintf(out, size, "<%d>[%5lu.%06lu] %.*s\n", record.level, usec / 1000000,
                            usec % 1000000, length, text);
}

#define LINES_AT_ONCE 16 /* between two preemption points */

/*
 * Copy messages from *seq on to buf as lines, as many as fit; moves *seq on.
 * Returns bytes.
 */
static size_t
format_lines(uint64_t *seq, char *buf, size_t size)
{
    size_t done = 0, n;
    unsigned nsteps = 0;
    uint64_t next = *seq;

    while ((n = format_line(&next, buf + done, size - done)) && n < size - done) {
        done += n;
        *seq = next;
        preempt_every(&nsteps, LINES_AT_ONCE);
    }
    return done;
}

/* From which message on, *seq or later, all before `end` fit into size bytes as lines. */
static uint64_t
first_that_fits(uint64_t seq, uint64_t end, size_t size)
{
    size_t total = 0;
    unsigned nsteps = 0;

    for (uint64_t at = seq; at < end; preempt_every(&nsteps, LINES_AT_ONCE))
        total += format_line(&at, NULL, 0);
    while (seq < end && total >= size) {
        total -= min(total, format_line(&seq, NULL, 0));
        preempt_every(&nsteps, LINES_AT_ONCE);
    }
    return seq;
}

/* LOG_READ_ALL: the last messages that fit, oldest first. */
static int64_t
read_all(vaddr_t user, int size, bool clear)
{
    size_t room = min((size_t)size, (size_t)LOG_SIZE);
    char *buf = kmalloc(LOG_SIZE);
    if (!buf)
        return -ENOMEM;
    uint64_t end = klog_next_seq();
    uint64_t seq = first_that_fits(max(clear_seq, klog_first_seq()), end, room);
    size_t n = format_lines(&seq, buf, room);
    int64_t result = copyout(user, buf, n) ? -EFAULT : (int64_t)n;
    kmfree(buf);
    if (clear && result >= 0)
        clear_seq = end;
    return result;
}

ssize_t
kmsg_read_next(struct uio *uio, bool nonblock)
{
    int error = wait_for_message(&syslog_seq, nonblock);
    if (error)
        return error;
    size_t room = min(uio->residue, PAGE_SIZE);
    char *buf = kmalloc(room);
    if (!buf)
        return -ENOMEM;
    uint64_t seq = max(syslog_seq, klog_first_seq());
    size_t n = format_lines(&seq, buf, room);
    ssize_t result = uio_copyout(uio, buf, n) == n ? (ssize_t)n : -EFAULT;
    if (result >= 0)
        syslog_seq = seq;
    kmfree(buf);
    return result;
}

uint32_t
kmsg_poll_next(struct file *file, struct poll_table *table)
{
    poll_wait(table, file, &kmsg_waiters);
    return syslog_seq < klog_next_seq() ? POLLIN | POLLRDNORM : 0;
}

/* Bytes that LOG_READ would give. */
static int64_t
count_unread(void)
{
    char *buf = kmalloc(LOG_SIZE);
    if (!buf)
        return -ENOMEM;
    uint64_t seq = max(syslog_seq, klog_first_seq());
    size_t n = format_lines(&seq, buf, LOG_SIZE);
    kmfree(buf);
    return (int64_t)n;
}

/* What the console shows: nothing but emergencies (off), or what it showed before. */
static int saved_level = -1; /* -1: the console is not off */

static int
set_console(bool on)
{
    if (on && saved_level >= 0) {
        klog_console_level = saved_level;
        saved_level = -1;
    } else if (!on && saved_level < 0) {
        saved_level = klog_console_level;
        klog_console_level = LOG_EMERG + 1;
    }
    return 0;
}

static int
set_console_level(int level)
{
    if (level < LOG_EMERG + 1 || level > LOG_DEBUG + 1)
        return -EINVAL;
    klog_console_level = level;
    saved_level = -1;
    return 0;
}

int64_t
kmsg_syslog(int type, vaddr_t buf, int size)
{
    int error = kmsg_check(type);
    if (error)
        return error;
    struct uio_segment segment;
    struct uio uio;
    bool reads = type == LOG_READ || type == LOG_READ_ALL || type == LOG_READ_CLEAR;
    if (reads && (!buf || size < 0))
        return -EINVAL;
    if (reads && size == 0)
        return 0;
    switch (type) {
    case LOG_CLOSE:
    case LOG_OPEN:
        return 0;
    case LOG_READ:
        uio_user(&uio, &segment, buf, (size_t)size);
        return kmsg_read_next(&uio, false);
    case LOG_READ_ALL:
    case LOG_READ_CLEAR:
        return read_all(buf, size, type == LOG_READ_CLEAR);
    case LOG_CLEAR:
        clear_seq = klog_next_seq();
        return 0;
    case LOG_CONSOLE_OFF:
    case LOG_CONSOLE_ON:
        return set_console(type == LOG_CONSOLE_ON);
    case LOG_CONSOLE_LEVEL:
        return set_console_level(size);
    case LOG_SIZE_UNREAD:
        return count_unread();
    case LOG_SIZE_BUFFER:
        return LOG_SIZE;
    }
    return -EINVAL;
}

void
kmsg_init(void)
{
    static struct device device = {
        .name = "kmsg", .mode = S_IFCHR | 0644, .rdev = 1 << 8 | 11, .ops = &kmsg_file_ops};
    device_register(&device);
    klog_notify = kmsg_added;
}
