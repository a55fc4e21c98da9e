/* xv6's limits. MAXPATH, MAXARG and NPROC hold for programs built here, too. */
#ifndef QUIRE_XV6_PARAM_H
#define QUIRE_XV6_PARAM_H

#define NPROC 64          /* processes that one program and its descendants make */
#define NCPU 8
#define NOFILE 16
#define NFILE 100
#define NINODE 50
#define NDEV 10
#define ROOTDEV 1
#define MAXARG 32         /* arguments of exec */
#define MAXOPBLOCKS 10
#define LOGSIZE (MAXOPBLOCKS * 3)
#define NBUF (MAXOPBLOCKS * 3)
#define FSSIZE 2000
#define MAXPATH 128       /* bytes of a path, with its NUL */
#define USERSTACK 1       /* pages */

#endif
