/* Sizes of xv6's file system, and what read() gives of a directory. */
#ifndef QUIRE_XV6_FS_H
#define QUIRE_XV6_FS_H

#include "kernel/types.h"

#define ROOTINO 1
#define BSIZE 1024

#define NDIRECT 12
#define NINDIRECT (BSIZE / sizeof(uint))
#define MAXFILE (NDIRECT + NINDIRECT) /* blocks in the largest file of xv6 */

#define DIRSIZ 14

struct dirent {
    ushort inum; /* never 0 here */
    char name[DIRSIZ]; /* no NUL if all are used */
};

#endif
