/*
 * What nameops.c and rename.c share: may a name be made or removed?
 */
#ifndef QUIRE_VFS_NAMEOPS_H
#define QUIRE_VFS_NAMEOPS_H

#include "vfs/dcache.h"

/* May something be made in dir, whose lock is held? 0, -ENOENT (removed), -EACCES ... */
int may_create(struct inode *dir);
/*
 * May victim, positive, be removed from dir, whose lock is held, as a directory
 * or as something else? 0, -EACCES, -EPERM (sticky), -ENOTDIR, -EISDIR, -ENOENT.
 */
int may_delete(struct inode *dir, const struct dentry *victim, bool as_dir);

#endif
