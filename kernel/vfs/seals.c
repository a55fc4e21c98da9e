/*
 * Seals (seals.h).
 */
#include "vfs/seals.h"

#include <linux/magic.h>
#include "lib/atomic.h"
#include "vfs/file.h"
#include "vfs/mount.h"
#include "vm/vmspace.h"

#define SEALS_WRITE (F_SEAL_WRITE | F_SEAL_FUTURE_WRITE)
#define SEALS_ALL (F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | SEALS_WRITE | F_SEAL_EXEC)
#define EXEC_BITS 0111U

int
seals_get(struct file *file)
{
    struct inode *inode = file->inode;
    uint32_t seals = __atomic_load_n(&inode->seals, __ATOMIC_RELAXED);

    if (seals || inode->sealable)
        return (int)seals;
    /* Any other file of a tmpfs counts as sealed against sealing. */
    return inode_is_reg(inode) && inode->sb->magic == TMPFS_MAGIC ? F_SEAL_SEAL : -EINVAL;
}

int
seals_add(struct file *file, uint32_t seals)
{
    struct inode *inode = file->inode;

    if (!(file->access & FILE_WRITE))
        return -EPERM;
    if (seals & ~(uint32_t)SEALS_ALL)
        return -EINVAL;
    SCOPED_LOCK(&inode->lock);
    int old = seals_get(file);
    if (old < 0 || (old & F_SEAL_SEAL))
        return old < 0 ? old : -EPERM;
    if ((seals & F_SEAL_EXEC) && (inode->mode & EXEC_BITS))
        seals |= F_SEAL_SHRINK | F_SEAL_GROW | SEALS_WRITE;
    uint32_t new = inode->seals | seals;
    SCOPED_SPIN(&inode->mapping.lock);
    if ((new & ~inode->seals & F_SEAL_WRITE) && inode->mapping.maps.nwritable > 0)
        return -EBUSY;
    store_relaxed(&inode->seals, new);
    return 0;
}

int
seals_forbid_write(const struct inode *inode, uint64_t end)
{
    if (inode->seals & SEALS_WRITE)
        return -EPERM;
    return (inode->seals & F_SEAL_GROW) && end > inode->size ? -EPERM : 0;
}

int
seals_forbid_change(const struct inode *inode, const struct attributes *attr)
{
    if ((inode->seals & F_SEAL_EXEC) && (attr->mask & ATTR_MODE) &&
        ((attr->mode ^ inode->mode) & EXEC_BITS))
        return -EPERM;
    if (!(attr->mask & ATTR_SIZE))
        return 0;
    if ((inode->seals & F_SEAL_SHRINK) && attr->size < inode->size)
        return -EPERM;
    return (inode->seals & F_SEAL_GROW) && attr->size > inode->size ? -EPERM : 0;
}

int
seals_admit_map(struct inode *inode, uint32_t *flags)
{
    if (!maplist_may_write(*flags))
        return 0;
    SCOPED_SPIN(&inode->mapping.lock);
    if (!(inode->seals & SEALS_WRITE)) {
        inode->mapping.maps.nwritable++;
        return 0;
    }
    if (*flags & REGION_WRITE)
        return -EPERM;
    *flags &= ~(uint32_t)REGION_MAY_WRITE;
    return 0;
}
