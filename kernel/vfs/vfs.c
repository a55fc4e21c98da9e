/*
 * Start of the VFS floor.
 */
#include "vfs/vfs.h"

#include "vfs/fdtable.h"
#include "vfs/fileinit.h"
#include "vfs/locks.h"
#include "vfs/namei.h"
#include "vfs/pagecache.h"
#include "vfs/user.h"

void
vfs_init(void)
{
    user_init();
    dcache_init();
    page_init();
    file_init();
    fdtable_init();
    anon_init();
    locks_init();
}
