/*
 * The initramfs: the first files, from the archive the boot loader left in memory.
 */
#ifndef QUIRE_FS_INITRAMFS_H
#define QUIRE_FS_INITRAMFS_H

#include "lib/types.h"

/*
 * Unpack what is at data into the root, which is mounted: cpio archives, plain or gzipped. 0;
 * -EINVAL: malformed (what came before that is there); -ENOMEM, -ENOSPC. Single files that
 * cannot be made are passed over, with a line in the log. In a kernel thread.
 */
int initramfs_unpack(const void *data, size_t size);

#endif
