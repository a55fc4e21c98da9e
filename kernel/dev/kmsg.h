/*
 * The kernel log for programs: /dev/kmsg and syslog(2).
 */
#ifndef QUIRE_DEV_KMSG_H
#define QUIRE_DEV_KMSG_H

#include "lib/types.h"

/* Register /dev/kmsg and be told of new messages. Once, at boot. */
void kmsg_init(void);
/*
 * syslog(2), with permission checked by the caller: returns what the call
 * does (a count of bytes, 0), or -EINVAL, -EFAULT, -ENOMEM, -ERESTARTSYS.
 */
int64_t kmsg_syslog(int type, vaddr_t buf, int size);
/*
 * Copy the next messages after *seq as lines "<6>[    1.234567] text\n" to
 * buf, as many as fit; moves *seq on. Returns bytes.
 */
size_t kmsg_lines(uint64_t *seq, char *buf, size_t size);

#endif
