/*
 * memfd_create(2): a file in memory that has no name.
 */
#ifndef QUIRE_FS_MEMFD_H
#define QUIRE_FS_MEMFD_H

#include "lib/types.h"

struct file;

#define MEMFD_PREFIX "memfd:" /* of the names that /proc shows */

/*
 * name begins with MEMFD_PREFIX. sealable: seals may be added. noexec: the file is not
 * executable, for good. 0, -ENOMEM.
 */
int memfd_open(const char *name, bool sealable, bool noexec, struct file **file);

#endif
