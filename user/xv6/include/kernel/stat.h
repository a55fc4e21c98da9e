/* What stat() and fstat() tell of a file. */
#ifndef QUIRE_XV6_STAT_H
#define QUIRE_XV6_STAT_H

#include "kernel/types.h"

#define T_DIR 1
#define T_FILE 2
#define T_DEVICE 3
#define T_SYMLINK 4

struct stat {
    int dev;     /* of the file system */
    uint ino;    /* inode number, its low 32 bits */
    short type;  /* T_... */
    short nlink; /* links to it */
    uint64 size; /* bytes */
};

#endif
