/*
 * The kernel log for programs: /dev/kmsg and syslog(2).
 */
#ifndef QUIRE_DEV_KMSG_H
#define QUIRE_DEV_KMSG_H

#include "lib/types.h"

struct file;
struct poll_table;
struct uio;

/* Register /dev/kmsg and be told of new messages. Once, at boot. */
void kmsg_init(void);
/* /proc/sys/kernel/dmesg_restrict: 1: only a thread with CAP_SYSLOG may read the log at all. */
extern uint32_t kmsg_restricted;
#define KMSG_OPEN 1 /* SYSLOG_ACTION_OPEN */
/* May the current thread do what this type of syslog(2) does? 0 or -EPERM. */
int kmsg_check(int type);
/*
 * syslog(2): returns what the call does (a count of bytes, 0), or -EPERM,
 * -EINVAL, -EFAULT, -ENOMEM, -ERESTARTSYS.
 */
int64_t kmsg_syslog(int type, vaddr_t buf, int size);
/*
 * /proc/kmsg: give the messages that nobody has taken yet, as lines
 * "<6>[    1.234567] text\n", as many as fit. Waits for one. Shares its place in
 * the log with syslog(2)'s SYSLOG_ACTION_READ.
 */
ssize_t kmsg_read_next(struct uio *uio, bool nonblock);
uint32_t kmsg_poll_next(struct file *file, struct poll_table *table);

#endif
