/*
 * The VFS floor as a whole.
 */
#ifndef QUIRE_VFS_VFS_H
#define QUIRE_VFS_VFS_H

/*
 * Make the caches of this floor. Boot hart, once, after slab_init() and before
 * any file system registers.
 */
void vfs_init(void);

#endif
