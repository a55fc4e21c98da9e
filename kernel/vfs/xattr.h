/*
 * Extended attributes: names with values beside a file's contents, xattr(7).
 *
 * The rules of names and rights are here, and a store in memory that a file
 * system may use for its inodes (inode->xattrs).
 */
#ifndef QUIRE_VFS_XATTR_H
#define QUIRE_VFS_XATTR_H

#include "lib/types.h"

struct inode;
struct path;

/*
 * Set an attribute to size bytes, at most XATTR_SIZE_MAX, or remove it (value NULL). flags:
 * XATTR_CREATE, XATTR_REPLACE. name has at most XATTR_NAME_MAX bytes. Takes the inode's lock.
 * 0, or -EROFS, -EPERM, -EACCES, -EEXIST, -ENODATA, -EINVAL (a prefix alone), -ENOSPC,
 * -ENOMEM, -EOPNOTSUPP.
 */
int vfs_setxattr(const struct path *path, const char *name, const void *value, size_t size,
                 unsigned flags);

/*
 * Copy an attribute's value to buf of size bytes and return its length; with size 0 only that.
 * Takes the inode's lock. -ERANGE (buf is too small), -ENODATA, -EACCES, -EINVAL, -EOPNOTSUPP.
 */
ssize_t vfs_getxattr(struct inode *inode, const char *name, void *buf, size_t size);

/*
 * The names, each with its NUL, in buf of size bytes; returns the length of all of them, with
 * size 0 only that. Names of "trusted." are told to CAP_SYS_ADMIN alone. Takes the inode's
 * lock. -ERANGE.
 */
ssize_t vfs_listxattr(struct inode *inode, char *buf, size_t size);

/* The store in memory. The inode's lock is held, but by xattr_destroy(). */

/* What vfs_setxattr() says, without rights and prefixes. */
int xattr_set(struct inode *inode, const char *name, const void *value, size_t size, unsigned flags);
ssize_t xattr_get(struct inode *inode, const char *name, void *buf, size_t size);
ssize_t xattr_list(struct inode *inode, char *buf, size_t size);
/* Bytes of kernel memory that an attribute takes, 0 if it is not there / that one would take. */
size_t xattr_space(struct inode *inode, const char *name);
size_t xattr_space_for(const char *name, size_t size);
/* Free all. Nobody else knows the inode any more. */
void xattr_destroy(struct inode *inode);

#endif
