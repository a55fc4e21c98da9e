/*
 * Making open files: what file.c, open.c and anon.c share.
 */
#ifndef QUIRE_VFS_FILEINIT_H
#define QUIRE_VFS_FILEINIT_H

#include "vfs/file.h"

/*
 * An open file on a path (whose references it takes over on success), with one reference
 * and its inode's file_ops, which have not been told of it yet. An error pointer: -ENOMEM, or
 * -ENFILE if there are file_max files and the caller lacks CAP_SYS_ADMIN.
 */
struct file *file_alloc(const struct path *path, uint32_t access, uint32_t flags);
/* Undo file_alloc(): the file's ops->open was not called, or failed. */
void file_discard(struct file *file);
/*
 * Before a regular file is opened for writing or truncated, and after: count a writer of
 * its mount and its inode. 0, -EROFS, -ETXTBSY.
 */
int begin_write(const struct path *path);
void end_write(const struct path *path);
void file_init(void);
void anon_init(void);

#endif
