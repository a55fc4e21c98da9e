/*
 * The initramfs: the first files, from the archive the boot loader left in memory.
 */
#ifndef QUIRE_FS_INITRAMFS_H
#define QUIRE_FS_INITRAMFS_H

#include "lib/types.h"

/*
 * Unpack machine.initrd into the root (mounted before), then give its frames to the
 * allocator. 0; -ENOENT: there is none; -EINVAL: malformed (what came before that is there);
 * -ENOMEM, -ENOSPC. Says in the log what went wrong. In a kernel thread.
 */
int initramfs_load(void);

#endif
