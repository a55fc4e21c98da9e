/*
 * What the tests of shared page tables share: large regions, where fork finds
 * whole tables to share.
 */
#ifndef SHARING_H
#define SHARING_H

#include "tap.h"
#include "account.h"
#include "quire.h"

#define MIB (1UL << 20)
#define GIB (1UL << 30)
#define TABLE 512               /* pages of a table of leaves */

/* size bytes at a multiple of align, anonymous; `huge`: superpages are welcome. */
static inline char *
region(size_t size, size_t align, int huge)
{
    char *all = mmap(NULL, size + align, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (all == MAP_FAILED) {
        ok(0, "a region of %zu MiB: %s", size / MIB, tap_errno_name(errno));
        exit(tap_end());
    }
    char *start = (char *)(((uintptr_t)all + align - 1) & -align);
    if (start > all)
        munmap(all, start - all);
    munmap(start + size, all + align - start);
    madvise(start, size, huge ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
    return start;
}

#endif
