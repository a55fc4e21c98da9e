/*
 * memfd: a tmpfs file without a name, which can be sealed (vfs/seals.h).
 */
#include "fs/memfd.h"

#include "fs/tmpfs.h"
#include "vfs/file.h"
#include "vfs/inode.h"
#include "vfs/seals.h"

int
memfd_open(const char *name, bool sealable, bool noexec, struct file **result)
{
    int error = tmpfs_nameless(name, 0, O_LARGEFILE, result);
    if (error)
        return error;
    /* No other thread knows the file yet. */
    file_uncount(*result); /* as on Linux, it may be executed while this descriptor is open */
    struct inode *inode = (*result)->inode;
    inode->sealable = true;
    inode->seals = sealable || noexec ? 0 : F_SEAL_SEAL;
    if (noexec) {
        inode->mode &= ~0111U;
        inode->seals |= F_SEAL_EXEC;
    }
    return 0;
}
