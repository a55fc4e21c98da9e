/*
 * Error numbers: Linux's, from its UAPI headers. Kernel functions return
 * them negative. ERESTARTSYS and its kin never reach a user: the signal code
 * turns them into a restarted call or EINTR.
 */
#ifndef QUIRE_LIB_ERRNO_H
#define QUIRE_LIB_ERRNO_H

#ifdef QUIRE_HOST
#include <errno.h>
#else
#include <asm/errno.h>
#endif

#define ERESTARTSYS 512    /* restart if SA_RESTART, or no handler runs; else EINTR */
#define ERESTARTNOHAND 514 /* restart only if no handler runs; else EINTR */

/* Functions that return a pointer carry an error as a pointer in the last page. */
static inline void *
err_ptr(long error)
{
    return (void *)error;
}

static inline long
ptr_err(const void *ptr)
{
    return (long)ptr;
}

static inline int
is_err(const void *ptr)
{
    return (unsigned long)ptr >= (unsigned long)-4095L;
}

#endif
