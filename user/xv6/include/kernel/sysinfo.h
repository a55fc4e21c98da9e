/* What sysinfo() tells. */
#ifndef QUIRE_XV6_SYSINFO_H
#define QUIRE_XV6_SYSINFO_H

#include "kernel/types.h"

struct sysinfo {
    uint64 freemem; /* bytes */
    uint64 nproc;   /* processes */
};

#endif
