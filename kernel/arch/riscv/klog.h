/*
 * The kernel log.
 *
 * printk() formats a line into a ring buffer, which dmesg and /dev/kmsg read,
 * and hands it to the console if its level is below the console's. It may be
 * called from anywhere, interrupt handlers and panics included.
 */
#ifndef QUIRE_ARCH_KLOG_H
#define QUIRE_ARCH_KLOG_H

#include "lib/types.h"

/* Linux's levels (syslog(2)). */
enum { LOG_EMERG, LOG_ALERT, LOG_CRIT, LOG_ERR, LOG_WARNING, LOG_NOTICE, LOG_INFO, LOG_DEBUG };

void printk(int level, const char *fmt, ...) __printf_like(2, 3);
void vprintk(int level, const char *fmt, va_list ap) __printf_like(2, 0);
#define pr_err(...) printk(LOG_ERR, __VA_ARGS__)
#define pr_warn(...) printk(LOG_WARNING, __VA_ARGS__)
#define pr_info(...) printk(LOG_INFO, __VA_ARGS__)
#define pr_debug(...) printk(LOG_DEBUG, __VA_ARGS__)

/*
 * Messages that a user's program can cause at will: at most KLOG_BURST of them in
 * KLOG_INTERVAL, so that none pushes others out of the log or keeps the console
 * busy. Those that were left out are counted in a line of their own. Guarded by: (A) atomic
 */
#define KLOG_BURST 10
#define KLOG_INTERVAL (5 * NSEC_PER_SEC)
struct klog_limit {
    const char *what;  /* (C) the kind of message */
    uint64_t start;    /* (A) of the interval, ns since boot */
    uint32_t nprinted; /* (A) in it */
    uint32_t nleft_out; /* (A) */
};
/* May another message of this kind be printed? Any context. */
bool klog_may_print(struct klog_limit *limit);

/*
 * Send console output through `write` from now on; until then it goes through
 * SBI. The function must be callable with any lock held and must not log.
 */
void klog_set_console(void (*write)(const char *text, size_t length));

/* Messages with a level below this reach the console; set by loglevel= and quiet. */
extern int klog_console_level;

/* Set by a panic: the console is the panicking hart's alone, and takes no lock. */
extern bool klog_panicking;

/* A message in the ring. Sequence numbers count up from 0 and never wrap. */
struct klog_record {
    uint64_t seq;
    uint64_t nsec; /* since boot */
    int level;
    uint16_t length; /* of the text, without its newline */
};

/*
 * Copy the first message whose sequence number is at least `seq` into text
 * (cut at size). Returns its length, or -ENOENT if there is none yet.
 */
int klog_read(uint64_t seq, struct klog_record *record, char *text, size_t size);
/* The sequence number the next message will get. */
uint64_t klog_next_seq(void);
/* The sequence number of the oldest message still in the ring. */
uint64_t klog_first_seq(void);
/* Called (from any context) after a message was added; NULL for none. */
extern void (*klog_notify)(void);

#endif
