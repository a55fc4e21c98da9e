/*
 * tmpfs: a file system in memory.
 *
 * Directories are the dentry cache itself, every dentry pinned; contents are
 * the page cache, with nowhere behind it. Three types share the code: tmpfs,
 * limited in size; ramfs, without limits; and rootfs, the tmpfs that an
 * initramfs is unpacked into.
 */
#ifndef QUIRE_FS_TMPFS_H
#define QUIRE_FS_TMPFS_H

#include "lib/types.h"

struct file;

/* Register tmpfs, ramfs and rootfs. Once, at boot, after vfs_init(). */
void tmpfs_init(void);

/*
 * A file of `size` bytes of zeros that has no name (memfd_create(2)); /proc shows it as
 * "/NAME (deleted)". Opened for reading and writing with further flags (O_*), one
 * reference. -ENOMEM, -ENAMETOOLONG.
 */
int tmpfs_nameless(const char *name, uint64_t size, uint32_t flags, struct file **file);

#endif
