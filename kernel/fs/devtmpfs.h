/*
 * devtmpfs: a tmpfs in which every registered device has its node.
 */
#ifndef QUIRE_FS_DEVTMPFS_H
#define QUIRE_FS_DEVTMPFS_H

/* Register the file-system type "devtmpfs". After tmpfs's. */
void devtmpfs_init(void);

#endif
