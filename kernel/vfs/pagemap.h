/*
 * Mappings of files, as the page cache sees them; mapregion.c.
 */
#ifndef QUIRE_VFS_PAGEMAP_H
#define QUIRE_VFS_PAGEMAP_H

#include "vfs/pagecache.h"

/*
 * Unmap pages [first, first + npages) of a file from every address space; with `copies`
 * also what private mappings have written there. No spinlock held; the inode's lock held,
 * which keeps other truncations away. In time proportional to the regions in the way.
 */
void pagemap_unmap(struct mapping *mapping, uint64_t first, uint64_t npages, bool copies);

#endif
