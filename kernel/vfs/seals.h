/*
 * Seals: what may be done to a file's contents no more (fcntl(2), F_ADD_SEALS).
 *
 * Whoever hands a file of memory to somebody else can promise not to change
 * it: seals are only ever added. They are in inode->seals; of files that are
 * not memfd_create(2)'s it is 0, and the checks below cost one test.
 */
#ifndef QUIRE_VFS_SEALS_H
#define QUIRE_VFS_SEALS_H

#include <linux/fcntl.h>
#include "vfs/inode.h"

/* Younger than the installed headers (Linux 6.3; linux/fcntl.h). */
#ifndef F_SEAL_EXEC
#define F_SEAL_EXEC 0x0020
#endif

struct attributes;
struct file;

/* F_GET_SEALS, F_ADD_SEALS. -EINVAL: a file without seals; -EPERM, -EBUSY (it is mapped to be written). */
int seals_get(struct file *file);
int seals_add(struct file *file, uint32_t seals);

/* The slow halves of what follows. */
int seals_forbid_write(const struct inode *inode, uint64_t end);
int seals_forbid_change(const struct inode *inode, const struct attributes *attr);

/* May bytes be written up to `end`? inode->lock held. 0 or -EPERM. */
static inline int
seals_check_write(const struct inode *inode, uint64_t end)
{
    return unlikely(inode->seals) ? seals_forbid_write(inode, end) : 0;
}

/* May size and mode change so? inode->lock held. 0 or -EPERM. */
static inline int
seals_check_change(const struct inode *inode, const struct attributes *attr)
{
    return unlikely(inode->seals) ? seals_forbid_change(inode, attr) : 0;
}

/*
 * region_ops.admit: may the file be mapped with these REGION_* flags? Takes REGION_MAY_WRITE away
 * if the mapping may not become writable. A mapping that may is counted as one that writes, so that
 * no seal against it is added before it is listed. 0 or -EPERM.
 */
int seals_admit_map(struct inode *inode, uint32_t *flags);

#endif
